import anyio
import pytest
from fastapi import HTTPException
from starlette.requests import Request

from watchtower_collector.auth import require_secret

SECRET = "the-secret-the-secret-the-secret"


def check(*given, name=b"x-key", client=("203.0.113.7", 1)):
    headers = [(name, value) for value in given]
    request = Request({"type": "http", "headers": headers, "client": client})
    anyio.run(require_secret("X-Key", SECRET), request)


def test_the_secret_opens():
    check(SECRET.encode())


@pytest.mark.parametrize(
    "given",
    [b"", SECRET.encode()[:-1], SECRET.encode() + b"x", SECRET.upper().encode(), b"\xff\x00"],
)
def test_anything_else_is_refused_without_a_hint(given):
    with pytest.raises(HTTPException) as caught:
        check(given)
    assert (caught.value.status_code, caught.value.detail) == (401, "not authorized")


def test_no_header_is_refused_the_same():
    with pytest.raises(HTTPException) as caught:
        check()
    assert (caught.value.status_code, caught.value.detail) == (401, "not authorized")


def test_the_log_names_the_client_not_what_it_tried(caplog):
    with pytest.raises(HTTPException):
        check(b"a-guess-that-is-nobodys-business", client=("203.0.113.7\nforged", 1))
    assert "203.0.113.7" in caplog.text
    assert "guess" not in caplog.text
    assert len(caplog.text.splitlines()) == 1


def test_a_guesser_does_not_fill_the_journal(caplog):
    guard = require_secret("X-Key", SECRET)
    request = Request({"type": "http", "headers": [], "client": ("203.0.113.7", 1)})
    for _ in range(100):
        with pytest.raises(HTTPException):
            anyio.run(guard, request)
    assert len(caplog.records) < 50
