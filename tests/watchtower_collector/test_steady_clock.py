"""A clock that was just set is not believed."""

import logging

import pytest

from watchtower_collector.steady_clock import STEADY_SECONDS, SteadyClock

YEAR = 365 * 86_400.0


class Clocks:
    """The two clocks of a machine that booted at some moment."""

    def __init__(self):
        self.time_of_day = 1_800_000_000.0
        self.since_boot = 20.0

    def pass_by(self, seconds):
        self.time_of_day += seconds
        self.since_boot += seconds


@pytest.fixture
def clocks():
    return Clocks()


@pytest.fixture
def steady(clocks):
    return SteadyClock(lambda: clocks.time_of_day, lambda: clocks.since_boot)


def test_it_is_believed_after_an_hour(clocks, steady):
    assert not steady.is_steady()
    clocks.pass_by(STEADY_SECONDS - 1)
    assert not steady.is_steady()
    clocks.pass_by(1)
    assert steady.is_steady()


@pytest.mark.parametrize(("step", "direction"), [(20 * YEAR, "forward"), (-61, "back")])
def test_a_step_is_told_and_waited_out(clocks, steady, caplog, step, direction):
    clocks.pass_by(STEADY_SECONDS)
    assert steady.is_steady()
    clocks.time_of_day += step
    with caplog.at_level(logging.WARNING):
        assert not steady.is_steady()
    assert f"was set {direction} by {abs(step):.0f} s" in caplog.text
    caplog.clear()
    clocks.pass_by(STEADY_SECONDS)
    assert steady.is_steady()
    assert not caplog.text, "once for each step"


def test_what_ntp_corrects_is_no_step(clocks, steady):
    for _ in range(100):
        clocks.pass_by(STEADY_SECONDS / 100)
        clocks.time_of_day += 0.5
        steady.is_steady()
    assert steady.is_steady()


def test_the_clocks_of_this_machine_are_read():
    assert not SteadyClock().is_steady()
