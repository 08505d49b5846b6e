"""Makes a journal of a host under attack: the same lines as a journal file and as text."""

from __future__ import annotations

import random
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

JOURNAL_REMOTE = "/lib/systemd/systemd-journal-remote"
MACHINE = "0123456789abcdef0123456789abcdef"
BOOT = "b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0"
NOON = 1_763_899_200_000_000  # 2025-11-23T12:00:00Z in microseconds
FIELDS = {
    "PRIORITY": "6",
    "SYSLOG_FACILITY": "4",
    "SYSLOG_IDENTIFIER": "sshd",
    "_BOOT_ID": BOOT,
    "_CAP_EFFECTIVE": "1ffffffffff",
    "_CMDLINE": "sshd: [accepted]",
    "_COMM": "sshd",
    "_EXE": "/usr/sbin/sshd",
    "_GID": "0",
    "_HOSTNAME": "web-1",
    "_MACHINE_ID": MACHINE,
    "_SYSTEMD_CGROUP": "/system.slice/ssh.service",
    "_SYSTEMD_SLICE": "system.slice",
    "_SYSTEMD_UNIT": "ssh.service",
    "_TRANSPORT": "syslog",
    "_UID": "0",
}
NAMES = ("root", "admin", "test", "oracle", "ubuntu", "git", "postgres", "deploy")
KEY = "ED25519 SHA256:" + "k" * 43


def connection(source: random.Random) -> list[str]:
    """Return what sshd says of one connection: mostly attacks, as on a host in the internet."""
    user = source.choice(NAMES)
    address = f"203.0.113.{source.randrange(256)}"
    peer = f"{address} port {source.randrange(1024, 65536)}"
    pam = f"authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={address}"
    kind = source.random()
    if kind < 0.6:
        return [
            f"Invalid user {user} from {peer}",
            "pam_unix(sshd:auth): check pass; user unknown",
            f"pam_unix(sshd:auth): {pam}",
            f"Failed password for invalid user {user} from {peer} ssh2",
            f"Connection closed by invalid user {user} {peer} [preauth]",
        ]
    if kind < 0.9:
        return [
            f"Failed password for {user} from {peer} ssh2",
            f"Received disconnect from {peer}:11: Bye Bye [preauth]",
            f"Disconnected from authenticating user {user} {peer} [preauth]",
        ]
    return [
        f"Accepted publickey for {user} from {peer} ssh2: {KEY}",
        f"pam_unix(sshd:session): session opened for user {user}(uid=1000) by (uid=0)",
        f"pam_unix(sshd:session): session closed for user {user}",
    ]


def make_journal(folder: Path, entries: int) -> tuple[Path, Path]:
    """Write the journal; return its directory, and a file of the same lines as text."""
    source = random.Random(4711)
    journal = folder / "journal"
    journal.mkdir()
    text = folder / "auth.log"
    export = folder / "entries.export"
    fixed = "".join(f"{name}={value}\n" for name, value in FIELDS.items())
    number = 0
    with export.open("w") as exported, text.open("w") as logged:
        while number < entries:
            pid = source.randrange(1000, 4_000_000)
            for line in connection(source):
                number += 1
                clock = NOON + number * 20_000
                exported.write(
                    f"__REALTIME_TIMESTAMP={clock}\n__MONOTONIC_TIMESTAMP={number * 20_000}\n"
                    f"{fixed}_PID={pid}\n_SOURCE_REALTIME_TIMESTAMP={clock - 7}\n"
                    f"MESSAGE={line}\n\n"
                )
                seconds = (clock - NOON) // 1_000_000
                stamp = f"{12 + seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
                logged.write(f"2025-11-23T{stamp}+00:00 web-1 sshd[{pid}]: {line}\n")
    subprocess.run(
        [JOURNAL_REMOTE, "--output", str(journal / "system.journal"), str(export)],
        check=True,
        capture_output=True,
    )
    export.unlink()
    return journal, text
