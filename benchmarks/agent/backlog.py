"""How fast the agent works off a backlog, from the journal into the spool.

Prints ratios of rates against two baselines, measured in the same run, turn by turn:
journalctl alone printing the same entries, and fail2ban-regex reading the same lines as text.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from journal_file import make_journal

from watchtower_agent.entry import ENTRY_FIELDS, JournalEntry
from watchtower_agent.journal import Journal
from watchtower_agent.parse import Parser
from watchtower_agent.reader import JournalReader
from watchtower_agent.spool import Spool
from watchtower_agent.wakeup import Wakeup

BACKFILL_HOURS = 24 * 365 * 10
FAIL2BAN_FILTER = "etc/fail2ban/filter.d/sshd.conf"


def journalctl(journal: Path, *arguments: str) -> list[str]:
    """Return the command that prints what the agent asks for."""
    fields = ",".join(ENTRY_FIELDS)
    return [
        "journalctl", f"--directory={journal}", "--output=json", "--all", "--quiet",
        f"--output-fields={fields}", *arguments,
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


def unpack_fail2ban(folder: Path) -> Path | None:
    """Unpack Debian's package without installing it: that would start a service."""
    if shutil.which("apt-get") is None:
        return None
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
        lines = subprocess.run(
            journalctl(journal), check=True, capture_output=True
        ).stdout.splitlines()
        parser = Parser()
        contestants = {
            "journalctl alone": lambda: subprocess.run(
                journalctl(journal), check=True, stdout=subprocess.DEVNULL
            ),
            "agent, journal to spool": lambda: agent(journal, chosen.entries),
            "agent, parse alone": lambda: [
                parser.parse(JournalEntry.from_json(line)) for line in lines
            ],
            "fail2ban-regex": lambda: fail2ban(root, log, chosen.entries),
        }
        seconds = {contestant: [] for contestant in contestants}
        for _ in range(chosen.rounds):
            for contestant, action in contestants.items():
                seconds[contestant].append(seconds_of(action))
        count = len(lines)
    print(f"{count} entries, median of {chosen.rounds} rounds")
    rates = {}
    for contestant, measured in seconds.items():
        rates[contestant] = count / statistics.median(measured)
        print(f"  {contestant:24} {rates[contestant]:9.0f} entries/s")
    ours = rates["agent, journal to spool"]
    print(
        f"  to journalctl alone      {ours / rates['journalctl alone']:9.2f}  (goal: at least 0.5)"
    )
    print(f"  to fail2ban-regex        {ours / rates['fail2ban-regex']:9.2f}  (goal: at least 2)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
