"""Binding the tokens of a request to names, all of them or none, and saying what that changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from watchtower_collector.store.tokens import NameTakenError, Token, bind, expire_others
from watchtower_collector.timestamps import format_rfc3339, now_us
from watchtower_collector.token_registry import digest_of
from watchtower_collector.wanted_token import RefusedTokenError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sqlalchemy as sa

    from watchtower_collector.wanted_token import WantedToken

_MAX_SUMMARY = 4_096  # characters, before the last entry that is named


@dataclass(frozen=True, slots=True)
class BoundToken:
    """A token that is good now for its name."""

    token: Token
    before: Token | None
    """The same token as it was before, ``None`` when it was not known for this name."""
    others_expire_at: int | None
    """Until when the name's other tokens are good, if that was changed."""

    @property
    def is_new(self) -> bool:
        """Whether it was not known for this name."""
        return self.before is None

    @property
    def is_renewed(self) -> bool:
        """Whether it had expired, or would have."""
        return self.before is not None and self.before.expires_at is not None


def bind_tokens(
    connection: sa.Connection, wanted: Sequence[WantedToken], made: Sequence[str | None]
) -> list[BoundToken]:
    """Bind each wanted token to its name: the one that was ``made`` for it, or the one it names.

    Raises:
        RefusedTokenError: 409 the name is another owner's, or the token is revoked; 422 one of
            them would end another.
    """
    now = now_us()
    bound: list[BoundToken] = []
    seen: dict[str, tuple[set[int], bool]] = {}
    for index, (one, secret) in enumerate(zip(wanted, made, strict=True)):
        digest = digest_of(secret) if secret else bytes.fromhex(one.token_sha256 or "")
        token, before = _bind(connection, one, digest, now, index)
        ends_others = one.overlap_seconds is not None
        known, ended = seen.get(one.hostname, (set(), False))
        if known - {token.id} and (ended or ends_others):
            raise RefusedTokenError(
                422,
                f"{one.hostname} comes twice, and with overlap_seconds one of its two tokens "
                "would end the other",
                token=index,
                field="hostname",
            )
        seen[one.hostname] = (known | {token.id}, ended or ends_others)
        expires_at = None
        if one.overlap_seconds is not None:
            expires_at = now + one.overlap_seconds * 1_000_000
            if not expire_others(connection, token, expires_at):
                expires_at = None
        bound.append(BoundToken(token, before, expires_at))
    return bound


def _bind(
    connection: sa.Connection, one: WantedToken, digest: bytes, now: int, index: int
) -> tuple[Token, Token | None]:
    try:
        token, before = bind(connection, one.hostname, digest, now, one.owner)
    except NameTakenError as error:
        raise RefusedTokenError(
            409,
            f"the name {one.hostname} belongs to {error.taken.owner} (token "
            f"{error.taken.id}); two hosts of one name could not be told apart. If that one "
            "is gone, revoke its token",
            token=index,
            field="hostname",
        ) from None
    if token.revoked_at is not None:
        raise RefusedTokenError(
            409,
            f"this token of {one.hostname} was revoked at "
            f"{format_rfc3339(token.revoked_at)} and stays so: make a new one",
            token=index,
            field="token_sha256",
        )
    return token, before


def summary(bound: Sequence[BoundToken]) -> str:
    """Return in bounded words what was changed, what came back to life first."""
    changes = [_change(one) for one in sorted(bound, key=lambda one: not one.is_renewed)]
    said = [change for change in changes if change]
    if not said and len(bound) == 1:
        token = bound[0].token
        return f"token {token.id} for {token.hostname} was as it is"
    if not said:
        return f"{len(bound)} tokens were as they are"
    length, named = 0, 0
    while named < len(said) and length < _MAX_SUMMARY:
        length += len(said[named])
        named += 1
    more = [f"and {len(said) - named} more"] if named < len(said) else []
    return "; ".join([*said[:named], *more])


def _change(one: BoundToken) -> str:
    """Return what became of a token, nothing if it is as it was."""
    token, before = one.token, one.before
    did = "made " if one.is_new else "renewed " if one.is_renewed else ""
    more = []
    if before is not None and before.owner != token.owner:
        more.append(f", owner {token.owner}")
    if one.others_expire_at is not None:
        more.append(f", others expire at {format_rfc3339(one.others_expire_at)}")
    if not did and not more:
        return ""
    return f"{did}token {token.id} for {token.hostname}{''.join(more)}"
