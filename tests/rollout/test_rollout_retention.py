"""Whose artifacts stay: what serves or may serve, what may come back without steps, and the newest besides."""

from __future__ import annotations

from dataclasses import replace

from rollout_world import Drive, policy, promoted

from tidegate.rollout.retention import kept

VERSIONS = [f"{number}.0.0" for number in range(1, 9)]


def versions(drive: Drive, **fields: object) -> list[str]:
    wanted = policy(**({"retire": {"after": "1h", "keep": 1}, "rollback": {"window": 2}} | fields))
    return sorted(release.version for release in kept(drive.state, wanted))


def test_without_retire_everything_that_was_promoted_stays() -> None:
    drive = promoted(*VERSIONS)
    assert sorted(one.version for one in kept(drive.state, policy())) == VERSIONS
    assert sorted(one.version for one in kept(drive.state, None)) == VERSIONS, (
        "a wish that cannot be read retires nobody"
    )


def test_what_may_come_back_without_steps_stays_and_so_do_the_newest_that_the_policy_keeps() -> None:
    drive = promoted(*VERSIONS)
    assert versions(drive) == ["6.0.0", "7.0.0", "8.0.0"]
    assert versions(drive, retire={"after": "1h", "keep": 4}) == VERSIONS[3:]


def test_what_serves_or_may_serve_stays_whatever_the_policy_says() -> None:
    drive = promoted(*VERSIONS)
    stable = drive.state.stable
    assert stable is not None
    old = drive.state.promoted[-1]
    drive.state = replace(drive.state, standby=(replace(drive.state.standby[0], release=old),))
    drive.declare("9.0.0")
    found = versions(drive, rollback={"window": 0}, retire={"after": "1h", "keep": 0})
    assert found == ["1.0.0", "8.0.0", "9.0.0"]
