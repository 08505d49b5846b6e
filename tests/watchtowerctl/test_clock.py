"""``check`` compares clocks as well as a ``Date`` in whole seconds allows."""

from datetime import UTC, datetime, timedelta

import pytest

from watchtowerctl.checks import _clock

ASKED = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)


@pytest.mark.parametrize(
    ("date", "verdict", "word"),
    [
        ("Sat, 14 Mar 2026 09:26:53 GMT", "OK", "agrees"),
        ("Sat, 14 Mar 2026 09:26:51 GMT", "OK", "agrees"),
        ("Sat, 14 Mar 2026 09:26:57 GMT", "OK", "agrees"),
        ("Sat, 14 Mar 2026 09:25:23 GMT", "WARN", "90 seconds ahead of"),
        ("Sat, 14 Mar 2026 09:28:25 GMT", "WARN", "90 seconds behind"),
        ("", "WARN", "no usable Date"),
        ("Sat, 14 Mar 2026 09:26:53", "WARN", "no usable Date"),
    ],
)
def test_the_clocks_are_compared(date, verdict, word):
    step = _clock(date, ASKED, ASKED + timedelta(seconds=2))
    assert step.verdict == verdict
    assert word in step.words
