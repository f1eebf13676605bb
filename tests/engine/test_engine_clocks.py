"""A controller that sleeps, works for long, or whose host's time of day is set: what of it a pass is told."""

from __future__ import annotations

import pytest

from tidegate.engine.clocks import ABSENT, LONGEST_PASS, SET_BACK, Clocks


class Host:
    """A host whose two clocks a test moves."""

    def __init__(self, last: float = 0.0) -> None:
        self.day, self.uptime = 1_000_000.0, 500.0
        self.clocks = Clocks(lambda: self.day, lambda: self.uptime, last)

    def passes(self, seconds: float) -> None:
        """Time goes by."""
        self.day += seconds
        self.uptime += seconds


def test_passes_that_follow_each_other_tell_nothing():
    host = Host()
    for _ in range(100):
        assert host.clocks.begin() == (0.0, 0.0)
        host.passes(0.3)
        host.clocks.end()
        host.passes(1.0)
    assert host.clocks.awake_since == 1_000_000.0


def test_who_slept_between_two_passes_was_away_and_is_awake_since_now():
    host = Host()
    host.clocks.begin()
    host.clocks.end()
    host.passes(ABSENT + 0.1)
    assert host.clocks.begin() == (pytest.approx(ABSENT + 0.1), 0.0)
    assert host.clocks.awake_since == host.day


@pytest.mark.parametrize(("seconds", "absent"), [(LONGEST_PASS - 1, False), (LONGEST_PASS + 1, True)])
def test_a_long_pass_is_no_absence_and_a_very_long_one_is(seconds: float, absent: bool):
    host = Host()
    host.clocks.begin()
    host.passes(seconds)
    host.clocks.end()
    assert host.clocks.begin() == (pytest.approx(seconds) if absent else 0.0, 0.0)


def test_a_time_of_day_that_is_set_back_is_told_once_by_how_much_and_moves_the_moment_of_waking_along():
    host = Host()
    host.clocks.begin()
    host.passes(1.0)
    host.day -= 3600.0
    assert host.clocks.begin() == (0.0, pytest.approx(3600.0))
    assert host.clocks.awake_since == pytest.approx(1_000_000.0 - 3600.0)
    host.passes(1.0)
    assert host.clocks.begin() == (0.0, 0.0)


def test_a_clock_that_is_slewed_or_set_forward_moves_nothing():
    host = Host()
    for step in (-SET_BACK + 0.1, +3600.0):
        host.passes(1.0)
        host.day += step
        assert host.clocks.begin() == (0.0, 0.0)


def test_a_clock_set_back_in_a_sleep_counts_the_moment_of_waking_on_the_new_time_of_day():
    host = Host()
    host.clocks.begin()
    host.passes(60.0)
    host.day -= 3600.0
    assert host.clocks.begin() == (pytest.approx(60.0), pytest.approx(3600.0))
    assert host.clocks.awake_since == host.day


def test_a_clock_set_back_while_no_controller_ran_is_told_by_the_first_pass():
    host = Host(last=1_000_000.0 + 7200.0)
    assert host.clocks.begin() == (0.0, pytest.approx(7200.0))
    assert host.clocks.awake_since == pytest.approx(1_000_000.0)
    assert host.clocks.begin() == (0.0, 0.0)
