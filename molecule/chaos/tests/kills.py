"""The killers of the agents, one on each host, and how many they killed."""

from contextlib import contextmanager
from pathlib import Path

from fleet import on

PROGRAM = Path(__file__).with_name("killer.py")
INSTALLED = "/usr/local/sbin/chaos-killer"
LEDGER = "/var/log/chaos-kills"
UNIT = "chaos-killer.service"


class Killers:
    """Starts and stops the killer of each host."""

    def __init__(self, hosts, seed):
        self._seed = seed
        self._rounds = dict.fromkeys(hosts, 0)
        for host in hosts:
            on(host, f"cat >{INSTALLED}; : >{LEDGER}", PROGRAM.read_text())

    def start(self, host):
        """Let a host's agent be killed from now on."""
        self._rounds[host] += 1
        seed = f"{self._seed}-{host}-{self._rounds[host]}"
        on(
            host,
            f"systemd-run --quiet --collect --unit={UNIT} "
            f"/usr/bin/python3 {INSTALLED} {seed} {LEDGER}",
        )

    def stop(self, host):
        """Let a host's agent live, and be up."""
        on(host, f"systemctl stop {UNIT} 2>/dev/null || true; systemctl restart watchtower-agent")

    @contextmanager
    def spare(self, host):
        """Let a host's agent live for the time of the block."""
        self.stop(host)
        try:
            yield
        finally:
            self.start(host)

    def count(self):
        """Return how many kills there were on each host."""
        return {host: int(on(host, f"wc -l <{LEDGER}")) for host in self._rounds}
