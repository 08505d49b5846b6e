"""Runs on a host: ends the agent with SIGKILL, again and again, at moments that nobody chose.

killer.py SEED LEDGER. Each kill is a line of the ledger. Needs Python 3.9 and systemd.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

UNIT = "watchtower-agent.service"
# An agent needs about half a second to start: some are killed before they are ready, some while
# they read or send, some while they wait.
LIFE_SECONDS = (0.1, 1.4)
# The others are left to systemd, which starts them again after RestartSec=.
STARTED_AT_ONCE = 0.97


def main_process():
    """Return the agent's process id, 0 if there is none."""
    show = ["systemctl", "show", "--property=MainPID", "--value", UNIT]
    return int(subprocess.run(show, capture_output=True, text=True, check=True).stdout)


def main():
    """Kill until killed."""
    seed, path = sys.argv[1:]
    chance = random.Random(seed)
    with Path(path).open("a", buffering=1) as ledger:
        while True:
            time.sleep(chance.uniform(*LIFE_SECONDS))
            pid = main_process()
            if not pid:
                continue
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            ledger.write(f"{time.time():.6f} {pid}\n")
            if chance.random() < STARTED_AT_ONCE:
                subprocess.run(["systemctl", "restart", "--no-block", UNIT], check=True)


if __name__ == "__main__":
    main()
