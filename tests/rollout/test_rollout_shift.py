"""A clock that was set back: every moment of a state moves along, none is forgotten, and the rollout goes on as before."""

from __future__ import annotations

from dataclasses import fields, replace

from rollout_world import T0, Drive, promoted

from tidegate.rollout.shift import MOMENTS, shifted
from tidegate.rollout.state import Candidate, Standby, Watch

HOUR = 3600.0
OTHERS = {"startup_timeout", "clock", "spent", "room"}
"""Numbers of seconds, or shares, that are no moments."""


def under_way() -> Drive:
    drive = promoted("1.0.0", watch=[{"metric": "error_rate", "max": 0.5}])
    drive.declare("2.0.0")
    drive.serve(30)
    return drive


def test_every_field_that_is_a_moment_is_known_as_one() -> None:
    for kind in (Candidate, Watch, Standby):
        floats = {field.name for field in fields(kind) if "float" in str(field.type)}
        assert floats - OTHERS <= MOMENTS


def test_the_same_rollout_an_hour_earlier_is_the_same_rollout() -> None:
    here, there = under_way(), under_way()
    there.state = shifted(there.state, -HOUR)
    there.now -= HOUR
    for drive in (here, there):
        drive.idle(60)
        drive.serve(200)
    assert [(e.kind, e.version, e.at - T0) for e in here.events] == [
        (e.kind, e.version, e.at - T0 + (HOUR if e.at < T0 else 0.0)) for e in there.events
    ]
    assert shifted(there.state, HOUR).candidate == here.state.candidate
    assert shifted(there.state, HOUR).standby == here.state.standby


def test_without_the_shift_the_rollout_would_stand_still() -> None:
    drive = under_way()
    drive.now -= HOUR
    assert drive.serve(600) == []


def test_what_is_no_moment_stays_none() -> None:
    drive = under_way()
    state = replace(drive.state, absent_since=None)
    candidate = shifted(state, -HOUR).candidate
    assert candidate is not None
    assert (candidate.hold_since, candidate.calm_since, shifted(state, -HOUR).absent_since) == (0.0, None, None)
