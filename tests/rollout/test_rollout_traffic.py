"""Who answers what share: weights, segments, holdbacks; what has to run and what may stop."""

from __future__ import annotations

import pytest
from rollout_world import Drive, policy, promoted, release

from tidegate.rollout.state import Phase, Readiness, RouteState
from tidegate.rollout.table import TRANSITIONS, check
from tidegate.rollout.traffic import WHOLE, Traffic, hot, may_stop, traffic
from tidegate.spec.errors import InternalError


def on_step(**step: object) -> Drive:
    """2.0.0 in its first step."""
    drive = promoted("1.0.0", steps=[{"name": "one", "for": "60s"} | step])
    drive.declare("2.0.0")
    return drive


def split(drive: Drive, segment: str | None = None) -> list[int]:
    return [arm.weight if segment is None else arm.segments.get(segment, arm.weight) for arm in drive.traffic.arms]


def test_a_step_of_segments_sends_those_wholly_and_nobody_else() -> None:
    drive = on_step(segments=["internal"])
    assert split(drive, "internal") == [0, WHOLE]
    assert split(drive) == [WHOLE, 0]
    assert split(drive, "eu") == [WHOLE, 0]


def test_segments_and_a_weight_compose() -> None:
    drive = on_step(segments=["internal", "eu"], weight="5%")
    assert split(drive, "internal") == [0, WHOLE]
    assert split(drive, "eu") == [0, WHOLE]
    assert split(drive) == [950_000, 50_000]


def test_a_holdback_keeps_a_concurrent_baseline_at_the_end() -> None:
    drive = on_step(weight="100%", segments=["internal"], holdback="1%")
    assert split(drive) == [10_000, 990_000]
    assert split(drive, "internal") == [10_000, 990_000]


def test_a_holdback_takes_nothing_from_a_smaller_share() -> None:
    assert split(on_step(weight="50%", holdback="1%")) == [500_000, 500_000]


@pytest.mark.parametrize(
    ("share", "millionths"), [("0.1%", 1_000), ("33.3333%", 333_333), ("66.66667%", 666_667), ("99.99996%", WHOLE)]
)
def test_odd_shares_are_rounded_and_sum_to_the_whole(share: str, millionths: int) -> None:
    assert split(on_step(weight=share)) == [WHOLE - millionths, millionths]


def test_a_validated_candidate_and_a_hot_standby_are_there_at_weight_zero_before_they_are_needed() -> None:
    drive = promoted("1.0.0", "2.0.0")
    drive.policy = policy(steps=[{"name": "one", "weight": "50%", "approve": "manual"}])
    drive.declare("3.0.0")
    assert {arm.role: arm.weight for arm in drive.traffic.arms} == {"stable": WHOLE, "candidate": 0, "standby": 0}


def test_a_route_that_has_promoted_nothing_has_no_arms() -> None:
    assert traffic(RouteState("digits"), {}) == Traffic()


def test_a_route_is_in_motion_while_a_validated_candidate_is_there() -> None:
    drive = promoted("1.0.0")
    assert not drive.traffic.moving
    drive.declare("2.0.0")
    assert drive.traffic.moving


def test_shares_are_told_by_release_and_segment() -> None:
    drive = on_step(segments=["internal"], weight="5%")
    digest = release("2.0.0").digest
    assert drive.traffic.share(digest) == 0.05
    assert drive.traffic.share(digest, "internal") == 1.0
    assert drive.traffic.share(digest, "eu") == 0.05
    assert drive.traffic.share("unknown") == 0.0


def test_what_is_stable_on_trial_or_standby_has_to_run_and_the_rest_may_stop() -> None:
    drive = promoted("1.0.0", "2.0.0")
    drive.unwell("3.0.0", Readiness.COLD)
    drive.declare("3.0.0")
    needed = {release(version).workload for version in ("1.0.0", "2.0.0", "3.0.0")}
    assert hot(drive.state) == needed
    other = promoted("2.0.0")
    assert may_stop([other.state], needed | {"another"}) == needed - {release("2.0.0").workload} | {"another"}
    assert may_stop([other.state, drive.state], needed) == frozenset()


def test_an_end_has_no_way_out() -> None:
    for end in (Phase.PROMOTED, Phase.ROLLED_BACK, Phase.SUPERSEDED):
        with pytest.raises(InternalError, match="cannot go from"):
            check("digits", end, Phase.SHIFTING)


def test_every_phase_has_its_row_and_traffic_comes_only_after_validation() -> None:
    assert set(TRANSITIONS) == set(Phase)
    assert Phase.SHIFTING not in TRANSITIONS[Phase.PREPARING]
