"""Posts events over connections that stay open: a process of its own, and a lean one.

    python load.py   reads a job as JSON on standard input, prints what came of it as JSON

Requests are bytes made beforehand; only the event ids are put in as they go, so that every event
is a new one. An answer is read as far as its status and length.
"""

from __future__ import annotations

import asyncio
import collections
import json
import os
import ssl
import sys
import time
from dataclasses import dataclass, field

import uvloop
from traffic import Traffic

_MADE = 5_000  # events made before the clock runs
_ID = "%" * 32  # stands in an event where its id goes


@dataclass
class Job:
    """What to post, and where.

    Attributes:
        ca_file: speak TLS, and trust these roots only.
        batch: events in a request; 0 posts one event as an object.
        seconds: how long.
    """

    host: str
    port: int
    token: str
    connections: int
    batch: int
    seconds: float
    ca_file: str | None = None


@dataclass
class Result:
    """What came of it. Times in seconds; answers by HTTP status, 0 for a connection that ended."""

    events: int = 0
    answers: collections.Counter[int] = field(default_factory=collections.Counter)
    seconds: float = 0.0
    cpu: float = 0.0
    p50: float = 0.0
    p99: float = 0.0


class Requests:
    """Requests without end, each with event ids that no other has."""

    def __init__(self, host: str, token: str, batch: int, seed: int) -> None:
        self.size = batch or 1
        traffic, now = Traffic(seed), time.time_ns() // 1_000
        made = max(_MADE // self.size, 1)
        self._templates = []
        for _ in range(made):
            events = [traffic.event(now + i, _ID) for i in range(self.size)]
            body = json.dumps(events if batch else events[0], separators=(",", ":"))
            head = (
                f"POST /login HTTP/1.1\r\nHost: {host}\r\nX-Login-Alert-Token: {token}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            template = (head + body).encode("ascii").replace(_ID.encode(), b"\0")
            self._templates.append(template.replace(b"%", b"%%").replace(b"\0", b"%b"))
        self._made = 0

    def next(self) -> tuple[bytes, list[bytes]]:
        """Return a request, and the event ids in it."""
        random = os.urandom(16 * self.size).hex().encode()
        ids = [random[at : at + 32] for at in range(0, len(random), 32)]
        self._made += 1
        return self._templates[self._made % len(self._templates)] % tuple(ids), ids


class Answers:
    """Cuts answers out of a stream of bytes."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> tuple[int, bytes] | None:
        """Return status and head of an answer that is now complete, or None."""
        self._held += data
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self._held[:end].lower()
        _, _, rest = head.partition(b"content-length:")
        length = int(rest.split(b"\r\n", 1)[0])
        if len(self._held) < end + 4 + length:
            return None
        self._held = b""
        return int(head[9:12]), head


class _Connection(asyncio.Protocol):
    """Posts, waits for the answer, posts again."""

    def __init__(self, requests: Requests, result: Result, times: list[float]) -> None:
        self._requests, self._result, self._times = requests, result, times
        self._answers = Answers()
        self.until = 0.0
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport) -> None:
        self._transport = transport

    def post(self) -> None:
        request, _ = self._requests.next()
        self._begun = time.monotonic()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        answer = self._answers.feed(data)
        if answer is None:
            return
        now = time.monotonic()
        self._result.answers[answer[0]] += 1
        if answer[0] == 201:
            self._result.events += self._requests.size
            self._times.append(now - self._begun)
        if now < self.until:
            self.post()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None or time.monotonic() < self.until:
            self._result.answers[0] += 1
        self.ended.set_result(None)


def trust(ca_file: str | None) -> ssl.SSLContext | None:
    """Return a context that checks the server against these roots, as an agent does."""
    return None if ca_file is None else ssl.create_default_context(cafile=ca_file)


async def run(job: Job) -> Result:
    """Do the job; every answer that was asked for is waited for, and counts."""
    result, times = Result(), []
    requests = Requests(job.host, job.token, job.batch, time.time_ns())
    loop, context = asyncio.get_running_loop(), trust(job.ca_file)
    connections = []
    for _ in range(job.connections):
        _, connection = await loop.create_connection(
            lambda: _Connection(requests, result, times), job.host, job.port, ssl=context
        )
        connections.append(connection)
    used, begun = time.process_time(), time.monotonic()
    for connection in connections:
        connection.until = begun + job.seconds
        connection.post()
    await asyncio.gather(*(connection.ended for connection in connections))
    result.seconds = time.monotonic() - begun
    result.cpu = time.process_time() - used
    times.sort()
    if times:
        result.p50, result.p99 = (times[int(len(times) * part)] for part in (0.5, 0.99))
    return result


if __name__ == "__main__":
    print(json.dumps(vars(uvloop.run(run(Job(**json.load(sys.stdin)))))))
