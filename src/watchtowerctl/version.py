"""The version of this program."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def read_version(package: Path = _PACKAGE) -> str:
    """Return the version of the installation, release or checkout that holds ``package``.

    pip leaves its record beside the package, a release keeps ``VERSION`` there, and a checkout
    keeps it two levels above.

    Raises:
        FileNotFoundError: none of the three is there.
    """
    from importlib.metadata import distributions  # noqa: PLC0415  # 20 ms that few commands need

    # Only beside the package: another installation of Watchtower may be on the path.
    for installed in distributions(name="watchtower", path=[str(package.parent)]):
        return installed.version
    for place in (package.parent / "VERSION", package.parent.parent / "VERSION"):
        if place.is_file():
            return place.read_text(encoding="ascii").strip()
    raise FileNotFoundError(f"no VERSION for {package}: the installation is incomplete")
