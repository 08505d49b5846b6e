"""Tables are readable on a terminal of 80 columns, and not a character goes missing."""

import re

import pytest

FINGERPRINT = "SHA256:Zk6cHqbhl7mS5lKnYH2hPUuJ0kTLb0qPq3J9xGdXwTs"
LONG = {
    "type": "login_failed",
    "hostname": "db-frankfurt-12.example.org",
    "user": "someone-with-a-rather-long-name@CORP.EXAMPLE.ORG",
    "source_ip": "2001:db8:1234:5678:9abc:def0:1234:5678",
    "method": "keyboard-interactive/pam",
    "key_fingerprint": FINGERPRINT,
    "certificate_id": "c" * 150,
}


def sent(ctl, columns, *arguments):
    """Return the lines that a terminal so wide is sent, without colours."""
    ctl.environment["COLUMNS"] = str(columns)
    return re.sub(r"\x1b\[[\d;]*m", "", ctl.on_terminal(*arguments)).splitlines()


def width(lines):
    # The last one is no row of the table, and the terminal folds it.
    return max(map(len, lines[:-1]))


@pytest.mark.parametrize("columns", [20, 80, 120, 160, 250])
def test_every_character_is_there(ctl, post, columns):
    post({"user": "alice", "key_fingerprint": FINGERPRINT}, LONG)
    lines = sent(ctl, columns, "events")
    assert width(lines) <= columns
    together = "".join("".join(lines).split())
    for value in LONG.values():
        # A cell that is folded within its column has its neighbours between.
        halves = (value[:40], value[40:]) if value == LONG["user"] else (value,)
        assert all(half in together for half in halves), value


def test_a_login_is_one_line_of_80_columns(ctl, post):
    post({"user": "alice", "source_ip": "203.0.113.7", "method": "publickey"})
    assert sent(ctl, 80, "events")[:-1] == [
        "ID  Time +05:30          Type   Host   User   From         Method",
        " 1  2026-03-14 14:56:53  login  web-1  alice  203.0.113.7  publickey",
    ]


def test_details_stand_on_a_line_of_their_own_where_they_have_no_room(ctl, post):
    login = {"user": "alice", "source_ip": "203.0.113.7", "method": "publickey"}
    post(login | {"key_fingerprint": FINGERPRINT}, {"type": "login_failed", "reason": "pam"})
    assert sent(ctl, 80, "events")[1:-1] == [
        " 1  2026-03-14 14:56:53  login         web-1  alice  203.0.113.7  publickey",
        f"    key_fingerprint={FINGERPRINT}",
        " 2  2026-03-14 14:56:53  login_failed  web-1",
        "    reason=pam",
    ]
    wide = sent(ctl, 160, "events")
    assert wide[0].split()[-1] == "Details"
    assert wide[1].endswith(f"publickey  key_fingerprint={FINGERPRINT}")
    assert wide[2].endswith("reason=pam")


def test_what_has_no_room_beside_is_named_below(ctl, post):
    post(LONG)
    lines = sent(ctl, 80, "events")
    assert lines[0].split() == ["ID", "Time", "+05:30", "Type", "Host"]
    assert lines[2].startswith("    User: someone-with")
    assert "    From: 2001:db8:1234:5678:9abc:def0:1234:5678" in "\n".join(lines)


def test_a_change_of_the_clocks_between_is_seen(ctl, post):
    ctl.environment["TZ"] = "Europe/Berlin"
    post({"timestamp": "2026-10-25T00:30:00Z"}, {"timestamp": "2026-10-25T01:30:00Z"})
    head, *rows, _ = sent(ctl, 80, "events")
    assert "Time " in head
    assert [row.split()[1:3] for row in rows] == [
        ["2026-10-25", "02:30:00+02:00"],
        ["2026-10-25", "02:30:00+01:00"],
    ]


def test_times_of_tokens_and_hosts_are_in_one_piece(asking, stand_in):
    time = "2026-03-14T09:26:53.000000Z"
    token = {"id": 7, "hostname": "web-1.example.org", "owner": None, "state": "expiring"}
    token |= dict.fromkeys(("created_at", "expires_at", "last_used_at"), time)
    stand_in.answer("GET /admin/tokens", [token])
    lines = sent(asking, 80, "token", "list")
    assert max(map(len, lines)) <= 80
    assert "\n".join(lines).count("2026-03-14 14:56:53") == 3
    assert "    Last used +05:30: 2026-03-14 14:56:53" in lines
    host = {"hostname": "web-1", "last_seen": time, "silent_since": time, "last_login": time}
    stand_in.answer("GET /hosts", [host | {"last_login_user": "alice", "trouble": "t" * 200}])
    lines = sent(asking, 80, "hosts")
    assert width(lines) <= 80
    assert "\n".join(lines).count("2026-03-14 14:56:53") == 2
    assert "t" * 200 in "".join("".join(lines).split())


def test_letters_that_take_two_columns_are_counted_so(ctl, post):
    post({"user": "名" * 60, "method": "password"})
    lines = sent(ctl, 80, "events")
    assert "".join(lines).count("名") == 60
    assert all(len(line) + line.count("名") <= 80 for line in lines[:-1])


def test_nothing_found_is_no_table_on_a_terminal(ctl):
    assert len(sent(ctl, 80, "events")) == 1
    assert ctl("events")[0].startswith("ID  Time  Type")


def test_no_text_can_go_on_as_another_field(ctl, post):
    command = "x" * 64 + " User: mallory  From: 192.0.2.1" + " Method: publickey" * 5
    post({"type": "sudo", "command": command})
    _, _, first, *more, _ = sent(ctl, 80, "events")
    assert first == "    command='" + "x" * 64
    assert "mallory" in more[0]
    assert all(line.startswith("      ") for line in more)


@pytest.mark.parametrize("answer", [[{}], [{"path": ["a"], "detail": {"b": 7}}]])
def test_what_no_collector_says_is_a_table_all_the_same(asking, stand_in, answer):
    stand_in.answer("GET /admin/audit", answer)
    assert sent(asking, 80, "audit")[-1] == "1 request, from the beginning to now."
