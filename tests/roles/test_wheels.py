"""The collector's locked packages exist as wheels for every target, whatever the controller is.

The wheels are fetched as the roles fetch them and into the same cache, so this costs seconds once
for each change of the lock, and the first rollout or Molecule scenario finds them there.
"""

import re

import pytest

# Debian 12 and 13, x86-64 and arm64.
TARGETS = [("3.11", "x86_64"), ("3.11", "aarch64"), ("3.13", "x86_64"), ("3.13", "aarch64")]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", re.MULTILINE)


@pytest.fixture(scope="module")
def fetch(library, repository):
    """Return the wheels of one kind of target, as the roles would ship them."""
    bundle = library("watchtower_bundle")
    lock = repository / "requirements/collector.txt"
    cache = repository / ".cache/bundles"
    cache.mkdir(parents=True, exist_ok=True)
    return lambda python, processor: bundle.download_wheels(lock, python, processor, cache)


@pytest.fixture(scope="module")
def pinned(repository):
    """Return the locked packages as {(name, version)}, names as wheels spell them (PEP 427)."""
    text = (repository / "requirements/collector.txt").read_text()
    return {(re.sub(r"[-_.]+", "_", name).lower(), version) for name, version in PIN.findall(text)}


@pytest.mark.parametrize(("python", "processor"), TARGETS)
def test_every_package_has_a_wheel_for_the_target(fetch, pinned, python, processor):
    wheels = [wheel.stem.split("-") for wheel in fetch(python, processor)]
    assert {(name.lower(), version) for name, version, *_ in wheels} == pinned
    for name, _, *_, interpreter, abi, platform in wheels:
        pure = (abi, platform) == ("none", "any")
        own = f"cp{python.replace('.', '')}" in interpreter or abi == "abi3"
        assert pure or (own and processor in platform), name
