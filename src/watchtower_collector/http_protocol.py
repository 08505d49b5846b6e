"""HTTP/1.1 as uvicorn speaks it, with a bound on the head of a request."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 << 10
_LINE_BYTES = len(b": \r\n")  # of a header, beside its name and its value
# For how long what comes after a refusal is read and thrown away. Were the connection closed with
# something unread, the kernel would reset it, and the answer might be lost on its way.
_LINGER_SECONDS = 5.0


class HeadTooLargeError(Exception):
    """A head, or what follows a chunked body, has more than ``MAX_HEAD_BYTES``."""


class BoundedHeadProtocol(HttpToolsProtocol):
    """Answers 400 when a head is too large, whether or not it ever ends.

    The parser has no bound of its own, and tells of a line only when it is complete. So lines are
    counted when they are, and besides what has come since anything last was.
    """

    _lines = 0
    """Bytes of the complete lines of this message."""
    _since_progress = 0
    """Bytes that came since the parser last told of anything."""
    _refused = False

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        if self._refused:
            return
        self._since_progress += len(data)
        super().data_received(data)
        if self._since_progress > MAX_HEAD_BYTES and not self._refused:
            self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        """Begin to count."""
        self._lines = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request's target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a line of the head, or of the trailers of a chunked body."""
        self._count(len(name) + len(value) + _LINE_BYTES)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Take the end of the head."""
        self._since_progress = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._since_progress = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take the end of the request."""
        self._since_progress = 0
        super().on_message_complete()

    def _count(self, size: int) -> None:
        """Count a line.

        Raises:
            HeadTooLargeError: to the parser, which stops, and data_received answers 400.
        """
        self._since_progress = 0
        self._lines += size
        if self._lines > MAX_HEAD_BYTES:
            raise HeadTooLargeError

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
