"""What can happen to a host that is watched, beside its agent being killed."""

import time
from dataclasses import dataclass

import spool
from fleet import on, ssh, wait_for
from oracle import now
from troubles import power_cut, switched_off

AGENT = "watchtower-agent.service"
# All files but those that are being written to.
VACUUMS = {
    "time": "journalctl --rotate; sleep 1.1; journalctl --vacuum-time=1s",
    "files": "journalctl --rotate; journalctl --vacuum-files=1",
    # More than SystemMaxUse=: journald itself makes room, file by file, the oldest first.
    "overflow": "base64 --wrap=40000 /dev/urandom | head --bytes=60M | systemd-cat -t flood",
}


# How long a line of sshd may wait for a journald that is busy.
UNREAD_MICROSECONDS = 2_000_000


@dataclass(frozen=True)
class Loss:
    """A loss that nothing could prevent, and the logins right before it, in it, and after it."""

    host: str
    before: object
    lost: tuple
    after: object


def wait_until_read(chaos, host):
    """Log in, and wait until the agent has read that; return the login."""
    login = chaos.oracle.login(host)
    wait_for(
        f"the agent of {host} to read {login.name}",
        lambda: spool.look(host)["read_up_to"] >= login.ended,
    )
    return login


def rotated(chaos, host, chance):
    """New journal files, while the old ones are being read."""
    for _ in range(10):
        chaos.witness.look(host, "journalctl --rotate")
        time.sleep(chance.uniform(0, 0.5))


def vacuumed(chaos, host, chance):
    """Journal files are deleted while they are being read."""
    for how in ("files", "time"):
        chaos.witness.look(host, VACUUMS[how])
        time.sleep(chance.uniform(0, 1))


def vacuumed_while_stopped(chaos, host, how):
    """Entries are gone before the agent could read them."""
    with chaos.killers.spare(host):
        with chaos.oracle.silence(host):
            before = wait_until_read(chaos, host)
            # The last that it reads is sudo's word about this very command. Where the journal is
            # persistent, that is in a file of the user's, which is vacuumed at another time.
            on(host, f"sleep 2; systemctl stop {AGENT}")
        lost = tuple(chaos.oracle.login(host) for _ in range(3))
        chaos.witness.look(host, VACUUMS[how])
        after = chaos.oracle.login(host)
        chaos.witness.look(host, f"systemctl start {AGENT}")
    chaos.losses.append(Loss(host, before, lost, after))


def rebooted(chaos, host, trouble):
    """The host goes down and comes again; return from when to when it went.

    In microseconds since 1970.
    """
    chaos.killers.stop(host)
    # What is not in the spool by now may be lost with a volatile journal, and with no other.
    wait_until_read(chaos, host)
    chaos.witness.look(host)
    boot = on(host, "cat /proc/sys/kernel/random/boot_id")
    began = now()
    with trouble(host):
        ended = now()
    assert on(host, "cat /proc/sys/kernel/random/boot_id") != boot
    chaos.killers.start(host)
    return began, ended


def shut_down(chaos, host, chance):
    """In good order."""
    rebooted(chaos, host, switched_off)


def lost_power(chaos, host, chance):
    """From one moment to the next. What sshd said last may not have come to journald by then."""
    began, ended = rebooted(chaos, host, power_cut)
    chaos.oracle.doubt_failures(host, began - UNREAD_MICROSECONDS, ended)


def disk_full(chaos, host, chance):
    """No room to begin with, and then room for the files and not for an event."""
    for room in (0, chance.randrange(40, 80)):
        # Spared until it has complained: on a slow machine it is killed before it comes to that.
        with chaos.killers.spare(host):
            since = on(
                host,
                f"systemctl stop {AGENT}; cd {spool.FOLDER}; "
                "head --bytes=1G /dev/zero >filler 2>/dev/null || true; "
                f"truncate --size=-{room}K filler; date +%s; systemctl start --no-block {AGENT}",
            ).strip()
            wait_for(
                f"the complaint of {host}'s agent with {room} KiB left",
                lambda since=since: "Check that the disk is not full" in said(host, since),
            )
        time.sleep(chance.uniform(1, 5))
        on(host, f"rm {spool.FOLDER}/filler")


def said(host, since):
    """Return what a host's agent said since a time in seconds since 1970."""
    command = f"sudo journalctl --unit={AGENT} --since=@{since} --output=cat --no-pager"
    return ssh(host, command).stdout


def spool_restored(chaos, chance):
    """A snapshot of the host is brought back: what it holds was sent long ago."""
    host = chance.choice(chaos.agents)
    with chaos.locks[host], chaos.killers.spare(host):
        on("collector", "systemctl stop caddy")
        logins = [chaos.oracle.login(host), wait_until_read(chaos, host)]
        on(host, f"systemctl stop {AGENT}; cp -a {spool.FOLDER} /var/lib/snapshot")
        assert all(login.name in waiting(host) for login in logins)
        on("collector", "systemctl start caddy")
        on(host, f"systemctl start {AGENT}")
        wait_for(
            f"{host} to deliver",
            lambda: not any(login.name in waiting(host) for login in logins),
        )
        on(
            host,
            f"systemctl stop {AGENT}; rm {spool.FOLDER}/spool.db*; "
            f"cp -a /var/lib/snapshot/spool.db* {spool.FOLDER}/; rm -r /var/lib/snapshot",
        )
        assert all(login.name in waiting(host) for login in logins)
        chaos.resent.extend(logins)
        on(host, f"systemctl start --no-block {AGENT}")


def waiting(host):
    """Return the text of the events that wait in a host's spool."""
    return "".join(spool.look(host)["events"])
