"""Server-sent events, as a client sees them."""

from __future__ import annotations

import json
import re


class EventSource:
    """A client of server-sent events, to the letter of WHATWG HTML, section 9.2.6."""

    def __init__(self, response):
        self.response = response
        self.last_id = ""
        self._text = response.iter_raw()
        self._left = b""

    def blocks(self):
        """Give each block as a list of its lines."""
        for piece in self._text:
            self._left += piece
            *whole, self._left = self._left.split(b"\n\n")
            for block in whole:
                # CR ends a line as LF does; nothing else does.
                yield re.split("\r\n|\r|\n", block.decode("utf-8"))

    def events(self):
        """Give each event as a pair of its type and its data, parsed."""
        silent = 0
        for lines in self.blocks():
            kind, data = "message", []
            silent = silent + 1 if lines[0] == ": alive" else 0
            assert silent < 3, "nothing comes but signs of life"
            for line in lines:
                name, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if name == "id":
                    self.last_id = value
                elif name == "event":
                    kind = value
                elif name == "data":
                    data.append(value)
            if data:
                yield kind, json.loads("\n".join(data))

    def take(self, count):
        """Return the next ``count`` events."""
        events = self.events()
        return [next(events) for _ in range(count)]
