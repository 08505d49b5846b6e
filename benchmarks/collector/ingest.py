"""How much the collector takes in: single events, batches, through Caddy, and a fleet at once.

Prints ratios of rates against baselines measured in the same run, turn by turn: a naive FastAPI
service for single events, sqlite3.executemany for batches, the collector without Caddy for both
through Caddy. Every acknowledged event is looked for in the database afterwards.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from history import copy, history
from measures import watched
from servers import REPOSITORY, TOKEN, Server, caddy, caddy_program, collector, naive

CACHE = REPOSITORY / ".cache/benchmarks"
HERE = Path(__file__).parent
SINGLE_CONNECTIONS = 64
BATCH = 100
BATCH_CONNECTIONS = 4
STORM_BATCH = 10
MEMORY_GOAL = 200  # MB


@dataclass
class Contestant:
    """One way to bring events into a database, and what its rounds came to."""

    name: str
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    generator: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)

    def note(self, result: dict, cpu: float) -> None:
        """Note a round; ``cpu`` in seconds, of the server's side."""
        self.rates.append(result["events"] / result["seconds"])
        self.cpu.append(cpu / max(result["events"], 1))
        if "answers" in result:
            self.generator.append(result["cpu"] / result["seconds"])
            self.p50.append(result["p50"])
            self.p99.append(result["p99"])
            for status, count in result["answers"].items():
                if status != "201":
                    self.failures[status] = self.failures.get(status, 0) + count

    @property
    def rate(self) -> float:
        """Events a second."""
        return statistics.median(self.rates)

    @property
    def cpu_of_event(self) -> float:
        """Seconds of the server's side."""
        return statistics.median(self.cpu)

    def show(self) -> None:
        line = f"  {self.name:30} {self.rate:7.0f} events/s"
        line += f" {self.cpu_of_event * 1e6:6.0f} us of CPU/event"
        if self.p50:
            line += f", p50 {statistics.median(self.p50) * 1e3:4.0f} ms"
            line += f", p99 {statistics.median(self.p99) * 1e3:4.0f} ms"
            line += f"; generator {statistics.median(self.generator):.0%} of a core"
        if self.failures:
            line += f"; answers that were no 201, by status: {self.failures}"
        print(line)


