"""The version of this program."""

from __future__ import annotations

from pathlib import Path


def read_version(package: Path) -> str:
    """Return the version of the release or checkout that holds ``package``.

    An installed release keeps ``VERSION`` beside the package; a checkout keeps it two levels
    above, at the root of the repository.

    Raises:
        FileNotFoundError: there is no ``VERSION`` in either place.
    """
    places = (package.parent / "VERSION", package.parent.parent / "VERSION")
    for place in places:
        if place.is_file():
            return place.read_text(encoding="ascii").strip()
    looked = " or ".join(str(place) for place in places)
    raise FileNotFoundError(f"no VERSION file at {looked}: the installation is incomplete")


VERSION = read_version(Path(__file__).resolve().parent)
