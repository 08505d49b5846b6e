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
import sys
import time
from dataclasses import dataclass, field

import uvloop
from load import Answers, Requests, trust

_WITHIN = 1.0  # seconds in which all of them begin
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


async def _post(storm: Storm, context, request: bytes) -> tuple[int, float]:
    """Send one request over a connection of its own; return the status and Retry-After."""
    reader, writer = await asyncio.open_connection(storm.host, storm.port, ssl=context)
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


async def _agent(storm: Storm, context, request: bytes, result: Result) -> float | None:
    begun = time.monotonic()
    while time.monotonic() - begun < _PATIENCE:
        try:
            status, wait = await _post(storm, context, request)
        except OSError:  # TLS errors are among them
            status, wait = 0, _AGAIN * random.random()
        result.answers[status] += 1
        if status == 201:
            return time.monotonic() - begun
        await asyncio.sleep(wait)
    return None


async def run(storm: Storm) -> Result:
    """Let all of them begin within a second, and wait until the last is done."""
    result, context = Result(), trust(storm.ca_file)
    requests = Requests(storm.host, storm.token, storm.batch, time.time_ns())
    made = [requests.next() for _ in range(storm.agents)]
    used, begun = time.process_time(), time.monotonic()
    agents = []
    for number, (request, _) in enumerate(made):
        await asyncio.sleep(max(begun + _WITHIN * number / storm.agents - time.monotonic(), 0))
        agents.append(asyncio.create_task(_agent(storm, context, request, result)))
    result.began = time.monotonic() - begun
    delays = await asyncio.gather(*agents)
    result.seconds, result.cpu = time.monotonic() - begun, time.process_time() - used
    for delay, (_, ids) in zip(delays, made, strict=True):
        if delay is not None:
            result.ids += [id_.decode() for id_ in ids]
    times = sorted(delay for delay in delays if delay is not None)
    result.failed = storm.agents - len(times)
    if times:
        result.p50, result.p99 = (times[int(len(times) * part)] for part in (0.5, 0.99))
    return result


if __name__ == "__main__":
    print(json.dumps(vars(uvloop.run(run(Storm(**json.load(sys.stdin)))))))
