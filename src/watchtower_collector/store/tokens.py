"""Tokens of single hosts: kept as digests, one row for each name that a token may speak for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from watchtower_collector.store.schema import TOKENS

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Token:
    """A token's binding to one host name. Times in microseconds since 1970."""

    id: int
    hostname: str
    digest: bytes
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None
    owner: str | None
    """Who may give this name another token; ``None`` for anybody."""

    def state(self, now: int) -> str:
        """Return ``active``, ``expiring``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is None:
            return "active"
        return "expiring" if now < self.expires_at else "expired"

    def is_good(self, now: int) -> bool:
        """Return whether it is accepted at this moment."""
        return self.state(now) in {"active", "expiring"}


def all_tokens(connection: sa.Connection) -> list[Token]:
    """Return every binding that ever was, in the order of their making."""
    rows = connection.execute(sa.select(TOKENS).order_by(TOKENS.c.id)).mappings()
    return [Token(**row) for row in rows]


class NameTakenError(Exception):
    """The name has a good token of another owner."""

    def __init__(self, taken: Token) -> None:
        self.taken = taken
        super().__init__(taken.hostname)


def bind(
    connection: sa.Connection, hostname: str, digest: bytes, now: int, owner: str | None = None
) -> tuple[Token, Token | None]:
    """Return the binding of a token to a name, and as it was before, ``None`` if it is made now.

    One that has expired, or will, is good again. One that was revoked stays so. Without an
    ``owner`` a new one has that of the name's good tokens: a rotation gives no name away.

    Raises:
        NameTakenError: ``owner`` is not the one of the name's good tokens.
    """
    owned = _owned(connection, hostname, now)
    if owner is None:
        heir = owned[-1].owner if owned else None
    else:
        heir = owner
        for other in owned:
            if other.owner != owner:
                raise NameTakenError(other)
    made = connection.execute(
        insert(TOKENS)
        .values(hostname=hostname, digest=digest, created_at=now, owner=heir)
        .on_conflict_do_nothing(index_elements=[TOKENS.c.digest, TOKENS.c.hostname])
    ).rowcount
    this = (TOKENS.c.digest == digest) & (TOKENS.c.hostname == hostname)
    if made:
        return _binding(connection, this), None
    before = _binding(connection, this)
    known = {"expires_at": None} if owner is None else {"expires_at": None, "owner": owner}
    connection.execute(sa.update(TOKENS).where(this).values(known))
    return _binding(connection, this), before


def _binding(connection: sa.Connection, this: sa.ColumnElement[bool]) -> Token:
    return Token(**connection.execute(sa.select(TOKENS).where(this)).mappings().one())


def _owned(connection: sa.Connection, hostname: str, now: int) -> list[Token]:
    """Return the good tokens of a name that have an owner, the newest last."""
    rows = connection.execute(
        sa.select(TOKENS)
        .where(TOKENS.c.hostname == hostname, TOKENS.c.owner.is_not(None))
        .order_by(TOKENS.c.id)
    ).mappings()
    return [token for token in (Token(**row) for row in rows) if token.is_good(now)]


def expire_others(connection: sa.Connection, kept: Token, expires_at: int) -> int:
    """Let the host's other tokens expire, and return of how many; none gets longer to live."""
    return connection.execute(
        sa.update(TOKENS)
        .where(
            TOKENS.c.hostname == kept.hostname,
            TOKENS.c.digest != kept.digest,
            TOKENS.c.expires_at.is_(None) | (TOKENS.c.expires_at > expires_at),
        )
        .values(expires_at=expires_at)
    ).rowcount


def revoke(connection: sa.Connection, token: int, now: int) -> Token | None:
    """Revoke the binding with this id and return it as it is then, ``None`` if there is none."""
    this = TOKENS.c.id == token
    connection.execute(
        sa.update(TOKENS).where(this, TOKENS.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    row = connection.execute(sa.select(TOKENS).where(this)).mappings().one_or_none()
    return None if row is None else Token(**row)


def note_use(connection: sa.Connection, used: Mapping[int, int]) -> None:
    """Store when bindings were last used, by their ids."""
    statement = (
        sa.update(TOKENS)
        .where(TOKENS.c.id == sa.bindparam("token"))
        .values(last_used_at=sa.bindparam("at"))
    )
    connection.execute(statement, [{"token": token, "at": at} for token, at in used.items()])
