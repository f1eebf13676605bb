"""A validation that cannot be done holds, rejects nobody and lets nobody through; DESIGN principle 5."""

from __future__ import annotations

from rollout_world import Drive, promoted

from tidegate.rollout.state import Hold

NO_SET = "set: wrong digest; fix: put the declared file there again"


def told(drive: Drive) -> dict[str, str]:
    assert drive.state.candidate is not None
    return {drive.state.candidate.release.digest: NO_SET}


def test_a_candidate_that_cannot_be_measured_holds_without_traffic_for_as_long_as_it_takes() -> None:
    drive = promoted("1.0.0")
    drive.unvalidated.add(release_of(drive, "2.0.0"))
    drive.look(unproven=told(drive))
    candidate = drive.state.candidate
    assert candidate is not None
    assert candidate.hold is Hold.VALIDATION
    assert candidate.hold_reason == f"{candidate.release.label} cannot be validated: {NO_SET}"
    for _ in range(50):
        drive.pass_time(3600.0)
        assert drive.look(unproven=told(drive)) == []
    assert drive.weights == {"1.0.0": 100.0}
    assert drive.state.rejected == ()


def test_it_goes_on_once_it_can_be_measured_and_a_failed_one_is_rejected_out_of_the_hold() -> None:
    for answer, then in (("", ["resumed 2.0.0", "step 2.0.0"]), ("accuracy 0.9 is below 0.95", ["rolled_back 2.0.0"])):
        drive = promoted("1.0.0")
        digest = release_of(drive, "2.0.0")
        drive.unvalidated.add(digest)
        drive.look(unproven=told(drive))
        drive.pass_time(60.0)
        assert drive.kinds(drive.look(validation={digest: answer})) == then


def test_a_first_release_is_not_promoted_unmeasured() -> None:
    drive = Drive()
    digest = release_of(drive, "1.0.0")
    drive.unvalidated.add(digest)
    drive.look(unproven=told(drive))
    assert drive.state.stable is None
    assert drive.state.candidate is not None
    assert drive.state.candidate.hold is Hold.VALIDATION
    assert drive.kinds(drive.look(validation={digest: ""})) == ["promoted 1.0.0"]
    assert drive.state.stable is not None


def release_of(drive: Drive, version: str) -> str:
    """Ask for a version whose validation has no answer yet; its digest."""
    from rollout_world import release

    digest = release(version).digest
    drive.unvalidated.add(digest)
    drive.declare(version)
    return digest
