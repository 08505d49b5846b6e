"""Server-sent events, as far as the collector uses them (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Message:
    """``data`` is empty where only the position ``last_id`` was sent."""

    last_id: str
    data: str


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    # Split by bytes: str.splitlines also splits at U+2028, which may stand in a user name.
    waiting = b""
    for chunk in chunks:
        *whole, waiting = (waiting + chunk).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r").decode("utf-8", "replace")


def messages(chunks: Iterable[bytes]) -> Iterator[Message]:
    """Give the messages of a stream; one that broke off before its end is left out."""
    last_id, position, data = "", "", list[str]()
    for line in _lines(chunks):
        if not line:
            if data or position != last_id:
                last_id = position
                yield Message(last_id, "\n".join(data))
            data = []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "id" and "\0" not in value:
            position = value
