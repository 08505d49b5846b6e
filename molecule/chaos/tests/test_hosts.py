"""The hosts of the tests: none is disturbed while others are started."""

import errno
import os
import subprocess
import time

from fleet import REPOSITORY, STATE, ssh, wait_for
from troubles import FLEET

HOST = "agent-12:bookworm"
SECONDS = 5


def writer_to(process, fifo):
    """Open a fifo as soon as a process reads it, and not at all if that ends before."""

    def opened():
        assert process.poll() is None, f"it ended with {process.returncode}"
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return None

    descriptor = wait_for("the way to the key", opened)
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "w")


def test_a_host_that_is_up_lets_people_in_while_hosts_are_started(tmp_path):
    """`testhosts up` gives each host the operator's key: this one waits for the end of it."""
    name = HOST.partition(":")[0]
    # A folder of its own: the ssh_config that it makes there is of this host alone.
    (tmp_path / "id_ed25519").touch()
    slow_key = tmp_path / "id_ed25519.pub"
    os.mkfifo(slow_key)
    argv = [REPOSITORY / "molecule/shared/testhosts", "up", FLEET, str(tmp_path), HOST]
    with subprocess.Popen(argv) as up, writer_to(up, slow_key) as pipe:
        refused = []
        end = time.monotonic() + SECONDS
        try:
            while time.monotonic() < end:
                result = ssh(name, "sudo -n true")
                refused += [result.stderr] * (result.returncode != 0)
        finally:
            # Whatever was seen, the host gets its key.
            pipe.write((STATE / "id_ed25519.pub").read_text())
    assert up.returncode == 0
    assert not refused, refused[0]
