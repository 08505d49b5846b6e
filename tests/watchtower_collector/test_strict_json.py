import pytest

from watchtower_collector.strict_json import loads


def test_json_is_read():
    assert loads('{"user": "Zoë", "port": 22, "list": [null, true]}'.encode()) == {
        "user": "Zoë",
        "port": 22,
        "list": [None, True],
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b"[NaN]", "NaN is not JSON"),
        (b"[Infinity]", "Infinity is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b'["\xff"]', "not UTF-8: byte 2"),
        ('["a"]'.encode("utf-16"), "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"1" * 5_000, "digits"),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_what_is_not_json_is_refused(body, message):
    with pytest.raises(ValueError, match=message):
        loads(body)


def test_the_message_quotes_nothing_of_the_body():
    with pytest.raises(ValueError, match="not JSON") as caught:
        loads(b'{"password": "hunter2" oops}')
    assert "hunter2" not in str(caught.value)
