"""Questions to the events of ``event_database``, and the best SQL by hand for each.

Each question is a query string, and the SQL a person would write who knows the data and the
indexes: which filter is rare, which is frequent.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from event_database import (
    END,
    GROUPS,
    RARE_METHOD,
    RARE_REGION,
    RARE_USER,
    REGIONS,
    YEAR,
    Fleet,
)

from watchtower_collector.routes.parameters import EventParameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchtower_collector.store.query import EventQuery

TIME, BY_USER, BY_HOST = "events_time", "events_user", "events_hostname"
BY_SOURCE, BY_TYPE = "events_source", "events_type"


@dataclass(frozen=True)
class Question:
    """Parameters of ``GET /events``, and the same in SQL: an index, and conditions."""

    parameters: list[tuple[str, str]]
    index: str
    where: str
    values: tuple[object, ...]
    is_sorted: bool = False
    """Whether the SQL by hand sorts what it finds, as the index is not in order."""
    events: EventQuery = field(init=False)
    """The same as the store takes it."""

    def __post_init__(self) -> None:
        given: dict[str, Any] = {}
        for name, value in self.parameters:
            is_single = name in {"since", "until", "q", "flagged"}
            given[name] = value if is_single else [*given.get(name, ()), value]
        query = EventParameters.model_validate(given).query()
        object.__setattr__(self, "events", query)  # how a frozen dataclass sets what it computes

    @property
    def query(self) -> str:
        return urlencode(self.parameters)


def _equal(index: str, **wanted: str) -> Question:
    where = " AND ".join(f"{name} = ?" for name in wanted)
    return Question(list(wanted.items()), index, where, tuple(wanted.values()))


def _prefix(index: str, name: str, prefix: str, *, is_sorted: bool) -> Question:
    end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    where = f"{name} >= ? AND {name} < ?"
    return Question([(name, prefix + "*")], index, where, (prefix, end), is_sorted)


def _several(index: str, name: str, wanted: list[str], *, is_sorted: bool) -> Question:
    where = f"{name} IN ({', '.join('?' * len(wanted))})"
    parameters = [(name, value) for value in wanted]
    return Question(parameters, index, where, tuple(wanted), is_sorted)


def _network(text: str, first: str, last: str, index: str, *, is_sorted: bool) -> Question:
    mapped = "00000000000000000000ffff"
    values = (bytes.fromhex(mapped + first), bytes.fromhex(mapped + last))
    where = "source_addr BETWEEN ? AND ?"
    return Question([("source_ip", text)], index, where, values, is_sorted)


def _both(first: Question, second: Question) -> Question:
    """Return what both ask for; the first is the one that is rare."""
    return Question(
        [*first.parameters, *second.parameters],
        first.index,
        f"{first.where} AND {second.where}",
        (*first.values, *second.values),
        first.is_sorted,
    )


def _moment(microseconds: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Questions:
    """Makes questions of each kind, with other values each time."""

    def __init__(self) -> None:
        self._random = random.Random(7)
        self._fleet = Fleet()

    def _host(self) -> str:
        return self._random.choice(self._fleet.hosts)[0]

    def _user(self) -> str:
        return self._fleet.users[int(20_000 * self._random.random() ** 3)]

    def _users(self) -> Question:
        beginning = f"user{self._random.randrange(100, 1000)}"
        return _prefix(BY_USER, "user", beginning, is_sorted=True)

    def _one_address(self) -> Question:
        text, packed = self._fleet.addresses[int(200_000 * self._random.random() ** 3)]
        return Question([("source_ip", text)], BY_SOURCE, "source_addr = ?", (packed,))

    def _day(self) -> Question:
        start = END - self._random.randrange(1, 365) * 86_400_000_000
        end = start + 86_400_000_000
        parameters = [("since", _moment(start)), ("until", _moment(end))]
        return Question(parameters, TIME, "timestamp >= ? AND timestamp < ?", (start, end))

    def _text_of_a_day(self) -> Question:
        day, needle = self._day(), f"user{self._random.randrange(5_000)}"
        names = ("raw_message", "user", "hostname", "source_ip", "key_fingerprint")
        where = " OR ".join(f"{name} LIKE ?" for name in (*names, "certificate_id"))
        return Question(
            [*day.parameters, ("q", needle)],
            TIME,
            f"{day.where} AND ({where})",
            (*day.values, *[f"%{needle}%"] * 6),
        )

    def _address_range(self) -> Question:
        first, second, *_ = self._fleet.addresses[self._random.randrange(0, 200_000, 20)][0].split(
            "."
        )
        one, two = f"{int(first):02x}", f"{int(second):02x}"
        text = f"{first}.{second}.0.0/16"
        return _network(text, f"{one}{two}0000", f"{one}{two}ffff", BY_SOURCE, is_sorted=True)

    def common(self) -> dict[str, Callable[[], Question]]:
        """Return what people ask all day, by name."""
        choice = self._random.choice
        return {
            "the latest": lambda: Question([], TIME, "1", ()),
            "hostname": lambda: _equal(BY_HOST, hostname=self._host()),
            "user": lambda: _equal(BY_USER, user=self._user()),
            "source_ip": self._one_address,
            "type": lambda: _equal(BY_TYPE, type=choice(["login", "sudo", "login_failed", "su"])),
            "method": lambda: _equal(TIME, method=choice(["password", "publickey"])),
            "region": lambda: _equal(TIME, region=choice(REGIONS)),
            "host_group": lambda: _equal(TIME, host_group=choice(GROUPS)),
            "severity": lambda: _equal(TIME, severity=choice(["low", "high", "critical"])),
            "flagged": lambda: Question([("flagged", "true")], TIME, "flagged = 1", ()),
            "since, until: a day": self._day,
            "q within a day": self._text_of_a_day,
            "hostname, type": lambda: _equal(BY_HOST, hostname=self._host(), type="login"),
            "user, type": lambda: _equal(
                TIME, user=choice(["root", "admin"]), type="login_failed"
            ),
            "user, hostname": lambda: _equal(BY_HOST, hostname=self._host(), user="root"),
            "hostname, method": lambda: _equal(BY_HOST, hostname=self._host(), method="password"),
            "type, source_ip=a.b.0.0/16": lambda: _both(
                self._address_range(), _equal(BY_TYPE, type="login")
            ),
            "type, user=user12*": lambda: _both(self._users(), _equal(BY_TYPE, type="login")),
            "region, host_group, type": lambda: _equal(
                TIME, region=choice(REGIONS[:10]), host_group=choice(GROUPS[:10]), type="sudo"
            ),
            "hostname=web-*": lambda: _prefix(
                TIME, "hostname", choice(GROUPS[:10]) + "-", is_sorted=False
            ),
            "user=user12*": self._users,
            "three hosts": lambda: _several(
                BY_HOST, "hostname", [self._host() for _ in range(3)], is_sorted=True
            ),
            "ten users": lambda: _several(
                BY_USER,
                "user",
                [f"user{self._random.randrange(100, 20_000)}" for _ in range(10)],
                is_sorted=True,
            ),
            "types": lambda: _several(
                TIME, "type", ["login", "sudo", choice(["su", "login_failed"])], is_sorted=False
            ),
            "source_ip=a.b.0.0/16": self._address_range,
            "source_ip=0.0.0.0/1": lambda: _network(
                "0.0.0.0/1", "00000000", "7fffffff", TIME, is_sorted=False
            ),
        }

    def rare(self) -> dict[str, Callable[[], Question]]:
        """Return what hardly ever occurs, or never, by name."""
        three = self._fleet.hosts[500][0][:-1]
        return {
            "a method that never occurs": lambda: _equal(TIME, method=RARE_METHOD),
            "a region that never occurs": lambda: _equal(TIME, region="nowhere"),
            "a region of one host": lambda: _equal(TIME, region=RARE_REGION),
            "a beginning of a few hosts": lambda: _prefix(
                BY_HOST, "hostname", three, is_sorted=True
            ),
            "a user with five events": lambda: _equal(BY_USER, user=RARE_USER),
            "a user who never occurs": lambda: _equal(BY_USER, user="nobody-at-all"),
            "a type that never occurs": lambda: _equal(BY_TYPE, type="journal_gap"),
            "root, but never by publickey": lambda: _equal(
                TIME, user="root", type="login_failed", method="publickey"
            ),
            "two frequent that never meet": lambda: _equal(
                TIME, type="heartbeat", method="password"
            ),
            "user=user*, of one host, su": lambda: Question(
                [("user", "user*"), ("hostname", host := self._host()), ("type", "su")],
                BY_HOST,
                "hostname = ? AND user >= 'user' AND user < 'uses' AND type = 'su'",
                (host,),
            ),
            "root, login, a region": lambda: _equal(
                BY_USER, user="root", type="login", region=self._random.choice(REGIONS)
            ),
            "a severity, a group, su": lambda: Question(
                [*{"severity": "critical", "host_group": "lab", "type": "su"}.items()],
                BY_TYPE,
                "type = 'su' AND severity = 'critical' AND host_group = 'lab'",
                (),
            ),
            "first week of the year, a host": lambda: Question(
                [("hostname", host := self._host()), ("until", _moment(END - YEAR * 51 // 52))],
                BY_HOST,
                "hostname = ? AND timestamp < ?",
                (host, END - YEAR * 51 // 52),
            ),
        }
