"""requirements/collector.txt: fetched on the controller, installed on quite another machine."""

import re
from pathlib import Path

LOCK = Path(__file__).resolve().parents[2] / "requirements/collector.txt"
PIN = re.compile(r"^[A-Za-z0-9._-]+(\[[a-z,]+\])?==[A-Za-z0-9.]+( \\)?$")


def pins():
    """Return the lines that name a package."""
    lines = LOCK.read_text().splitlines()
    return [line for line in lines if line and not line.startswith((" ", "#"))]


def test_nothing_depends_on_the_machine_that_asks():
    # pip evaluates an environment marker for the machine it runs on, not for the target.
    assert pins()
    assert [line for line in pins() if not PIN.match(line)] == []


def test_every_file_is_known_by_its_hash():
    text = LOCK.read_text()
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_no_source_of_packages_is_named():
    # Where packages come from is the controller's business (pip.conf, PIP_INDEX_URL, a proxy).
    assert not re.search(r"^\s*--(?!hash)", LOCK.read_text(), flags=re.MULTILINE)
