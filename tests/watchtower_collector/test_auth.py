import contextlib
import hmac
import re

import anyio
import pytest
from fastapi import HTTPException
from starlette.requests import Request

from watchtower_collector.auth import AdminGate, AgentGate, MetricsGate
from watchtower_collector.brake import BURST
from watchtower_collector.store.tokens import bind
from watchtower_collector.token_registry import TokenRegistry, digest_of

SECRET = "the-secret-the-secret-the-secret"
OTHER = "another-secret-another-secret-00"
SHARED = "shared-by-all-shared-by-all-0000"


def request(*given, name=b"x-admin-api-key", client=("203.0.113.7", 1)):
    headers = [(name, value) for value in given]
    return Request({"type": "http", "headers": headers, "client": client, "state": {}})


def knock(gate, *given, **how):
    """Ask the admins' gate; return the name of the key."""
    asking = request(*given, **how)
    anyio.run(gate, asking)
    return asking.state.admin_key


@pytest.fixture(autouse=True)
def for_good(monkeypatch):
    """However slow this machine is, no try is given back."""
    monkeypatch.setattr("watchtower_collector.brake.SECONDS_EACH", 3600.0)


@pytest.fixture
def gate():
    return AdminGate([(SECRET, "current"), (OTHER, "previous")])


@pytest.fixture
def compared(monkeypatch):
    """What was compared in a time that tells nothing."""
    real, pairs = hmac.compare_digest, []

    def compare(first, second):
        pairs.append({first, second})
        return real(first, second)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    return pairs


def test_an_admins_key_is_compared_with_each_in_constant_time(gate, compared):
    for given in (SECRET, OTHER, SHARED):
        compared.clear()
        with contextlib.suppress(HTTPException):
            knock(gate, given.encode())
        assert compared == [{digest_of(given), digest_of(key)} for key in (SECRET, OTHER)]


def test_the_shared_token_is_compared_in_constant_time(agents, compared):
    gate = agents()
    assert gate.admit(digest_of(SHARED), request()) is None
    assert compared == [{digest_of(SHARED)}]


@pytest.mark.parametrize("given", [OTHER, SHARED])
def test_the_key_for_metrics_is_compared_in_constant_time(gate, compared, given):
    asking = request(f"Bearer {given}".encode(), name=b"authorization")
    with contextlib.suppress(HTTPException):
        anyio.run(MetricsGate(OTHER, gate), asking)
    assert compared == [{digest_of(given), digest_of(OTHER)}]


@pytest.fixture
def agents(store):
    """A function that makes the agents' gate; the token SECRET speaks for two names."""

    def make(shared=SHARED):
        for hostname in ("web-1", "old-name"):
            store.write(lambda c, name=hostname: bind(c, name, digest_of(SECRET), now=1))
        return AgentGate(TokenRegistry(store), shared)

    return make


def test_either_key_opens_and_is_told_apart(gate):
    assert knock(gate, SECRET.encode()) == "current"
    assert knock(gate, OTHER.encode()) == "previous"


@pytest.mark.parametrize(
    "given",
    [
        [b""],
        [SECRET.encode()[:-1]],
        [SECRET.encode() + b"x"],
        [SECRET.upper().encode()],
        [b"\xff\x00"],
        [],
    ],
)
def test_anything_else_is_refused_without_a_hint(gate, given):
    with pytest.raises(HTTPException) as caught:
        knock(gate, *given)
    assert (caught.value.status_code, caught.value.detail) == (401, "not authorized")


def test_the_log_names_the_client_not_what_it_tried(gate, caplog):
    with pytest.raises(HTTPException):
        knock(gate, b"a-guess-that-is-nobodys-business", client=("203.0.113.7", 1))
    assert "203.0.113.7" in caplog.text
    assert "guess" not in caplog.text


@pytest.mark.parametrize("claimed", ["203.0.113.7\nforged", "::1%\nforged", "forged" * 9_000, ""])
def test_only_an_address_gets_into_the_log(gate, caplog, claimed):
    with pytest.raises(HTTPException):
        knock(gate, client=(claimed, 1))
    assert len(caplog.text.splitlines()) == 1
    assert "forged" not in caplog.text
    assert re.search(r"refused (unknown|::1) with", caplog.text)


def test_a_guesser_is_slowed_down_and_does_not_fill_the_journal(gate, caplog):
    answers = []
    for _ in range(100):
        with pytest.raises(HTTPException) as caught:
            knock(gate)
        answers.append(caught.value)
    assert [answer.status_code for answer in answers] == [401] * BURST + [429] * (100 - BURST)
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert len(caplog.records) < BURST


@pytest.mark.parametrize("client", [("203.0.113.7", 1), ("127.0.0.1", 1), None])
def test_a_right_key_opens_however_many_wrong_ones_came_from_its_address(gate, client):
    for status in [401] * BURST + [429]:
        with pytest.raises(HTTPException) as caught:
            knock(gate, client=client)
        assert caught.value.status_code == status
    assert knock(gate, SECRET.encode(), client=client) == "current"
    assert knock(gate, OTHER.encode(), client=client) == "previous"


def send(gate, secret):
    """Ask the agents' gate; return the names that the token speaks for."""
    asking = request(secret.encode(), name=b"x-login-alert-token")
    return gate.admit(gate.token_of(asking), asking)


def test_a_hosts_token_speaks_for_its_names(agents):
    assert send(agents(), SECRET) == {"web-1", "old-name"}


def test_the_shared_token_speaks_for_all(agents):
    assert send(agents(), SHARED) is None


@pytest.mark.parametrize("given", [SHARED, "", "x" * 40])
def test_without_a_shared_token_only_hosts_tokens_open(agents, given):
    with pytest.raises(HTTPException) as caught:
        send(agents(shared=None), given)
    assert caught.value.status_code == 401


def test_agents_behind_a_guessers_address_go_on(agents):
    gate = agents()
    for status in [401] * BURST + [429]:
        with pytest.raises(HTTPException) as caught:
            send(gate, "guess")
        assert caught.value.status_code == status
    assert send(gate, SECRET) is not None
    assert send(gate, SHARED) is None


def test_the_digest_of_nothing_is_no_token(agents, store):
    store.write(lambda c: bind(c, "web-1", digest_of(""), now=1))
    with pytest.raises(HTTPException):
        send(agents(), "")
