import json
import os

import pytest

from watchtower_agent.counters import Counters
from watchtower_agent.installation import RELEASE
from watchtower_agent.notify import ServiceNotifier
from watchtower_agent.trouble import Trouble
from watchtower_agent.vitals import Bulletin, Vitals, read_vitals


class Systemd(ServiceNotifier):
    """Keeps what the service manager would get."""

    def __init__(self):
        super().__init__(None)
        self.said = []

    def status(self, status):
        self.said.append(status)


@pytest.fixture
def systemd():
    return Systemd()


@pytest.fixture
def vitals(tmp_path, systemd):
    vitals = Vitals("1.2.3", Counters(entries_read=7), Trouble())
    vitals.tell(Bulletin(vitals, systemd, "All is well", tmp_path).publish)
    return vitals


def test_each_piece_of_news_is_published_at_once(vitals, tmp_path, systemd):
    assert read_vitals(tmp_path) is None
    vitals.acknowledged(-3)
    published = read_vitals(tmp_path)
    assert published.number("pid") == os.getpid()
    assert published.text("version") == "1.2.3"
    assert published.text("release") == str(RELEASE)
    assert published.number("entries_read") == 7
    assert published.number("clock_offset_seconds") == -3
    assert published.number("acknowledged_at") == vitals.acknowledged_at
    assert published.text("reading_trouble") == published.text("sending_trouble") == ""
    vitals.sending.begin("No collector.")
    assert read_vitals(tmp_path).text("sending_trouble") == "No collector."
    assert read_vitals(tmp_path).number("sending_trouble_since") == vitals.sending.since
    vitals.reading.begin("No journal.")
    assert read_vitals(tmp_path).text("reading_trouble") == "No journal."
    vitals.reading.end()
    vitals.sending.end()
    assert read_vitals(tmp_path).number("sending_trouble_since") is None


def test_systemd_hears_of_what_changes(vitals, systemd):
    vitals.acknowledged(None)
    vitals.acknowledged(None)
    vitals.sending.begin("No collector.")
    vitals.reading.begin("No journal.")
    vitals.reading.begin("No journal.")
    vitals.sending.end()
    vitals.reading.end()
    assert systemd.said == ["All is well", "No collector.", "No journal.", "All is well"]


def test_a_trouble_lasts_from_its_first_reason_to_its_end():
    trouble = Trouble()
    assert trouble.begin("a")
    since = trouble.since
    assert not trouble.begin("a")
    assert trouble.begin("b")
    assert trouble.since == since
    assert trouble.end()
    assert not trouble.end()
    assert (trouble.text, trouble.since) == ("", None)


def test_nowhere_to_write_is_no_reason_to_stop(systemd, tmp_path):
    for directory in (None, tmp_path / "missing"):
        Bulletin(Vitals("1", Counters(), Trouble()), systemd, "Well", directory).publish()
    assert systemd.said == ["Well", "Well"]


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"[" * 60_000, b"\xff", b'"text"'])
def test_nonsense_is_nothing(tmp_path, content):
    (tmp_path / "vitals.json").write_bytes(content)
    assert read_vitals(tmp_path) is None


def test_values_of_another_kind_are_nothing(tmp_path):
    content = {"pid": "1", "version": 7, "started_at": float("nan"), "entries_read": [1]}
    (tmp_path / "vitals.json").write_text(json.dumps(content))
    published = read_vitals(tmp_path)
    assert [published.number(name) for name in content] == [None, 7, None, None]
    assert published.text("version") == ""
    assert published.text("release") == ""
