"""The pages of the HTTP interface, cut into what tests hold to the program."""

from __future__ import annotations

import re

import pytest
from collector_process import REPOSITORY

TEXT = "\n".join(
    (REPOSITORY / f"docs/api/{name}-api.md").read_text(encoding="utf-8")
    for name in ("collector", "admin")
)


def rows(heading):
    """Return the rows of the table whose first column has this heading, as lists of cells."""
    found = re.search(
        rf"^\| {re.escape(heading)} \|.*\n\| ---.*\n((?:\|.*\n)+)", TEXT, re.MULTILINE
    )
    if found is None:
        pytest.fail(f"there is no table with the heading {heading}")
    return [line.strip("| ").split(" | ") for line in found[1].splitlines()]


def names(cell):
    """Return what stands in backquotes."""
    return re.findall(r"`([^`]+)`", cell)


def table(heading):
    """Return the names in backquotes in the first column of the table with this heading."""
    return [name for row in rows(heading) for name in names(row[0])]


def section(heading):
    """Return what stands under a heading of the second level."""
    found = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL
    )
    if found is None:
        pytest.fail(f"there is no section {heading}")
    return found[1]


def blocks():
    """Return all examples, by the heading above and their place under it."""
    found = {}
    for heading in re.findall(r"^## (.*)$", TEXT, re.MULTILINE):
        fenced = re.findall(r"^```\w+\n(.*?)^```", section(heading), re.MULTILINE | re.DOTALL)
        found |= {(heading, number): block for number, block in enumerate(fenced)}
    return found
