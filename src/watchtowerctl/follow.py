"""Follows the collector's stream of events across broken connections."""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING, Any

from watchtowerctl.errors import PROTOCOL, TRY_LATER, UNAVAILABLE, CommandError
from watchtowerctl.moments import local_now, show
from watchtowerctl.output import say
from watchtowerctl.server_sent import messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from watchtowerctl.api import Api, Parameters
    from watchtowerctl.server_sent import Message

SILENCE_SECONDS = 45.0  # the collector says that it is alive every 15
_LONGEST_PAUSE = 30.0


def follow(
    api: Api,
    parameters: Parameters,
    *,
    connected: Callable[[], None],
    earlier: Callable[[int], Iterable[dict[str, Any]]] | None = None,
    first_pause: float = 1.0,
) -> Iterator[dict[str, Any]]:
    """Give event after event, for ever. After a break it goes on where it was.

    ``connected`` is called when the first connection stands. ``earlier`` gives the events to begin
    with, up to the one with the id it is called with: the stream gives all that are stored after.
    Pauses between attempts double, from ``first_pause`` seconds to 30, less some chance.

    Raises:
        CommandError: the first connection fails, or a later one for good.
    """
    last_id, failures, begun = "", 0, False
    while True:
        headers = {"Accept": "text/event-stream"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        try:
            with api.open(
                "GET", "/events/stream", parameters, headers=headers, silence=SILENCE_SECONDS
            ) as response:
                if failures:
                    say("Connected again.")
                elif not begun:
                    connected()
                failures, begun = 0, True
                for message in messages(response.iter_bytes()):
                    last_id = message.last_id
                    if earlier is not None:
                        yield from earlier(_position(message))
                        earlier = None
                    if message.data:
                        yield _event(message.data)
        except CommandError as error:
            if not begun or error.status not in {UNAVAILABLE, TRY_LATER}:
                raise
            failures += 1
            if failures == 1:
                say(f"{error}. Trying again.")
        if not last_id:
            say(f"From {show(local_now())} on, events may be missing until the next connection.")
        longest = min(first_pause * 2 ** min(failures, 10), _LONGEST_PAUSE)
        time.sleep(random.uniform(longest / 2, longest))  # noqa: S311  # keeps clients apart


def _position(message: Message) -> int:
    """Return the id that the stream begins after: it says so first, before any event."""
    if message.data or not message.last_id.isdecimal():
        raise CommandError(PROTOCOL, "the stream does not say where it begins")
    return int(message.last_id)


def _event(data: str) -> dict[str, Any]:
    try:
        event = json.loads(data)
    except ValueError:
        event = None
    if isinstance(event, dict):
        return event
    raise CommandError(PROTOCOL, "the stream holds something that is no event")
