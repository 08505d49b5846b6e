"""The version of this agent, read from the one file that holds it."""

from __future__ import annotations

from pathlib import Path


def read_version() -> str:
    """Return the text of the VERSION file.

    In an installed release it lies beside the package; in a checkout, at the repository's root,
    two levels above it.

    Raises:
        FileNotFoundError: neither place has the file; the installation is incomplete.
    """
    above_package = list(Path(__file__).resolve().parents)
    for folder in above_package[1:3]:
        candidate = folder / "VERSION"
        if candidate.is_file():
            return candidate.read_text(encoding="ascii").strip()
    raise FileNotFoundError(
        f"no VERSION file in {above_package[1]} or {above_package[2]}: "
        "the agent's installation is incomplete; install it again"
    )
