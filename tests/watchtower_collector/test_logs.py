import json
import os
import subprocess
import sys

import pytest

from watchtower_collector.logs import Throttle

PROGRAM = """
import logging
from watchtower_collector.logs import configure_logging
configure_logging()
for name in ("critical", "error", "warning", "info"):
    getattr(logging.getLogger("x"), name)("a line")
logging.getLogger("uvicorn.error").info("Started server process")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("x").exception("a defect")
logging.getLogger("x").warning("two%slines and %s", chr(10) + "<0>", '"quotes"')
"""


@pytest.fixture
def lines(repository):
    def run(**environment):
        environment |= {"PATH": os.environ["PATH"], "PYTHONPATH": str(repository / "src")}
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, check=True
        )
        return ended.stderr.decode().splitlines()

    return run


def test_in_the_journal_every_event_is_a_line_of_json_with_its_priority(lines):
    found = lines(JOURNAL_STREAM="8:1")
    assert [line[:3] for line in found] == ["<2>", "<3>", "<4>", "<6>", "<3>", "<4>"]
    documents = [json.loads(line[3:]) for line in found]
    assert [document["level"] for document in documents[:4]] == [
        "critical",
        "error",
        "warning",
        "info",
    ]
    assert all(set(document) >= {"time", "source", "message"} for document in documents)
    defect = documents[4]
    assert defect["message"] == "a defect"
    assert "ZeroDivisionError" in defect["traceback"]
    assert documents[5]["message"] == 'two\n<0>lines and "quotes"'


def test_in_a_terminal_lines_have_words(lines):
    assert lines()[:4] == ["CRITICAL a line", "ERROR a line", "WARNING a line", "INFO a line"]


def test_the_servers_own_small_talk_is_left_out(lines):
    assert not [line for line in lines() if "Started" in line]


def test_a_throttle_lets_one_through_and_counts_the_others():
    throttle = Throttle(3_600)
    assert throttle.admit() == 0
    assert throttle.admit() is None
    assert throttle.admit() is None
    throttle._next = 0
    assert throttle.admit() == 2
