"""One host and one client: what the client does, and what the host's journal then has."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from configuration import sshd_config
from expected import Connection, expected, foreign_source
from host import FIELDS
from ssh_client import ALGORITHMS, SshClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cast import Cast
    from host import Host
    from keys import Key

# What differs from run to run, or between two lines that test the same.
_VARYING = re.compile(r"SHA256:[A-Za-z0-9+/]{43}|\bMD5(?::[0-9a-f]{2}){16}|\b\d+\b")


class Stage:
    """Runs situations against one host and collects the lines."""

    def __init__(self, host: Host, version: str, cast: Cast) -> None:
        self.host = host
        self.version = version
        self.cast = cast
        self.records: list[dict] = []
        self._clients: list[tuple[SshClient, str, int, str | None]] = []
        self._seen: set[str] = set()

    def start(self, *lines: str, pam: bool = True) -> None:
        """Start sshd anew, with these lines before all others."""
        self.host.start_sshd(sshd_config(self.version, *lines, pam=pam))

    def link_local(self) -> str:
        """Return this network's link-local address, with its zone."""
        shown = json.loads(self.host.run("ip", "-json", "-6", "address", "show", "scope", "link"))
        interface = next(each for each in shown if each["ifname"] != "lo")
        return f"{interface['addr_info'][0]['local']}%{interface['ifname']}"

    def md5(self, key: Key) -> Key:
        """Return a key as sshd with ``FingerprintHash md5`` calls it."""
        digest = hashlib.md5(key.blob, usedforsecurity=False).hexdigest()
        fingerprint = "MD5:" + ":".join(re.findall("..", digest))
        return replace(key, details={**key.details, "key_fingerprint": fingerprint})

    def crash(self) -> None:
        """Let sshd's process without privileges die of a segmentation fault."""
        self.host.run("pkill", "-SEGV", "--uid", "sshd", "sshd")

    def crash_monitor(self) -> None:
        """Let sshd's process with root's rights, of one connection, die likewise."""
        self.host.run("pkill", "-SEGV", "--uid", "root", "sshd-session")

    def connect(
        self,
        server: str = "127.0.0.1",
        source: str | None = None,
        host: str | None = None,
        algorithms: tuple[bytes, ...] = ALGORITHMS,
        ip_options: bytes = b"",
    ) -> SshClient:
        """Open a connection; ``host`` is the name that sshd will find for it."""
        client = SshClient(server, source, algorithms, ip_options)
        self._clients.append((client, client.source_ip, client.source_port, host))
        return client

    @contextlib.contextmanager
    def situation(self, name: str, *, ambiguous: dict | None = None) -> Iterator[None]:
        """Do something, then record what sshd wrote about it.

        ``ambiguous`` maps the beginning of a line that can be read in two ways to all that both
        readings say.
        """
        self._clients.clear()
        cursor = self.host.cursor()
        with contextlib.suppress(ConnectionError):
            yield
        for client, *_ in self._clients:
            client.close()
        self.host.wait_until_idle()
        connections = [
            Connection(address, port, client.attempts, host)
            for client, address, port, host in self._clients
        ]
        for entry in self.host.entries_after(cursor):
            # journald looks a sender up after it has read the entry; some senders are gone by
            # then. test_trust.py is about such entries.
            if "_COMM" in entry:
                self._record(name, entry, connections, ambiguous or {})

    def _record(
        self, name: str, entry: dict, connections: list[Connection], ambiguous: dict
    ) -> None:
        message = entry["MESSAGE"]
        raw = bytes(message) if isinstance(message, list) else message.encode()
        line = raw.decode("utf-8", "backslashreplace")
        fields = {field: entry[field] for field in FIELDS if field in entry}
        says, known = expected(line, fields, connections)
        for beginning, agreed in ambiguous.items():
            if line.startswith(beginning):
                says = {**agreed, "ambiguous": True}
        if self._is_new(line, fields, says, known):
            self.records.append(
                {
                    "line": line,
                    "from": f"captured from {self.version}: {name}",
                    **({"format": known["format"]} if known else {"source": foreign_source(line)}),
                    "fields": fields,
                    "says": says,
                }
            )

    def _is_new(self, line: str, fields: dict, says: dict | None, known: dict | None) -> bool:
        """Return whether a line tests something that no line before it did.

        Of lines that differ in numbers and keys only, one is enough; of those that make no event,
        and in which a client cannot write much, one of each format and sender.
        """
        repeats = says is None and (known or {}).get("because") != "said again"
        text = (known or {}).get("format") or foreign_source(line) if repeats else line
        sender = (fields["_UID"] == "0", fields.get("_SYSTEMD_UNIT", "").partition("-")[0])
        child = line.endswith((" [preauth]", " [postauth]"))
        same = _VARYING.sub("0", json.dumps([text, sorted(says or {}), sender, child]))
        if same in self._seen:
            return False
        self._seen.add(same)
        return True
