"""What can happen to the collector, its Caddy and the way to it, while events come in."""

import time

from fleet import CA_ROOT, INVENTORY, address, ask, curl, on, playbook, token_of, wait_for

COLLECTOR = "collector"
SERVICE = "watchtower-collector.service"
SOCKET = "watchtower-collector.socket"
CERTIFICATES = "/var/lib/caddy/.local/share/caddy/certificates/local"
AUTHORITY = "/var/lib/caddy/.local/share/caddy/pki/authorities/local"
DATABASE = "/var/lib/watchtower"
# Accepts, and never answers: not even the TLS handshake.
MUTE = """
import socket
listener = socket.create_server(("", 443), backlog=100)
held = []
while True:
    held.append(listener.accept())
"""


def is_well():
    """Tell whether the collector can store events, asked as everybody asks.

    It cannot while Caddy has no certificate yet and breaks off the handshake: curl prints 000.
    """
    asking = (
        f"curl -sS --output /dev/null --write-out '%{{http_code}}' --cacert {CA_ROOT} "
        f"--resolve {COLLECTOR}:443:127.0.0.1 https://{COLLECTOR}/healthz || true"
    )
    return on(COLLECTOR, asking) == "200"


def wait_until_well():
    """Wait until the collector has recovered by itself."""
    wait_for("the collector's recovery", is_well)


def stopped(chaos, chance):
    """Nobody listens behind Caddy."""
    on(COLLECTOR, f"systemctl stop {SERVICE} {SOCKET}")
    time.sleep(chance.uniform(2, 5))
    on(COLLECTOR, f"systemctl start {SOCKET} {SERVICE}")


def killed(chaos, chance):
    """SIGKILL, several times: at any line, during any commit."""
    for _ in range(6):
        on(COLLECTOR, f"systemctl kill --signal=KILL {SERVICE}")
        on(COLLECTOR, f"systemctl restart {SERVICE}")
        time.sleep(chance.uniform(0, 1.5))


def frozen(chaos, chance):
    """Requests are taken and not answered."""
    on(COLLECTOR, f"systemctl kill --signal=STOP {SERVICE}")
    time.sleep(chance.uniform(5, 9))
    on(COLLECTOR, f"systemctl kill --signal=CONT {SERVICE}")


def mute(chaos, chance):
    """Something has Caddy's port that accepts and says nothing."""
    on(
        COLLECTOR,
        "systemctl stop caddy; cat >/run/mute.py; "
        "systemd-run --quiet --collect --unit=mute python3 /run/mute.py",
        MUTE,
    )
    time.sleep(chance.uniform(4, 7))
    on(COLLECTOR, "systemctl stop mute; systemctl start caddy")


def unroutable(chaos, chance):
    """Packets to the agents vanish, also those of connections that are there."""
    addresses = [address(agent) for agent in chaos.agents]
    on(COLLECTOR, "; ".join(f"ip route add blackhole {a}/32" for a in addresses))
    time.sleep(chance.uniform(4, 7))
    on(COLLECTOR, "; ".join(f"ip route del blackhole {a}/32" for a in addresses))


def caddy_restarted(chaos, chance):
    """The public face goes and comes."""
    for _ in range(3):
        on(COLLECTOR, "systemctl restart caddy")
        time.sleep(chance.uniform(0, 1))


def certificate():
    """Return the fingerprint of the certificate that Caddy serves."""
    return on(
        COLLECTOR,
        f"openssl s_client -connect localhost:443 -servername {COLLECTOR} </dev/null 2>/dev/null "
        "| openssl x509 -noout -fingerprint",
    )


def certificate_renewed(chaos, chance):
    """A new certificate of the same CA."""
    before = certificate()
    on(COLLECTOR, f"rm -r {CERTIFICATES}; systemctl reload caddy")
    wait_for("another certificate", lambda: is_well() and certificate() != before)


def roll_out(chaos, *arguments):
    """Run the playbook, which must succeed: agents are not killed while it starts them."""
    for agent in chaos.agents:
        chaos.killers.stop(agent)
    result = playbook("site", *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    for agent in chaos.agents:
        chaos.killers.start(agent)


def authority_replaced(chaos, chance):
    """A CA that no agent trusts, until the playbook brings it to them."""
    before = on(COLLECTOR, f"cat {CA_ROOT}")
    on(COLLECTOR, f"systemctl stop caddy; rm -r {AUTHORITY} {CERTIFICATES}; systemctl start caddy")
    wait_until_well()
    time.sleep(chance.uniform(1, 3))
    roll_out(chaos)
    after = on(COLLECTOR, f"cat {CA_ROOT}")
    assert after != before
    for agent in chaos.agents:
        assert on(agent, "cat /opt/watchtower/agent/ca.crt") == after


def tokens_rotated(chaos, chance):
    """New tokens for all, while events wait; the old ones are refused before agents have them."""
    before = {agent: token_of(agent) for agent in chaos.agents}
    for agent in chaos.agents:
        (INVENTORY / ".watchtower/secrets/agent_tokens" / agent).unlink()
    roll_out(chaos, "-e", "watchtower_agent_token_overlap_days=0")
    changed = [agent for agent, token in before.items() if token_of(agent) != token]
    assert changed == list(before)
    good = ask(COLLECTOR, "/admin/tokens", state="active")
    assert sorted(token["hostname"] for token in good) == sorted(chaos.agents)
    assert not ask(COLLECTOR, "/admin/tokens", state="expiring")


def disk_full(chaos, chance):
    """Room for the files and for a few events; the collector is also started when it is gone."""
    room = chance.randrange(40, 120)
    on(
        COLLECTOR,
        f"systemctl stop {SERVICE} {SOCKET}; cd {DATABASE}; "
        "head --bytes=1G /dev/zero >filler 2>/dev/null || true; "
        f"truncate --size=-{room}K filler; systemctl start {SOCKET} {SERVICE}",
    )
    wait_for("a full disk", lambda: "disk_full" in curl(COLLECTOR, "/healthz")[1])
    on(COLLECTOR, f"systemctl kill --signal=KILL {SERVICE}; systemctl restart {SERVICE} || true")
    time.sleep(chance.uniform(1, 4))
    on(COLLECTOR, f"rm {DATABASE}/filler")
    wait_until_well()
