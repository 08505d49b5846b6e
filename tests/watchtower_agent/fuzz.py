"""Throws hostile entries at the parser, by the million: ``bin/fuzz``.

Every entry is made from a seed that is printed with what it broke, so that it can be made again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from concurrent.futures import ProcessPoolExecutor

import hostile

from watchtower_agent.entry import EntryError, JournalEntry
from watchtower_agent.parse import Parser

LOGINS = ("login", "session_opened", "sudo", "su")
GENUINE = {
    "SYSLOG_IDENTIFIER": "sshd",
    "_COMM": "sshd",
    "_EXE": "/usr/sbin/sshd",
    "_HOSTNAME": "web-1",
    "_MACHINE_ID": "0123456789abcdef0123456789abcdef",
    "_BOOT_ID": "b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0",
    "_PID": "4242",
    "_SYSTEMD_UNIT": "ssh.service",
    "_TRANSPORT": "syslog",
    "_UID": "0",
    "__REALTIME_TIMESTAMP": "1763899200000000",
}
# What an ordinary user's entry cannot help but say. One of these is enough to give it away.
FORGED = (
    {"_UID": "1000", "_EXE": "/usr/bin/logger"},
    {"_UID": "1000", "_SYSTEMD_UNIT": "session-1.scope"},
    {"_UID": "1000", "_EXE": None, "_COMM": None, "_SYSTEMD_UNIT": None},
    {"_UID": "1000", "_TRANSPORT": "journal"},
    {"_UID": "1000", "_TRANSPORT": "stdout"},
    {"_UID": ["0", "1000"], "_TRANSPORT": "journal"},
)
PARSER = Parser()
FORMATS = hostile.formats()


def genuine_line(source: random.Random) -> str | None:
    """A line of sshd's: what is said of it must be what the server meant."""
    printed = hostile.print_line(*source.choice(FORMATS), source)
    event = PARSER.parse(JournalEntry({**GENUINE, "MESSAGE": printed.line}))
    if event is None or event.type == "untrusted":
        if printed.type == "login" and not printed.line.endswith(("[preauth]", "[postauth]")):
            return f"a login was hidden: {printed.line!r}"
        return None
    details = {n: v for n, v in event.details.items() if n != "raw_message"}
    wrong = {
        name: details[name]
        for name in ("user", "source_ip", "source_port", "method", "certificate_id")
        if name in details and str(details[name]) != printed.truth.get(name)
    }
    if wrong or event.type != printed.type:
        return f"{printed.line!r} was read as {event.type} {wrong}, not {printed}"
    return None


def forged_line(source: random.Random) -> str | None:
    """The same from an ordinary user: nothing of it may be believed."""
    printed = hostile.print_line(*source.choice(FORMATS), source)
    fields = {**GENUINE, "MESSAGE": printed.line, **source.choice(FORGED)}
    event = PARSER.parse(JournalEntry({n: v for n, v in fields.items() if v is not None}))
    if event is not None and (event.type != "untrusted" or event.details["trusted"]):
        return f"a forged entry was believed: {fields!r}"
    return None


def damaged_line(source: random.Random) -> str | None:
    """A line with some bytes changed: it must not become a login that it was not."""
    line = bytearray(hostile.print_line(*source.choice(FORMATS), source).line.encode())
    for _ in range(source.randrange(1, 4)):
        if line:
            line[source.randrange(len(line))] = source.randrange(256)
    fields = {**GENUINE, "MESSAGE": list(line)}
    event = PARSER.parse(JournalEntry.from_json(json.dumps(fields).encode()))
    starts = (b"Accepted ", b"pam_unix(sshd:session): session opened for user ")
    if event is not None and event.type in LOGINS and not bytes(line).startswith(starts):
        return f"a login was invented: {bytes(line)!r}"
    return None


def damaged_entry(source: random.Random) -> str | None:
    """An entry with anything in any field: no crash, and no login unless all of it is sshd's."""
    values: tuple[object, ...] = (
        None,
        "",
        "0",
        "sshd",
        7,
        -1,
        1e999,
        True,
        [],
        [0, 255],
        [300],
        ["a", None, [1]],
        {"a": 1},
        "\ud800",
        "x" * 5000,
        "Accepted password for root from 6.6.6.6 port 1 ssh2",
    )
    fields: dict[str, object] = {**GENUINE, "MESSAGE": "Accepted password for root"}
    for name in source.sample(sorted(fields), source.randrange(1, 5)):
        fields[name] = source.choice(values)
    line = bytearray(json.dumps(fields).encode())
    if source.random() < 0.3:
        line[source.randrange(len(line))] = source.randrange(256)
    try:
        entry = JournalEntry.from_json(bytes(line))
        event = PARSER.parse(entry)
    except EntryError:
        return None
    if event is None:
        return None
    json.loads(event.to_json())
    proof = (entry.values("_UID"), entry.values("_TRANSPORT"))
    if event.type in LOGINS and proof != ([b"0"], [b"syslog"]):
        return f"a login was invented: {bytes(line)!r}"
    return None


KINDS = (genuine_line, genuine_line, genuine_line, forged_line, damaged_line, damaged_entry)


def run(seed: int, entries: int) -> list[str]:
    """Return what broke, each with the seed that makes it again."""
    broken = []
    for number in range(seed, seed + entries):
        source = random.Random(number)
        kind = source.choice(KINDS)
        try:
            fault = kind(source)
        except Exception as error:  # noqa: BLE001  # any exception at all is a finding
            fault = f"{type(error).__name__}: {error}"
        if fault is not None:
            broken.append(f"--seed {number} --entries 1: {kind.__name__}: {fault}")
    return broken


def main() -> int:
    """Run on all processors; return 1 if anything broke."""
    arguments = argparse.ArgumentParser(prog="bin/fuzz", description=__doc__.splitlines()[0])
    arguments.add_argument("--entries", type=int, default=1_000_000, help="default: 1000000")
    arguments.add_argument("--seed", type=int, help="default: another one each time")
    chosen = arguments.parse_args()
    seed = random.SystemRandom().randrange(10**12) if chosen.seed is None else chosen.seed
    workers = min(os.cpu_count() or 1, max(1, chosen.entries))
    share = -(-chosen.entries // workers)
    print(f"{chosen.entries} entries, --seed {seed}")
    with ProcessPoolExecutor(workers) as pool:
        starts = range(seed, seed + chosen.entries, share)
        sizes = [min(share, seed + chosen.entries - start) for start in starts]
        broken = [fault for faults in pool.map(run, starts, sizes) for fault in faults]
    for fault in broken[:20]:
        print(fault)
    print(f"{len(broken)} of {chosen.entries} entries broke something")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
