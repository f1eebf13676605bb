"""Whatever happens in whatever order, some things hold. Random lives of a route, and states through their documents."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from rollout_world import GUARDRAILS, STEPS, Drive, policy, promoted, release

from tidegate.analysis.model import Judgement, Result, Verdict
from tidegate.rollout.capacity import replicas
from tidegate.rollout.machine import advance
from tidegate.rollout.rest import rests_until
from tidegate.rollout.serial import from_doc, policy_from_doc, policy_to_doc, to_doc
from tidegate.rollout.state import Advance, EventKind, Phase, Readiness, Seen
from tidegate.rollout.traffic import WHOLE, declared_share
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.policy import RolloutPolicy

VERSIONS = ["1.0.0", "2.0.0", "3.0.0", "2.0.0-b"]
WEIGHTS_OF = {"2.0.0-b": "2.0.0"}
POLICY = {
    "steps": [STEPS[0], {"name": "insiders", "segments": ["internal"], "weight": "20%", "for": "40s"}, *STEPS[1:]],
    "config_steps": STEPS[1:],
    "no_data": {"for": "5m", "then": "rollback"},
    "rollback": {"window": 1},
    "standby": "10m",
    "watch": [{"metric": "error_rate", "max": 0.2, "min_requests": 50, "immediate": True}],
}


class Life(RuleBasedStateMachine):
    """A route's life: commits, readiness, traffic good and bad, silence, outages, absences."""

    def __init__(self) -> None:
        super().__init__()
        self.drive = Drive(**POLICY)
        self.drive.declare("1.0.0")
        self.drive.look()
        self.walked: list[tuple[str, list[str]]] = []
        self.told = 0

    @rule(version=st.sampled_from(VERSIONS), hold=st.booleans(), replicas=st.sampled_from([1, 1, 4]))
    def a_commit_asks_for(self, version: str, hold: bool, replicas: int) -> None:
        self.drive.declare(version, WEIGHTS_OF.get(version), hold=hold, replicas=replicas)

    @rule()
    @precondition(lambda self: self.drive.wish is not None)
    def a_commit_lets_go(self) -> None:
        self.drive.edit(hold=False)

    @rule()
    def git_is_told(self) -> None:
        """The engine's revert commit, or its note."""
        state = self.drive.state
        for duty in state.duties:
            wish = self.drive.wish
            if duty.kind == "revert" and duty.good and wish and wish.release.digest == duty.release.digest:
                self.drive.commits += 1
                self.drive.wish = replace(wish, release=duty.good, touched=f"commit-{self.drive.commits}")
        self.drive.state = replace(state, duties=())
        self.drive.look()

    @rule()
    def git_cannot_be_read(self) -> None:
        wish, self.drive.wish = self.drive.wish, None
        self.drive.idle(10)
        self.drive.wish = wish

    @rule(version=st.sampled_from(VERSIONS), readiness=st.sampled_from(list(Readiness)))
    def a_workload_changes(self, version: str, readiness: Readiness) -> None:
        self.drive.unready[version] = readiness
        self.drive.look()

    @rule()
    def everything_is_ready(self) -> None:
        self.drive.unready.clear()
        self.drive.look()

    @rule(seconds=st.sampled_from([10, 60, 200]), errors=st.sampled_from([0.01, 0.01, 0.01, 0.5]))
    def there_is_traffic(self, seconds: int, errors: float) -> None:
        self.drive.serve(seconds, requests=1000, errors=(0.01, errors))

    @rule(seconds=st.sampled_from([10, 60, 400]))
    def there_is_silence(self, seconds: int) -> None:
        self.drive.idle(seconds)

    @rule(up=st.booleans())
    def the_source_changes(self, up: bool) -> None:
        self.drive.source_up = up
        self.drive.idle(10)

    @rule(windows=st.integers(1, 12))
    def the_controller_was_away(self, windows: int) -> None:
        missed = []
        for _ in range(windows):
            self.drive.pass_time(10)
            missed.append(self.drive.batch(requests=1000, errors=(0.01, 0.01)))
        self.drive.look(batches=tuple(missed))

    @rule(version=st.sampled_from(VERSIONS))
    def a_validation_is_withheld(self, version: str) -> None:
        self.drive.unvalidated ^= {release(version, WEIGHTS_OF.get(version)).digest}
        self.drive.look()

    @invariant()
    def weights_sum_to_the_whole(self) -> None:
        arms = self.drive.traffic.arms
        if self.drive.state.stable is None:
            assert arms == ()
            return
        assert sum(arm.weight for arm in arms) == WHOLE
        for segment in {name for arm in arms for name in arm.segments}:
            assert sum(arm.segments.get(segment, arm.weight) for arm in arms) == WHOLE
        assert len({arm.release.digest for arm in arms}) == len(arms)

    @invariant()
    def nothing_comes_of_a_pass_over_a_route_at_rest(self) -> None:
        """What the engine leaves out: a settled route at rest, however much later, whatever else is the matter."""
        drive = self.drive
        until = rests_until(drive.state, drive.wish)
        settled = advance(drive.state, Seen(desired=drive.wish, ready=drive.ready), drive.now).state == drive.state
        if until is None or not settled:
            return
        for later in (drive.now + 1.0, min(until - 0.001, drive.now + 1e8)):
            seen = Seen(drive.wish, drive.ready, source_up=False, awake_since=later, read_to=drive.now - 50.0)
            if later > drive.now:
                assert advance(drive.state, seen, later) == Advance(drive.state)

    @invariant()
    def nothing_unready_gets_traffic_while_anything_proven_is_ready(self) -> None:
        ready, state = self.drive.ready, self.drive.state
        proven = [state.stable, *(s.release for s in state.standby)]
        if any(r is not None and ready[r.workload] is Readiness.READY for r in proven):
            for arm in self.drive.traffic.arms:
                given_any = arm.weight or any(arm.segments.values())
                assert not given_any or ready[arm.release.workload] is Readiness.READY

    @invariant()
    def what_was_rejected_gets_nothing_unless_it_is_tried_again(self) -> None:
        state = self.drive.state
        trial = state.candidate.release.digest if state.candidate else None
        allowed = {trial} | {r.digest for r in state.promoted}
        for rejection in state.rejected:
            if rejection.digest not in allowed:
                assert self.drive.traffic.share(rejection.digest) == 0

    @invariant()
    def only_what_is_ready_and_validated_is_in_its_steps(self) -> None:
        candidate = self.drive.state.candidate
        if candidate is not None and candidate.step >= 0:
            assert candidate.validated
            assert candidate.doing in (Phase.SHIFTING, Phase.SHADOW)

    @invariant()
    def no_step_is_skipped_or_repeated(self) -> None:
        for event in self.drive.events[self.told :]:
            if event.kind is EventKind.STARTED:
                self.walked.append((event.release, []))
            if event.kind is EventKind.STEP:
                assert event.step is not None
                started, steps = self.walked[-1]
                assert started == event.release
                steps.append(event.step)
        self.told = len(self.drive.events)
        names = [step.name for step in self.drive.policy.steps], [s.name for s in self.drive.policy.config_steps or ()]
        for _, steps in self.walked:
            assert any(steps == of[: len(steps)] for of in names)

    @invariant()
    def who_has_traffic_has_the_replicas_for_it(self) -> None:
        state = self.drive.state
        needs = replicas(state, None, lambda _: 1)
        assert state.stable is None or needs[state.stable.workload] >= state.replicas
        for standby in state.standby:
            assert needs[standby.release.workload] >= standby.replicas
        trial = state.candidate
        if trial is not None and trial.step >= 0:
            rest, segments = declared_share(trial)
            assert needs[trial.release.workload] >= trial.replicas * (1.0 if segments else rest)

    @invariant()
    def what_is_watched_is_the_stable_release(self) -> None:
        state = self.drive.state
        watch = state.watch
        if watch is not None:
            assert state.stable == watch.release
            assert watch.since <= self.drive.now

    @invariant()
    def holds_are_told_in_turn(self) -> None:
        candidate = self.drive.state.candidate
        if candidate is not None:
            assert (candidate.hold is not None) == (candidate.phase is Phase.HOLDING)
            assert (candidate.resume_phase is not None) == (candidate.phase is Phase.HOLDING)


