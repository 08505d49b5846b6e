"""What hosts install is built once, on the controller, and always comes out the same."""

import os
import shutil
import tarfile
from pathlib import Path

import pytest

HOSTILE_DATES = (0, 1_900_000_000)


@pytest.fixture
def checkout(tmp_path):
    """Return a small checkout: VERSION and a program of two files."""
    source = tmp_path / "checkout"
    package = source / "src/program"
    (package / "inner").mkdir(parents=True)
    (source / "VERSION").write_text("1.2.3\n")
    (package / "__init__.py").write_text('"""A program."""\n')
    (package / "inner/part.py").write_text("ANSWER = 42\n")
    return source


@pytest.fixture
def build(run_module, checkout, tmp_path):
    """Build the bundle of the small checkout, or of ``source``."""

    def build_it(cache="cache", environment=None, source=checkout, **parameters):
        where = {"source": str(source), "package": "program", "cache": str(tmp_path / cache)}
        return run_module("watchtower_bundle", where | parameters, environment)

    return build_it


def names(path):
    """Return the names in an archive."""
    with tarfile.open(path) as archive:
        return archive.getnames()


def test_same_source_gives_the_same_bytes(build, checkout, tmp_path):
    first = build("one")
    for number, path in enumerate(sorted(checkout.rglob("*.py"))):
        os.utime(path, (HOSTILE_DATES[number % 2],) * 2)
    shutil.copytree(checkout / "src", tmp_path / "elsewhere/src")
    (tmp_path / "elsewhere/VERSION").write_text("1.2.3\n")
    second = build("two", source=tmp_path / "elsewhere")
    assert first.release == second.release
    assert first.release.startswith("1.2.3-")
    assert Path(first.path).read_bytes() == Path(second.path).read_bytes()


def test_bundle_holds_the_program_and_nothing_of_the_machine(build, checkout):
    (checkout / "src/program/__pycache__").mkdir()
    (checkout / "src/program/__pycache__/part.pyc").write_bytes(b"\0")
    bundle = build()
    assert names(bundle.path) == ["VERSION", "program/__init__.py", "program/inner/part.py"]
    with tarfile.open(bundle.path) as archive:
        assert {(m.uid, m.uname, m.mtime, m.mode) for m in archive} == {(0, "", 0, 0o644)}
    # RFC 1952, section 2.3: no flags (so no file name) and no time in the header.
    assert Path(bundle.path).read_bytes()[3:8] == bytes(5)


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "src/program/inner/part.py").write_text("ANSWER = 43\n"),
        lambda root: (root / "src/program/new.py").touch(),
        lambda root: (root / "src/program/inner/part.py").rename(root / "src/program/part.py"),
        lambda root: (root / "src/program/inner/part.py").chmod(0o755),
        lambda root: (root / "VERSION").write_text("1.2.4\n"),
    ],
    ids=["a byte", "a file more", "a new name", "made executable", "the version"],
)
def test_any_change_gives_a_new_release(build, checkout, change):
    before = build()
    change(checkout)
    after = build()
    assert before.release != after.release
    assert before.path != after.path


def test_a_built_bundle_is_taken_from_the_cache(build):
    first = build()
    written = Path(first.path).stat().st_mtime_ns
    assert build().path == first.path
    assert Path(first.path).stat().st_mtime_ns == written


def test_extra_files_stand_beside_the_program(build, tmp_path):
    launcher = tmp_path / "launcher.py"
    launcher.write_text("#!/usr/bin/python3\n")
    launcher.chmod(0o755)
    bundle = build(extra_files=[str(launcher)])
    with tarfile.open(bundle.path) as archive:
        assert archive.getmember("launcher.py").mode == 0o755


def test_programs_that_belong_together_are_one_release(build, checkout):
    alone = build()
    second = checkout / "src/second"
    second.mkdir()
    (second / "__init__.py").touch()
    both = build(more_packages=["second"])
    assert set(names(both.path)) == {*names(alone.path), "second/__init__.py"}
    (second / "__init__.py").write_text('"""Changed."""\n')
    assert build(more_packages=["second"]).release not in {both.release, alone.release}


def test_a_second_program_that_is_not_there_is_named(build, checkout):
    result = build(more_packages=["second"])
    assert result.status != 0
    assert str(checkout / "src/second") in result.msg


@pytest.mark.parametrize("lost", ["src", "VERSION"])
def test_incomplete_checkout_is_named(build, checkout, lost):
    (checkout / lost).rename(checkout / "elsewhere")
    result = build()
    assert result.status != 0
    assert str(checkout / lost) in result.msg
    assert "complete checkout?" in result.msg


@pytest.fixture
def lock(tmp_path):
    """Return a requirements file with a hash that no file has."""
    path = tmp_path / "lock.txt"
    path.write_text(f"idna==3.10 --hash=sha256:{'0' * 64}\n")
    return str(path)


def test_unknown_processor_is_refused(build, lock):
    result = build(requirements=lock, python_version="3.11", architecture="riscv64")
    assert result.status != 0
    for word in ("riscv64", "x86_64", "aarch64"):
        assert word in result.msg


def test_failing_pip_is_quoted_and_leaves_nothing_behind(build, lock, tmp_path):
    environment = os.environ | {"PIP_NO_INDEX": "1"}
    wanted = {"requirements": lock, "python_version": "3.11", "architecture": "x86_64"}
    result = build(environment=environment, **wanted)
    assert result.status != 0
    for word in ("Python 3.11 on x86_64", "HTTPS_PROXY", "idna==3.10"):
        assert word in result.msg
    assert "Traceback" not in result.msg
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_faster_run_at_the_same_time_does_no_harm(library, tmp_path):
    bundle = library("watchtower_bundle")
    for folder in ("made", "place"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.whl").touch()
    bundle.keep(tmp_path / "made", tmp_path / "place")
    assert (tmp_path / "place/a.whl").exists()
    with pytest.raises(FileNotFoundError):
        bundle.keep(tmp_path / "nothing", tmp_path / "nowhere")
