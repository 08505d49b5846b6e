"""The witness: what the hosts' own journals hold of the oracle's attempts, while they hold it."""

import json
import re
from dataclasses import dataclass

from fleet import on

MENTIONS = re.compile(
    r"Accepted publickey for oracle from \S+ port \d+ ssh2: \S+ \S+ ID (?P<login>oracle-\d{6}) "
    r"|Invalid user (?P<failure>oracle-\d{6}) from "
)
# Everything that sshd said, in whichever file it is by now.
READ = (
    "journalctl --output=json --all --quiet --identifier=sshd --identifier=sshd-session"
    " --output-fields=MESSAGE,_SOURCE_REALTIME_TIMESTAMP,_EXE,_SYSTEMD_UNIT"
    " | grep oracle- || true"
)


@dataclass(frozen=True)
class Entry:
    """A journal entry: when it was written and when journald took it, microseconds since 1970.

    ``signed`` tells whether journald could still look up who had written it. It cannot when the
    writer has ended by the time journald comes to it, as that of a failure may have.
    """

    happened: int
    received: int
    signed: bool


class Witness:
    """Remembers the entries of each attempt, by its name."""

    def __init__(self):
        self.entries = {}

    def look(self, host, then="true"):
        """Note what a host's journal holds, and at once do something to it, in the shell."""
        for line in on(host, f"{READ}; {then} >/dev/null 2>&1").splitlines():
            fields = json.loads(line)
            match = MENTIONS.match(str(fields["MESSAGE"]))
            if match:
                received = int(fields["__REALTIME_TIMESTAMP"])
                happened = int(fields.get("_SOURCE_REALTIME_TIMESTAMP", received))
                signed = "_EXE" in fields or "_SYSTEMD_UNIT" in fields
                name = match["login"] or match["failure"]
                self.entries.setdefault(name, set()).add(Entry(happened, received, signed))

    def entry_of(self, name):
        """Return the one entry of an attempt, or None if it was never seen."""
        entries = self.entries.get(name, set())
        assert len(entries) <= 1, f"{name} is in the journal more than once: {entries}"
        return next(iter(entries), None)
