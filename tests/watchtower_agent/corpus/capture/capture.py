#!/usr/bin/env python3
"""Capture what real sshd writes to the journal: the files ../sshd/captured-*.jsonl.

    capture.py VERSION=PID ...

VERSION is the host's OpenSSH (8.4), PID the first process of the host's container on this machine.
README.md beside this file says how to get both. Needs root, ssh-keygen, openssl and nsenter.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import situations_connections as connections
import situations_logins as logins
import situations_names as names
import situations_rules as rules
from cast import Cast
from configuration import version_of
from furniture import furnish
from host import Host
from stage import Stage

CORPUS = Path(__file__).parent.parent / "sshd"
# In this order: what starts sshd anew comes last.
SITUATIONS = (
    logins.passwords,
    logins.odd_accounts,
    logins.questions,
    logins.several_factors,
    logins.keys,
    logins.certificates,
    logins.principals,
    logins.trusted_hosts,
    names.hostile_names,
    names.changed_names,
    connections.endings,
    connections.banners,
    connections.offers,
    connections.broken_packets,
    connections.wrong_requests,
    rules.refused_users,
    rules.crashes,
    rules.tcp_wrappers,
    rules.life,
    rules.without_pam,
    rules.host_names,
    rules.old_fingerprints,
    rules.time_limits,
    rules.floods,
    rules.penalties,
)
PENALTIES_SINCE = (9, 8)


def main(arguments: list[str]) -> int:
    """Start one process for each host, inside the host's network; wait for all."""
    if not arguments:
        sys.stderr.write(f"{__doc__}\n")
        return 64
    if arguments[0] == "--inside":
        return capture(arguments[1], int(arguments[2]))
    running = []
    for version, _, pid in (argument.partition("=") for argument in arguments):
        enter = ["nsenter", "--target", pid, "--net", "--", sys.executable, __file__]
        running.append(subprocess.Popen([*enter, "--inside", version, pid]))
    return max(process.wait() for process in running)


def capture(version: str, pid: int) -> int:
    """Run every situation on one host and write what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        cast = Cast.make(Path(folder))
        stage = Stage(Host(pid), version, cast)
        furnish(stage.host, cast)
        stage.start()
        for situations in SITUATIONS:
            if situations is rules.penalties and version_of(version) < PENALTIES_SINCE:
                continue
            situations(stage)
    path = CORPUS / f"captured-{version}.jsonl"
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in stage.records]
    path.write_text("".join(lines), encoding="utf-8")
    sys.stderr.write(f"{path}: {len(lines)} lines\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
