"""What the collector says of a restore, and what the spool remembers of it."""

import json

import pytest

from watchtower_agent.restored import LookBack, Restored
from watchtower_agent.spool import Spool

DAY = 86_400
FIRST, ANOTHER = "1" * 32, "2" * 32


@pytest.mark.parametrize(
    ("header", "missing_since"),
    [
        (f"{FIRST} 1970-01-02T00:00:00.500000Z", DAY + 0.5),
        (f"{FIRST} 1970-01-02T00:00:00Z", None),
        (f"{FIRST} soon", None),
        (f"{FIRST}", None),
        ("1 1970-01-02T00:00:00.000000Z", None),
        (f"{FIRST} {'9' * 50}", None),
        (f"{FIRST} 0000-01-02T00:00:00.000000Z", None),
        ("", None),
        (None, None),
    ],
)
def test_the_collectors_word_is_read_or_ignored(header, missing_since):
    expected = None if missing_since is None else Restored(FIRST, missing_since)
    assert Restored.read(header) == expected


def test_what_is_missing_since_ever_is_looked_for_from_the_beginning():
    assert LookBack.begin(Restored(FIRST, 0.0), 0) == LookBack(FIRST, 1)


@pytest.mark.parametrize("boots", [None, (), ("b0", "b1")])
def test_what_is_remembered_is_what_was_said(boots):
    look_back = LookBack(FIRST, DAY, boots, "cursor")
    assert LookBack.from_json(look_back.to_json()) == look_back
    assert look_back.is_over == (boots == ())


def remembered(**changes):
    return json.dumps({"restore_id": FIRST, "since": 1, "boots": [], "cursor": None, **changes})


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        "{}",
        "[]",
        remembered(restore_id=1),
        remembered(since="1"),
        remembered(since=True),
        remembered(since=10**18),
        remembered(boots="b0"),
        remembered(boots=[1]),
        remembered(boots={"b0": 1}),
        remembered(cursor=1),
        remembered(cursor=[]),
        remembered(other=1),
    ],
)
def test_a_memory_that_makes_no_sense_is_damage(tmp_path, value):
    def remember(text):
        spool = Spool(tmp_path, 100_000_000)
        spool._connection.execute("REPLACE INTO state VALUES ('look_back', ?)", (text,))
        spool.close()
        spool = Spool(tmp_path, 100_000_000)
        aside = spool.replaces()
        spool.close()
        return aside

    assert remember(remembered()) is None
    assert remember(value) is not None


@pytest.mark.parametrize(("began_at", "since"), [(0, 29), (28, 29), (31, 31)])
def test_no_further_back_than_the_agent_began(began_at, since):
    look_back = LookBack.begin(Restored(FIRST, 30 * DAY), began_at * DAY * 1_000_000)
    assert look_back.since == since * DAY * 1_000_000


@pytest.mark.parametrize("began_at", [31 * DAY, 40 * DAY, 50 * DAY, 10**12])
def test_when_the_agent_began_by_a_clock_that_was_ahead_is_no_bound(spool, began_at):
    spool.begin_at(began_at * 1_000_000)
    bound = began_at if began_at <= 40 * DAY else 0
    assert spool.began_at(40 * DAY * 1_000_000) == bound * 1_000_000


def test_what_an_earlier_restore_left_is_read_with_the_next(spool):
    for restore_id, missing_since, since, boots in (
        (FIRST, 9 * DAY, 8 * DAY, ("b0",)),
        (ANOTHER, 20 * DAY, 8 * DAY, ("b0",)),
        (FIRST, 5 * DAY, 4 * DAY, ()),
        (ANOTHER, 20 * DAY, 19 * DAY, ()),
    ):
        spool.hear_of_restore(Restored(restore_id, missing_since))
        expected = LookBack(restore_id, since * 1_000_000)
        assert spool.look_back() == expected
        spool.add([], None, LookBack(restore_id, since * 1_000_000, boots))
        assert spool.look_back().boots == boots


def test_another_restore_is_not_forgotten_for_what_was_read_because_of_the_one_before(spool):
    spool.hear_of_restore(Restored(FIRST, 9 * DAY))
    reading = spool.look_back()
    spool.hear_of_restore(Restored(ANOTHER, 9 * DAY))
    spool.add([], None, reading)
    assert spool.look_back().restore_id == ANOTHER


def test_when_the_journal_is_read_from_is_noted_once(tmp_path):
    def began_at(*times):
        spool = Spool(tmp_path, 100_000_000)
        for realtime in times:
            spool.begin_at(realtime)
        spool.hear_of_restore(Restored(ANOTHER, 0.0))
        since = spool.look_back().since
        spool._connection.execute("DELETE FROM state WHERE name = 'look_back'")
        spool.close()
        return since

    assert began_at(5_000_000, 9_000_000) == 5_000_000
    assert began_at(9_000_000) == 5_000_000
    (tmp_path / "spool.db").write_bytes(b"no database" * 1000)
    assert began_at(9_000_000) == 1, "all is read that there is"
