"""A fleet that comes back: many agents connect within a second, each with a batch.

    python storm.py   reads a job as JSON on standard input, prints what came of it as JSON

Each agent does as the real one: it keeps its batch until it is acknowledged, waits as long as
Retry-After says, and connects again after a connection that failed.
"""

from __future__ import annotations

import asyncio
import collections
import json
import random
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import uvloop
from load import Answers, Requests, trust

if TYPE_CHECKING:
    import ssl

_WITHIN = 1.0  # seconds in which all of them begin
_STEP = 0.01  # seconds; they begin in groups of those who are due
_PATIENCE = 120.0  # seconds until an agent counts as having failed
_AGAIN = 1.0  # seconds before the next try after a connection that failed, at most


@dataclass
class Storm:
    """Who comes, and where to. ``batch`` is events in an agent's one request."""

    host: str
    port: int
    token: str
    agents: int
    batch: int
    ca_file: str | None = None


@dataclass
class Result:
    """What came of it. Times in seconds, from an agent's first attempt to its acknowledgement.

    Attributes:
        began: how long it took until the last of them had begun.
        ids: the event ids that were acknowledged, as hexadecimal digits.
    """

    answers: collections.Counter[int] = field(default_factory=collections.Counter)
    began: float = 0.0
    seconds: float = 0.0
    cpu: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    failed: int = 0
    ids: list[str] = field(default_factory=list)


async def _post(
    storm: Storm, context: ssl.SSLContext | None, open_socket: socket.socket, request: bytes
) -> tuple[int, float]:
    """Send one request over a connection of its own; return the status and Retry-After."""
    name = storm.host if context else None
    reader, writer = await asyncio.open_connection(
        sock=open_socket, ssl=context, server_hostname=name
    )
    try:
        writer.write(request)
        answers, answer = Answers(), None
        while answer is None:
            data = await reader.read(65_536)
            if not data:
                raise ConnectionResetError
            answer = answers.feed(data)
    finally:
        writer.close()
    status, head = answer
    _, found, rest = head.partition(b"retry-after:")
    return status, float(rest.split(b"\r\n", 1)[0]) if found else 0.0


class Fleet:
    """Agents that all begin within a second, and go on until each has its acknowledgement."""

    def __init__(self, storm: Storm) -> None:
        self._storm, self._context = storm, trust(storm.ca_file)
        requests = Requests(storm.host, storm.token, storm.batch, time.time_ns())
        self._made = [requests.next() for _ in range(storm.agents)]
        self._loop = asyncio.get_running_loop()
        self._tasks: list[asyncio.Task[float | None]] = []
        self._result = Result()

    def _connect(self) -> socket.socket:
        return socket.create_connection((self._storm.host, self._storm.port))

    def _begin(self, begun: float) -> None:
        """Connect on time, whatever the event loop is busy with: a thread of its own."""
        for number in range(self._storm.agents):
            wait = begun + _WITHIN * number / self._storm.agents - time.monotonic()
            if wait > _STEP:
                time.sleep(wait)
            self._loop.call_soon_threadsafe(self._start, number, time.monotonic(), self._connect())
        self._result.began = time.monotonic() - begun

    def _start(self, number: int, begun: float, open_socket: socket.socket) -> None:
        self._tasks.append(asyncio.create_task(self._agent(number, begun, open_socket)))

    async def _agent(
        self, number: int, begun: float, open_socket: socket.socket | None
    ) -> float | None:
        request, ids = self._made[number]
        while time.monotonic() - begun < _PATIENCE:
            try:
                open_socket = open_socket or self._connect()
                status, wait = await _post(self._storm, self._context, open_socket, request)
            except OSError:  # TLS errors are among them
                status, wait = 0, _AGAIN * random.random()
            open_socket = None
            self._result.answers[status] += 1
            if status == 201:
                self._result.ids += [id_.decode() for id_ in ids]
                return time.monotonic() - begun
            await asyncio.sleep(wait)
        return None

    async def run(self) -> Result:
        """Let all of them begin, and wait until the last is done."""
        result, used, begun = self._result, time.process_time(), time.monotonic()
        await asyncio.to_thread(self._begin, begun)
        delays = await asyncio.gather(*self._tasks)
        result.seconds, result.cpu = time.monotonic() - begun, time.process_time() - used
        times = sorted(delay for delay in delays if delay is not None)
        result.failed = self._storm.agents - len(times)
        if times:
            result.p50, result.p99 = (times[int(len(times) * part)] for part in (0.5, 0.99))
        return result


async def _main() -> Result:
    return await Fleet(Storm(**json.load(sys.stdin))).run()


if __name__ == "__main__":
    print(json.dumps(vars(uvloop.run(_main()))))
