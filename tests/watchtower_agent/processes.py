"""The agent, or a part of it, as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import watchtower_agent

SOURCE = str(Path(watchtower_agent.__file__).parents[1])
TOKEN = "s3cret-token-" + "x" * 32
# As __main__ does, but on a journal of our own.
_PROGRAM = """
import os, sys
from watchtower_agent.log import set_up_logging
from watchtower_agent.run import run
from watchtower_agent.settings import read_settings
set_up_logging()
sys.exit(run(read_settings(os.environ), sys.argv[1:]))
"""
# What is tried again, is tried again at once.
IMPATIENT = """
import watchtower_agent.backoff as backoff, watchtower_agent.reader as reader
import watchtower_agent.send as send
backoff.CAP_SECONDS = reader._RETRY_SECONDS = send._SPOOL_RETRY_SECONDS = 0.5
"""


class Agents:
    """Agents that read journals of ours and report to the stand-in of a collector."""

    def __init__(self, stand_in, ca_file):
        self._processes = []
        self._environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": SOURCE,
            "WATCHTOWER_COLLECTOR_URL": stand_in.url,
            "WATCHTOWER_AGENT_TOKEN": TOKEN,
            "WATCHTOWER_CA_FILE": str(ca_file),
            "WATCHTOWER_BACKFILL_HOURS": "8760",
        }

    def start(self, state, source, before="", stderr=None, **environment):
        """Start one, with its state in a folder, after some program text; return the process."""
        process = subprocess.Popen(
            [sys.executable, "-c", before + _PROGRAM, *source],
            env={**self._environment, "STATE_DIRECTORY": str(state), **environment},
            stderr=stderr,
            text=True,
        )
        self._processes.append(process)
        return process

    def end(self):
        """End them all."""
        for process in self._processes:
            process.kill()
            process.wait()
            if process.stderr is not None:
                process.stderr.close()
