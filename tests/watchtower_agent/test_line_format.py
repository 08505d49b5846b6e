from watchtower_agent.line_format import LineFormat

INVALID = LineFormat("Invalid user {user} from {source_ip} port {source_port}")
TWO = LineFormat('"{client_user}", "{client_host}"')


def test_the_whole_line_must_fit():
    assert INVALID.readings("Invalid user a from ::1 port 1")
    assert not INVALID.readings("Invalid user a from ::1 port 1 ")
    assert not INVALID.readings(" Invalid user a from ::1 port 1")
    assert not INVALID.readings("Invalid user a from ::1 port 1\n")


def test_an_address_must_be_one():
    assert not INVALID.readings("Invalid user a from 1.2.3 port 1")
    assert not INVALID.readings("Invalid user a from 1.2.3.999 port 1")
    assert not INVALID.readings("Invalid user a from ::1::2 port 1")


def test_a_port_must_be_one():
    assert INVALID.readings("Invalid user a from ::1 port 65535")
    assert not INVALID.readings("Invalid user a from ::1 port 65536")
    assert not INVALID.readings("Invalid user a from ::1 port \u0661")


def test_every_reading_is_found():
    readings = TWO.readings('"a", "b", "c"')
    assert readings == [
        {"client_user": "a", "client_host": 'b", "c'},
        {"client_user": 'a", "b', "client_host": "c"},
    ]


def test_text_longer_than_sshd_lets_through_is_no_reading():
    ok = "a" * 100
    assert INVALID.readings(f"Invalid user {ok} from ::1 port 1")
    assert not INVALID.readings(f"Invalid user {ok}a from ::1 port 1")
    # A hundred bytes are up to four hundred characters once they are escaped.
    assert INVALID.readings("Invalid user " + r"\377" * 100 + " from ::1 port 1")


def test_a_slot_at_the_end_takes_the_rest():
    closed = LineFormat("closed for {pam_user}")
    assert closed.readings("closed for a b") == [{"user": "a b"}]
    assert closed.readings("closed for ") == [{"user": ""}]


def test_readings_are_bounded_in_number():
    line = '"' + '", "' * 40 + '"'
    assert 2 <= len(TWO.readings(line)) <= 8