Life.TestCase.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLife = Life.TestCase


def test_a_step_never_lasts_shorter_than_its_evidence() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    for seconds in (30, 45, 12, 61, 90, 200):
        drive.idle(20)
        began = drive.state.candidate.clock if drive.state.candidate else 0
        step = drive.state.candidate.step if drive.state.candidate else -1
        drive.serve(seconds // 10 * 10)
        if drive.state.candidate is not None and drive.state.candidate.step > step:
            assert began + seconds >= 60


numbers = st.floats(allow_nan=False)
judgements = st.builds(
    Judgement,
    metric=st.text(),
    limit=st.text(),
    result=st.sampled_from(Result),
    observed=st.none() | numbers,
    baseline=st.none() | numbers,
    requests=st.integers(),
    candidate_requests=st.integers(),
    e=st.floats(),
    threshold=numbers,
    excluded=st.booleans(),
    sentence=st.text(),
    needed=st.none() | st.integers(),
)


@given(judgements)
def test_a_verdict_with_infinite_numbers_goes_through_json_unchanged(judgement: Judgement) -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    assert drive.state.candidate is not None
    verdict = Verdict(judgement.result, "so", True, judgement, (judgement,), 3, 2, 1.5)
    state = replace(drive.state, candidate=replace(drive.state.candidate, verdict=verdict))
    back = from_doc(json.loads(json.dumps(to_doc(state), allow_nan=False)))
    assert back.candidate is not None
    assert back.candidate.verdict is not None
    if math.isnan(judgement.e):
        assert math.isnan(back.candidate.verdict.judgements[0].e)
    else:
        assert back == state


shares = st.floats(0.001, 100).map(lambda number: f"{number:.7f}".rstrip("0").rstrip(".") + "%")
seconds = st.integers(1, 10**7).map(lambda number: f"{number / 1000:.3f}s")
steps = st.fixed_dictionaries({"name": st.just("one"), "weight": shares, "for": seconds})


@given(st.lists(steps, min_size=1, max_size=3), st.lists(steps, max_size=2) | st.none(), seconds, shares)
def test_a_policy_goes_through_its_document_to_the_last_digit(
    steps: list[dict[str, str]], config_steps: list[dict[str, str]] | None, duration: str, share: str
) -> None:
    whole = policy(
        steps=steps, config_steps=config_steps, budget={"for": duration, "then": "hold"}, startup_timeout=duration,
        guardrails=[*GUARDRAILS, {"metric": "latency_p95_ms", "max_increase": share, "source": {"prometheus": "up"}}],
        no_data={"then": "hold"}, watch=GUARDRAILS, notify=["env:HOOK"],
    )  # fmt: skip
    back = policy_from_doc(json.loads(json.dumps(policy_to_doc(whole))))
    assert back == whole
    assert back.no_data.model_fields_set == {"then"}


def test_a_policy_from_a_file_stays_one() -> None:
    header = {"api": "tidegate/v1", "kind": "RolloutPolicy", "name": "careful"}
    whole = RolloutPolicy.model_validate({**header, "steps": STEPS})
    assert policy_from_doc(policy_to_doc(whole)) == whole


def test_a_whole_state_goes_through_json_unchanged() -> None:
    drive = promoted("1.0.0", "2.0.0")
    drive.declare("3.0.0", hold=True)
    drive.edit(hold=False)
    drive.serve(70)
    drive.serve(20, requests=2000, errors=(0.01, 0.5))
    drive.declare("4.0.0")
    drive.serve(30)
    assert from_doc(json.loads(json.dumps(to_doc(drive.state), allow_nan=False))) == drive.state


def test_a_document_of_a_newer_format_is_refused_with_what_to_do() -> None:
    doc = to_doc(Drive().state) | {"format": 3}
    with pytest.raises(NeedsPerson, match="route states of format 3, this Tidegate knows 2"):
        from_doc(doc)


def test_a_document_of_format_1_can_be_read() -> None:
    """As written by the first Tidegate: this text never changes."""
    digest, workload = "d" * 64, "e" * 64
    release_doc = (
        f'{{"model": "digits", "version": "1.0.0", "config": null, "digest": "{digest}",'
        f' "workload": "{workload}", "commit": "abc"}}'
    )
    text = (
        f'{{"format": 1, "route": "digits", "stable": {release_doc}, "candidate": null,'
        f' "standby": [{{"release": {release_doc}, "until": 10.5}}], "promoted": [{release_doc}],'
        f' "rejected": [{{"digest": "{digest}", "touched": "abc", "reason": "bad", "at": 1.0}}],'
        f' "duties": [{{"id": "x", "kind": "revert", "release": {release_doc}, "commit": "abc", "reason": "bad",'
        f' "good": null, "mode": "branch"}}], "degraded": null, "skipped": null}}'
    )
    state = from_doc(json.loads(text))
    assert state.stable is not None
    assert (state.stable.digest, state.standby[0].until, state.duties[0].mode) == (digest, 10.5, "branch")
    assert from_doc(json.loads(json.dumps(to_doc(state)))) == state


def test_a_rollout_that_the_first_format_left_goes_on_where_it_was() -> None:
    text = (Path(__file__).parent / "states" / "format-1.json").read_text()
    drive = Drive(from_doc(json.loads(text)))
    candidate = drive.state.candidate
    assert candidate is not None
    assert (candidate.release.version, candidate.step, candidate.clock) == ("4.0.0", 1, 20.0)
    assert candidate.analysis is not None and candidate.verdict is not None
    assert (candidate.room, candidate.replicas, drive.state.replicas, drive.state.watch) == (1.0, 1, 0, None)
    assert [rejection.digest for rejection in drive.state.rejected] == [release("3.0.0").digest]
    drive.now = candidate.hold_since
    drive.batch_id = candidate.last_batch
    for version in ("1.0.0", "2.0.0", "4.0.0"):
        drive.seen_releases[release(version).digest] = release(version)
    drive.policy = candidate.policy
    drive.commits = 100
    drive.declare("4.0.0")
    drive.serve(100)
    assert drive.kinds() == ["resumed 4.0.0", "step 4.0.0", "promoted 4.0.0", "standby_released 1.0.0"]
