#!/usr/bin/python
"""Ansible module: build a release bundle on the controller."""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: watchtower_bundle
short_description: Build what a host installs, on the controller
description:
  - Packs Watchtower's programs that belong together and, where they need any, the Python wheels
    of the target into one tar archive. The archive's name carries a hash of its whole content, so
    the same source always gives the same release, and a changed source a new one.
  - Wheels are fetched for the target's Python and processor, and only if their hashes stand in
    the requirements file. Targets need no package index.
options:
  source:
    description: The repository's root.
    type: path
    required: true
  package:
    description: The program, a folder of C(src/).
    type: str
    required: true
  more_packages:
    description: Programs that go with it into the same release, folders of C(src/), too.
    type: list
    elements: str
    default: []
  extra_files:
    description: Files that go beside the package.
    type: list
    elements: path
    default: []
  requirements:
    description: A hash-checked requirements file; empty for a program without wheels.
    type: path
  python_version:
    description: The target's Python, such as C(3.11). Needed with O(requirements).
    type: str
  architecture:
    description: The target's processor as C(uname -m) says it. Needed with O(requirements).
    type: str
  cache:
    description: Where bundles and wheels are kept between runs.
    type: path
    required: true
"""

RETURN = r"""
path: {description: The archive on the controller., type: str, returned: always}
release: {description: The release's name, VERSION-HASH., type: str, returned: always}
"""

# glibc of Debian 12 is 2.36; PEP 600 lets a target take any older manylinux, PEP 599 names 2014.
GLIBC_PLATFORMS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")
ARCHITECTURES = ("x86_64", "aarch64")
HASH_DIGITS = 12


class BundleError(Exception):
    """A bundle that cannot be built; the message names the cause and the fix."""


def package_files(source: Path, package: str) -> list[tuple[str, Path]]:
    """Return (name in the archive, path) of a program's files.

    Raises:
        BundleError: the folder holds no program.
    """
    root = source / "src" / package
    files = [
        (str(path.relative_to(root.parent)), path)
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    if not files:
        raise BundleError(f"there is no {root}: is {source} a complete checkout?")
    return files


def version_file(source: Path) -> tuple[str, Path]:
    """Return (name in the archive, path) of the version.

    Raises:
        BundleError: there is none.
    """
    version = source / "VERSION"
    if not version.is_file():
        raise BundleError(f"there is no {version}: is {source} a complete checkout?")
    return "VERSION", version


def mode_of(path: Path) -> int:
    """Return the mode a file is installed with: readable by all, run where it may be run here."""
    return 0o755 if path.stat().st_mode & 0o100 else 0o644


def content_hash(files: list[tuple[str, Path]]) -> str:
    """Return the hash of all names, modes and contents, independent of dates and owners."""
    digest = hashlib.sha256()
    for name, path in files:
        body = path.read_bytes()
        digest.update(f"{name}\0{mode_of(path):o}\0{len(body)}\0".encode())
        digest.update(body)
    return digest.hexdigest()[:HASH_DIGITS]


def keep(made: Path, place: Path) -> None:
    """Move what is complete into the cache, where a run at the same time may have been faster."""
    try:
        made.rename(place)
    except OSError:
        if not place.exists():
            raise


def download_wheels(
    requirements: Path, python_version: str, architecture: str, cache: Path
) -> list[Path]:
    """Fetch the wheels for one kind of target, hash-checked, and return their paths.

    The folder is named after the requirements' content, so a changed lock never mixes with
    wheels of the one before.

    Raises:
        BundleError: the processor is not supported, or pip could not fetch a wheel.
    """
    if architecture not in ARCHITECTURES:
        raise BundleError(
            f"there are no wheels for the processor {architecture!r}; choose a host with one of "
            f"{', '.join(ARCHITECTURES)}"
        )
    lock = hashlib.sha256(requirements.read_bytes()).hexdigest()[:HASH_DIGITS]
    folder = cache / f"wheels-py{python_version}-{architecture}-{lock}"
    if folder.is_dir():
        return sorted(folder.glob("*.whl"))
    with tempfile.TemporaryDirectory(dir=cache, prefix=".partial-") as work:
        fetched = Path(work) / "wheels"
        command = [sys.executable, "-m", "pip", "download", "--quiet"]
        command += ["--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
        command += ["--require-hashes", "--requirement", str(requirements), "--dest", str(fetched)]
        command += ["--python-version", python_version, "--implementation", "cp"]
        command += [f"--platform={platform}_{architecture}" for platform in GLIBC_PLATFORMS]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise BundleError(
                f"pip could not fetch the collector's wheels for Python {python_version} on "
                f"{architecture}. The controller needs a way to the Python package index (a proxy "
                f"is taken from HTTPS_PROXY). pip said:\n{result.stderr.strip()}"
            )
        keep(fetched, folder)
    return sorted(folder.glob("*.whl"))


def write_archive(files: list[tuple[str, Path]], target: Path) -> None:
    """Write a gzipped tar whose bytes depend on the files' names, modes and contents alone."""
    with (
        target.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0, compresslevel=6) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, path in files:
            body = path.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            entry.mode = mode_of(path)
            archive.addfile(entry, io.BytesIO(body))


def build(module: AnsibleModule) -> dict[str, object]:
    """Build the bundle unless the cache has it, and describe it."""
    parameters = module.params
    source, cache = Path(parameters["source"]), Path(parameters["cache"])
    cache.mkdir(parents=True, exist_ok=True)
    files = [version_file(source)]
    for package in (parameters["package"], *parameters["more_packages"]):
        files += package_files(source, package)
    files += [(Path(extra).name, Path(extra)) for extra in parameters["extra_files"]]
    kind = "any"
    if parameters["requirements"]:
        requirements = Path(parameters["requirements"])
        python_version, architecture = parameters["python_version"], parameters["architecture"]
        files.append(("requirements.txt", requirements))
        wheels = download_wheels(requirements, python_version, architecture, cache)
        files += [(f"wheels/{wheel.name}", wheel) for wheel in wheels]
        kind = f"py{python_version}-{architecture}"
    files.sort()
    release = f"{(source / 'VERSION').read_text().strip()}-{content_hash(files)}"
    path = cache / f"{parameters['package']}-{release}-{kind}.tar.gz"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=cache, prefix=".partial-") as work:
            write_archive(files, Path(work) / path.name)
            keep(Path(work) / path.name, path)
    return {"changed": False, "path": str(path), "release": release}


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "path", "required": True},
            "package": {"type": "str", "required": True},
            "more_packages": {"type": "list", "elements": "str", "default": []},
            "extra_files": {"type": "list", "elements": "path", "default": []},
            "requirements": {"type": "path"},
            "python_version": {"type": "str"},
            "architecture": {"type": "str"},
            "cache": {"type": "path", "required": True},
        },
        required_by={"requirements": ["python_version", "architecture"]},
        supports_check_mode=True,
    )
    try:
        module.exit_json(**build(module))
    except (BundleError, OSError) as error:
        module.fail_json(msg=f"Cannot build the bundle of {module.params['package']}: {error}")


if __name__ == "__main__":
    main()
