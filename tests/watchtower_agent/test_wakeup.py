import os
import select
import subprocess
import sys

from processes import SOURCE

# The kernel may hand a process's signal to any of its threads; this one hands it to the wrong one.
SIGNALLED = """
import signal, threading, time
from watchtower_agent.wakeup import Wakeup
stop = Wakeup()
stop.set_on_signals(signal.SIGTERM)
def signal_myself():
    time.sleep(0.5)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    time.sleep(600)
threading.Thread(target=signal_myself, daemon=True).start()
while not stop.wait(600):
    pass
"""


def test_it_stays_set_and_readable(stop):
    assert not stop.is_set()
    assert not stop.wait(0)
    assert select.select([stop], [], [], 0)[0] == []
    for _ in range(100_000):
        stop.set()
    assert stop.is_set()
    assert stop.wait(0)
    assert select.select([stop], [], [], 0)[0] == [stop]


def test_a_signal_ends_a_wait_whichever_thread_gets_it():
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    subprocess.run([sys.executable, "-c", SIGNALLED], env=environment, timeout=30, check=True)
