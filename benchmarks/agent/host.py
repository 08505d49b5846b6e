"""What the agent costs a host, and how soon the collector knows: on the fleet of ``bin/demo``.

Prints memory and idle processor time of the agent beside those of the same host without it, and
the time from sshd's line to the moment when /events has it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
STATE = REPOSITORY / "inventory/demo/.watchtower/fleet"
CURL = REPOSITORY / "inventory/demo/.watchtower/curl.conf"
HOSTS = ("bastion", "db-1", "web-1", "web-2")
POLL_SECONDS = 0.02

# Runs on the host as root: processor time of the agent with its children, and of all processes.
PROBE = """
import json, os, pathlib, subprocess, sys, time
TICK = os.sysconf("SC_CLK_TCK")
SHOW = ["systemctl", "show", "--property=MainPID", "--value", "watchtower-agent"]
main = int(subprocess.run(SHOW, capture_output=True, text=True).stdout)

def used():
    agent = everything = 0.0
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        own, with_children = sum(map(int, fields[11:13])), sum(map(int, fields[11:15]))
        everything += (with_children if stat.parent.name == "1" else own) / TICK
        if int(stat.parent.name) == main:
            agent += with_children / TICK
        elif int(fields[1]) == main:
            agent += own / TICK
    return agent, everything

seconds = float(sys.argv[1])
before, begun = used(), time.monotonic()
time.sleep(seconds)
after, took = used(), time.monotonic() - begun
status = pathlib.Path(f"/proc/{main}/status").read_text() if main else ""
memory = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
print(json.dumps({
    "resident_mb": int(memory[0]) / 1024 if memory else 0,
    "agent": (after[0] - before[0]) / took,
    "host": (after[1] - before[1]) / took,
}))
"""


def on(host: str, *command: str, stdin: str = "") -> str:
    """Run a command on a host as root and return what it printed."""
    return subprocess.run(
        ["ssh", "-F", str(STATE / "ssh_config"), host, "sudo", *command],
        input=stdin, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def probe(host: str, seconds: float) -> dict[str, float]:
    return json.loads(on(host, "python3", "-", str(seconds), stdin=PROBE))


def cost(seconds: float) -> None:
    """Print memory and idle processor time, with the agent and without it."""
    print(f"idle for {seconds:.0f} s with the agent, then as long without it")
    with ThreadPoolExecutor(len(HOSTS)) as pool:
        with_agent = list(pool.map(lambda host: probe(host, seconds), HOSTS))
        for host in HOSTS:
            on(host, "systemctl", "stop", "watchtower-agent")
        try:
            without = list(pool.map(lambda host: probe(host, seconds), HOSTS))
        finally:
            for host in HOSTS:
                on(host, "systemctl", "start", "watchtower-agent")
    print("  goals: under 35 MB resident, under 0.1 % of a core")
    for host, measured, bare in zip(HOSTS, with_agent, without, strict=True):
        release = on(host, "cat", "/etc/debian_version").strip()
        print(
            f"  {host:8} Debian {release:5} {measured['resident_mb']:5.1f} MB resident; "
            f"{measured['agent']:.4%} of a core, {measured['agent'] * 3600:.2f} s an hour; "
            f"the whole host {measured['host']:.4%} with the agent, {bare['host']:.4%} without"
        )


def latency(logins: int) -> None:
    """Log in again and again, and look when /events has it."""
    seen: dict[int, float] = {}
    since = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    stop = threading.Event()

    def ask() -> list[dict[str, object]]:
        url = f"https://collector/events?type=login&user=ops&since={since}&limit=1000"
        done = subprocess.run(["curl", "-K", CURL, url], capture_output=True, check=True)
        return json.loads(done.stdout)

    def watch() -> None:
        while not stop.is_set():
            for event in ask():
                happened = datetime.fromisoformat(str(event["timestamp"])).timestamp()
                seen.setdefault(int(str(event["id"])), time.time() - happened)
            time.sleep(POLL_SECONDS)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(logins):
        for host in HOSTS:
            on(host, "true")
            time.sleep(0.2)
    time.sleep(5)
    stop.set()
    watcher.join()
    delays = sorted(seen.values())
    assert len(delays) >= logins * len(HOSTS), (len(delays), logins * len(HOSTS))
    print(f"{len(delays)} logins, one after the other, from sshd's line until /events has it")
    print(f"  p50 {statistics.median(delays) * 1000:.0f} ms, ", end="")
    print(f"p99 {delays[int(len(delays) * 0.99) - 1] * 1000:.0f} ms (with up to "
          f"{POLL_SECONDS * 1000:.0f} ms and a query for the looking)")  # fmt: skip


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--idle", type=float, default=300, help="seconds; default: 300")
    arguments.add_argument("--logins", type=int, default=50, help="on each host; default: 50")
    chosen = arguments.parse_args()
    if not CURL.exists():
        print("the demo fleet is not up: run bin/demo first", file=sys.stderr)
        return 1
    cost(chosen.idle)
    latency(chosen.logins)
    return 0


if __name__ == "__main__":
    sys.exit(main())