def child(script: str, *arguments: object, job: dict | None = None) -> dict:
    """Run a script beside this one and return what it printed."""
    done = subprocess.run(
        [sys.executable, HERE / script, *map(str, arguments)],
        # Unbuffered, Python drops what one write to a slow pipe leaves over.
        env={**os.environ, "PYTHONUNBUFFERED": ""},
        input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def address(server: Server) -> dict:
    ca_file = server.ca_file and str(server.ca_file)
    return {"host": server.host, "port": server.port, "token": TOKEN, "ca_file": ca_file}


def stored(database: Path) -> int:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT count(*) FROM events").fetchone()[0]


class Databases:
    """A copy of the same database for each contestant; nothing acknowledged may be missing."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.collector, self.naive, self.raw = (
            copy(source, folder / f"{name}.db") for name in ("collector", "naive", "raw")
        )
        for baseline in (self.naive, self.raw):
            with contextlib.closing(sqlite3.connect(baseline)) as connection:
                # The same table and indexes; what the collector adds to an insert is its own.
                connection.execute("DROP TRIGGER events_facets")

    @staticmethod
    def post(contestant: Contestant, database: Path, servers: list[Server], job: dict) -> None:
        """Let a contestant post to the last of ``servers``, which pass it on to the first."""
        before = stored(database)
        used = [server.process.cpu_seconds() for server in servers]
        result = child("load.py", job=job | address(servers[-1]))
        cpu = sum(s.process.cpu_seconds() for s in servers) - sum(used)
        # One more than acknowledged is well: an answer can be lost where its event is not.
        kept = stored(database) - before
        assert kept >= result["events"], (contestant.name, kept, result)
        contestant.note(result, cpu)


def storm(server: Server, database: Path, agents: int) -> None:
    """Let the fleet come, and look for each of its events."""
    result = child("storm.py", job={"agents": agents, "batch": STORM_BATCH} | address(server))
    with contextlib.closing(sqlite3.connect(database)) as connection:
        newest = connection.execute(
            "SELECT event_id FROM events ORDER BY id DESC LIMIT ?", (agents * STORM_BATCH,)
        )
        found = [event_id.hex() for (event_id,) in newest]
    lost = set(result["ids"]) - set(found)
    others = {status: n for status, n in result["answers"].items() if status != "201"}
    print(
        f"{agents} agents with {STORM_BATCH} events each, through Caddy, all of whom begin within "
        f"{result['began']:.2f} s\n"
        f"  acknowledged p50 {result['p50']:.2f} s, p99 {result['p99']:.2f} s, the last after "
        f"{result['seconds']:.2f} s; the {agents} clients take {result['cpu']:.2f} s of CPU\n"
        f"  other answers, by status: {others}; agents that gave up: {result['failed']}\n"
        f"  events stored once {len(set(found) & set(result['ids']))}, lost {len(lost)}  (goal: 0)"
    )
    assert not lost, f"{len(lost)} acknowledged events are not stored"
    assert not result["failed"], f"{result['failed']} agents gave up"


def compare(contestant: Contestant, baseline: Contestant, goal: str) -> None:
    ratio = contestant.rate / baseline.rate
    # The second moves less when the machine does other things, too.
    frugal = baseline.cpu_of_event / contestant.cpu_of_event
    print(
        f"  {contestant.name}, to {baseline.name}: {ratio:.2f}  (goal: at least {goal}); "
        f"events for the same CPU: {frugal:.2f}"
    )


def measure(chosen: argparse.Namespace, databases: Databases, folder: Path) -> None:
    single_naive, raw = Contestant("naive, single"), Contestant("executemany, batches")
    single, batches = Contestant("collector, single"), Contestant("collector, batches")
    tls_single = Contestant("collector + Caddy, single")
    tls_batches = Contestant("collector + Caddy, batches")
    one = {"connections": SINGLE_CONNECTIONS, "batch": 0, "seconds": chosen.seconds}
    many = {"connections": BATCH_CONNECTIONS, "batch": BATCH, "seconds": chosen.seconds}
    with (
        collector(databases.collector) as direct,
        caddy(caddy_program(CACHE), direct, folder) as front,
        naive(databases.naive) as simple,
        watched(direct.process) as memory,
    ):
        through = [direct, front]
        for _ in range(chosen.rounds):
            databases.post(single_naive, databases.naive, [simple], one)
            databases.post(single, databases.collector, [direct], one)
            databases.post(tls_single, databases.collector, through, one)
            result = child("raw.py", databases.raw, chosen.seconds, BATCH)
            raw.note(result, result["cpu"])
            databases.post(batches, databases.collector, [direct], many)
            databases.post(tls_batches, databases.collector, through, many)
        print(f"{chosen.events} events stored before, median of {chosen.rounds} rounds")
        for contestant in (single_naive, single, tls_single, raw, batches, tls_batches):
            contestant.show()
        compare(single, single_naive, "10")
        compare(batches, raw, "0.5")
        compare(tls_single, single, "0.7")
        compare(tls_batches, batches, "0.7")
        storm(front, databases.collector, chosen.agents)
    print(
        f"collector's memory at most: {memory.rss:.0f} MB resident, {memory.pss:.0f} MB "
        f"proportional  (goal: under {MEMORY_GOAL})"
    )


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--events", type=int, default=1_000_000, help="stored before")
    arguments.add_argument("--seconds", type=float, default=10, help="of each measurement")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--agents", type=int, default=2_000, help="that connect at once")
    chosen = arguments.parse_args()
    source = history(CACHE, chosen.events)
    # Not in /tmp, which may be memory: what is measured has to reach a disk.
    with (
        tempfile.TemporaryDirectory(dir=CACHE) as databases,
        tempfile.TemporaryDirectory() as folder,
    ):
        measure(chosen, Databases(source, Path(databases)), Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
