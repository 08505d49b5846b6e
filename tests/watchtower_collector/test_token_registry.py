import anyio
import pytest

from watchtower_collector import token_registry
from watchtower_collector.store.tokens import all_tokens, bind, expire_others, revoke
from watchtower_collector.token_registry import TokenRegistry
from watchtower_collector.writer import Writer

DIGEST, OTHER = b"d" * 32, b"o" * 32
SECOND = 1_000_000


@pytest.fixture
def clock(monkeypatch):
    """A function that sets the registry's clock to a second."""

    def set_to(second):
        monkeypatch.setattr(token_registry, "now_us", lambda: second * SECOND)

    set_to(100)
    return set_to


def tokens(store):
    return store.read(all_tokens)


def test_a_binding_is_made_once(store):
    made, before = store.write(lambda c: bind(c, "web-1", DIGEST, 5))
    again, before_again = store.write(lambda c: bind(c, "web-1", DIGEST, 6))
    assert before is None
    assert made == again == before_again
    assert tokens(store) == [made]


def test_an_unknown_token_speaks_for_nobody(store):
    assert TokenRegistry(store).names(DIGEST) == frozenset()


def test_a_rotation_overlaps_and_ends(store, clock):
    store.write(lambda c: bind(c, "web-1", DIGEST, 5))
    new, _ = store.write(lambda c: bind(c, "web-1", OTHER, 90 * SECOND))
    store.write(lambda c: expire_others(c, new, 200 * SECOND))
    registry = TokenRegistry(store)
    assert registry.names(DIGEST) == registry.names(OTHER) == {"web-1"}
    clock(200)
    assert registry.names(DIGEST) == frozenset()
    assert registry.names(OTHER) == {"web-1"}
    assert [token.state(200 * SECOND) for token in tokens(store)] == ["expired", "active"]


def test_a_second_rotation_lengthens_no_life(store):
    store.write(lambda c: bind(c, "web-1", DIGEST, 5))
    new, _ = store.write(lambda c: bind(c, "web-1", OTHER, 6))
    assert store.write(lambda c: expire_others(c, new, 200)) == 1
    assert store.write(lambda c: expire_others(c, new, 900)) == 0
    assert tokens(store)[0].expires_at == 200
    store.write(lambda c: expire_others(c, new, 100))
    assert tokens(store)[0].expires_at == 100


def test_a_rotation_leaves_other_hosts_alone(store):
    store.write(lambda c: bind(c, "web-2", DIGEST, 5))
    new, _ = store.write(lambda c: bind(c, "web-1", OTHER, 6))
    store.write(lambda c: expire_others(c, new, 200))
    assert tokens(store)[0].expires_at is None


def test_who_goes_back_to_the_old_token_has_it_good_again(store):
    old, _ = store.write(lambda c: bind(c, "web-1", DIGEST, 5))
    new, _ = store.write(lambda c: bind(c, "web-1", OTHER, 6))
    store.write(lambda c: expire_others(c, new, 7))
    back, before = store.write(lambda c: bind(c, "web-1", DIGEST, 8))
    assert back == old
    assert before.expires_at == 7


def test_a_revoked_token_stays_so(store, clock):
    made, _ = store.write(lambda c: bind(c, "web-1", DIGEST, 5))
    revoked = store.write(lambda c: revoke(c, made.id, 6))
    assert revoked.revoked_at == 6
    assert store.write(lambda c: revoke(c, made.id, 7)) == revoked, "its moment is the first"
    assert store.write(lambda c: bind(c, "web-1", DIGEST, 8)) == (revoked, revoked)
    assert TokenRegistry(store).names(DIGEST) == frozenset()


def test_there_is_nothing_to_revoke_under_a_wrong_id(store):
    assert store.write(lambda c: revoke(c, 9, 6)) is None


def test_the_last_use_is_stored_and_not_lost_when_it_cannot_be(store, clock, monkeypatch):
    store.write(lambda c: bind(c, "web-1", DIGEST, 5))
    registry = TokenRegistry(store)

    async def scenario():
        writer = Writer(store, 10)
        registry.names(DIGEST)
        await registry.note_use(writer)
        assert tokens(store)[0].last_used_at is None, "the writer has not begun"
        assert registry.last_used(registry.all()[0]) == 100 * SECOND
        writer.start()
        await registry.note_use(writer)
        await writer.stop()

    anyio.run(scenario)
    assert tokens(store)[0].last_used_at == 100 * SECOND
    assert registry.all() == tokens(store)
