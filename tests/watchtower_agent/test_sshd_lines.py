import random
import re

import fuzz
import hostile
import pytest

from watchtower_agent.entry import JournalEntry
from watchtower_agent.sshd import Sshd
from watchtower_agent.statement import Statement

FORMATS = hostile.formats()
SSHDS_OWN = JournalEntry({"_UID": "0", "_SYSTEMD_UNIT": "ssh.service"})


@pytest.mark.parametrize("number", range(len(FORMATS)), ids=[f[1].template for f in FORMATS])
def test_hostile_text_makes_no_format_lie(number):
    source = random.Random(number)
    read = 0
    for _ in range(300):
        printed = hostile.print_line(*FORMATS[number], source)
        said = Sshd().read(printed.line, SSHDS_OWN)
        if said is None:
            # Only what cannot be told from another line may be silent, and no login is.
            assert printed.type not in ("login", "login_failed"), printed
            continue
        if not said.credible:
            # It becomes an untrusted event, for it ends like what the child says.
            assert printed.line.endswith(("[preauth]", "[postauth]"))
            continue
        read += 1
        assert not hostile.lies(printed, said), (printed, said)
        if not said.ambiguous and "source_ip" in printed.truth and len(printed.line) < 500:
            assert said.details["source_ip"] == printed.truth["source_ip"]
    assert read > 250


def test_the_fuzzer_finds_nothing():
    assert fuzz.run(seed=20_000_000, entries=20_000) == []


def test_the_fuzzer_would_find_a_parser_that_believes_the_first_address(monkeypatch):
    def first_address(_, line, _entry):
        match = re.match(r"Accepted \S+ for (?P<user>.*?) from (?P<source_ip>\S+) port ", line)
        return None if match is None else Statement("login", match.groupdict())

    monkeypatch.setattr(Sshd, "read", first_address)
    assert any("was read as login" in fault for fault in fuzz.run(seed=1, entries=2_000))


def test_the_fuzzer_would_find_a_parser_that_believes_everybody(monkeypatch):
    monkeypatch.setattr(Sshd, "is_genuine", lambda *_: True)
    assert any("was believed" in fault for fault in fuzz.run(seed=1, entries=2_000))


def test_a_true_reading_behind_many_false_ones_is_not_outvoted():
    name = "x" + " 6.6.6.6 port 1: a" * 10
    line = (
        f"Disconnecting invalid user {name} 203.0.113.77 port 54321: Change of username or service"
        " not allowed: (x,ssh-connection) -> (y,ssh-connection) [preauth]"
    )
    said = Sshd().read(line, SSHDS_OWN)
    assert said.ambiguous
    assert "source_ip" not in said.details
