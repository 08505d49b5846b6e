"""What pytest has to know: where the other files are, and the seed, which is always shown."""

import os
import secrets
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

# To go through the same faults in the same order: CHAOS_SEED=… molecule test --scenario-name chaos
SEED = os.environ.get("CHAOS_SEED") or secrets.token_hex(4)


SAID = []


def pytest_report_header():
    return f"chaos: CHAOS_SEED={SEED}"


def pytest_terminal_summary(terminalreporter):
    for line in SAID:
        terminalreporter.write_line(f"chaos: {line}")


@pytest.fixture(scope="session")
def say():
    """Return what takes a line to be shown at the end, whether the tests pass or not."""
    return SAID.append


@pytest.fixture(scope="session")
def seed():
    """Return what the order of the faults and their lengths are drawn from."""
    return SEED
