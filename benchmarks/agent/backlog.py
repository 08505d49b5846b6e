"""How fast the agent works off a backlog, from the journal into the spool.

Prints ratios of rates against two baselines, measured in the same run, turn by turn: journalctl
alone printing the same entries as JSON, and fail2ban-regex reading the same lines as text.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from journal_file import make_journal

from watchtower_agent.entry import ENTRY_FIELDS
from watchtower_agent.export_format import ExportStream
from watchtower_agent.journal import Journal
from watchtower_agent.parse import Parser
from watchtower_agent.reader import JournalReader
from watchtower_agent.spool import Spool
from watchtower_agent.wakeup import Wakeup

BACKFILL_HOURS = 24 * 365 * 10
BASELINE = "journalctl -o json"
OURS = "agent, journal to spool"
FAIL2BAN = "fail2ban-regex"
FAIL2BAN_FILTER = "etc/fail2ban/filter.d/sshd.conf"


def journalctl(journal: Path, form: str) -> list[str]:
    """Return the command that prints the fields that the agent asks for."""
    fields = ",".join(ENTRY_FIELDS)
    return [
        "journalctl", f"--directory={journal}", f"--output={form}", "--all", "--quiet",
        f"--output-fields={fields}",
    ]  # fmt: skip


def seconds_of(action) -> float:
    begun = time.monotonic()
    action()
    return time.monotonic() - begun


def agent(journal: Path, entries: int) -> None:
    """Read the whole journal into a new spool, as the service does after an outage."""
    with tempfile.TemporaryDirectory(dir=journal.parent) as folder:
        stop = Wakeup()
        spool = Spool(Path(folder), 1024**3)
        source = Journal(stop, (f"--directory={journal}",))
        found = JournalReader(source, spool, Parser(), BACKFILL_HOURS, stop).drain()
        depth = spool.depth()
        spool.close()
        stop.close()
    assert found >= entries, (found, entries)
    assert depth > entries / 3, depth


def fail2ban(root: Path, log: Path, entries: int) -> None:
    """Read the same lines as text; fail2ban runs from where its package was unpacked."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(root / "usr/lib/python3/dist-packages"),
        "LC_ALL": "C.UTF-8",
    }
    command = [
        "python3",
        str(root / "usr/bin/fail2ban-regex"),
        str(log),
        str(root / FAIL2BAN_FILTER),
    ]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=environment
    ).stdout
    (read,) = re.findall(r"^Lines: (\d+) lines", done, re.MULTILINE)
    assert int(read) >= entries, done[-500:]


def unpack_fail2ban(folder: Path) -> Path:
    """Unpack Debian's package without installing it: that would start a service."""
    subprocess.run(
        ["apt-get", "download", "fail2ban"], cwd=folder, check=True, capture_output=True
    )
    (package,) = folder.glob("fail2ban_*.deb")
    root = folder / "fail2ban"
    subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
    return root


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--entries", type=int, default=100_000)
    arguments.add_argument("--rounds", type=int, default=5)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        journal, log = make_journal(folder, chosen.entries)
        root = unpack_fail2ban(folder)
        printed = subprocess.run(
            journalctl(journal, "export"), check=True, capture_output=True
        ).stdout
        count = sum(1 for _ in ExportStream([printed]).entries())
        parser = Parser()

        def print_all(form: str) -> None:
            subprocess.run(journalctl(journal, form), check=True, stdout=subprocess.DEVNULL)

        contestants = {
            BASELINE: lambda: print_all("json"),
            "journalctl -o export": lambda: print_all("export"),
            OURS: lambda: agent(journal, chosen.entries),
            "agent, decode and parse": lambda: [
                parser.parse(entry) for entry in ExportStream([printed]).entries()
            ],
            FAIL2BAN: lambda: fail2ban(root, log, chosen.entries),
        }
        seconds = {contestant: [] for contestant in contestants}
        for _ in range(chosen.rounds):
            for contestant, action in contestants.items():
                seconds[contestant].append(seconds_of(action))
    print(f"{count} entries, median of {chosen.rounds} rounds")
    rates = {}
    for contestant, measured in seconds.items():
        rates[contestant] = count / statistics.median(measured)
        print(f"  {contestant:24} {rates[contestant]:9.0f} entries/s")
    for baseline, goal in ((BASELINE, "0.5"), (FAIL2BAN, "2")):
        ratio = rates[OURS] / rates[baseline]
        print(f"  to {baseline:21} {ratio:9.2f}  (goal: at least {goal})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
