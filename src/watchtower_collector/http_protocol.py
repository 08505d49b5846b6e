"""HTTP/1.1 as uvicorn speaks it, and nothing else; with bounds, and in fewer packets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from watchtower_collector.gathered_writes import GatheredWrites

if TYPE_CHECKING:
    import asyncio

MAX_HEAD_BYTES = 64 << 10
_LINE_BYTES = len(b": \r\n")  # of a header, beside its name and its value
# For how long what comes after a refusal is read and thrown away. Were the connection closed with
# something unread, the kernel would reset it, and the answer might be lost on its way.
_LINGER_SECONDS = 5.0


class HeadTooLargeError(Exception):
    """A head has more than ``MAX_HEAD_BYTES``."""


class UpgradeError(Exception):
    """A client wants to speak something else than HTTP from now on."""


class HttpProtocol(HttpToolsProtocol):
    """Answers 400 when a head, or what follows a chunked body, is too large or never ends.

    Also to whoever wants to speak something else from then on.

    The parser has no bound of its own. What comes counts until it turns out to be something else:
    of a read in which something ended nobody knows how much came after that.
    """

    _at_least = _at_most = 0
    """Bytes that came since a head, a piece of a body or a request last ended."""
    _read = 0
    """Bytes that came last, at once."""
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Take a client."""
        super().connection_made(transport)
        self.transport = GatheredWrites(transport, self.loop)

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        if self._refused:
            return
        self._read = len(data)
        self._at_least += self._read
        self._at_most += self._read
        super().data_received(data)
        if self._at_least > MAX_HEAD_BYTES and not self._refused:
            self.send_400_response("The head of the request is too large.")

    def on_headers_complete(self) -> None:
        """Take the end of the head.

        Raises:
            HeadTooLargeError: to the parser, which stops, and data_received answers 400.
            UpgradeError: likewise. The parser takes such a request to end with its head, and what
                comes next, its body, for another request: one that a stranger could put before
                that of an agent who uses the same connection after him.
        """
        if self.parser.should_upgrade():
            raise UpgradeError
        if self._at_most > MAX_HEAD_BYTES and self._head_bytes() > MAX_HEAD_BYTES:
            raise HeadTooLargeError
        self._note_end()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._note_end()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take the end of the request."""
        self._note_end()
        super().on_message_complete()

    def _note_end(self) -> None:
        self._at_least, self._at_most = 0, self._read

    def _head_bytes(self) -> int:
        lines = (len(name) + len(value) + _LINE_BYTES for name, value in self.headers)
        return len(self.url) + sum(lines)

    def send_400_response(self, msg: str) -> None:
        """Answer 400 in plain text, and end the connection when the client had time to read it."""
        self._refused = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if self.pipeline or cycle.response_started:
                self.transport.close()  # in the middle of another answer is no place for this one
                return
            cycle.disconnected = True
            cycle.waiting_for_100_continue = False
            cycle.message_event.set()
        body = msg.encode("ascii")
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\n"
            b"content-type: text/plain; charset=utf-8\r\n"
            b"content-length: %d\r\n"
            b"connection: close\r\n\r\n%s" % (len(body), body)
        )
        self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)
