"""Validation asks again when what it asked about has changed, and only then; what is measured is no one's excuse or doom."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support import declare
from support.engine import eventually
from tidegate.engine.catalog import Catalog
from tidegate.engine.staging import Plan
from tidegate.engine.validation import Answer, Validation
from tidegate.engine.workers import Workers, measuring_pool, thread_pools
from tidegate.evaluation.job import Measured
from tidegate.journal.journal import Journal
from tidegate.rollout.state import Candidate, Phase, Rejection, RouteState
from tidegate.runtime.interface import Instance
from tidegate.spec.errors import RetryLater
from tidegate.spec.policy import PolicyFields
from tidegate.spec.release import Release

STRICT, MILD = "a" * 40, "b" * 40
VERSION = declare.version("digits", "2.0.0", "process", None)


class Repository:
    """The files of two commits: in the first the contract asks for more than the version has."""

    def __init__(self) -> None:
        self.reads = 0
        self.down = False

    def blob(self, commit: str, path: str) -> bytes:
        self.reads += 1
        if self.down:
            raise RetryLater("git gave no answer")
        if path.endswith("model.yaml"):
            contract = {"metrics": {"accuracy": {"min": 0.95}}} if commit == STRICT else None
            return declare.model("digits", acceptance=contract).encode()
        figures = {"set_sha256": "1" * 64, "examples": 10, "ran_at": "2026-01-01", "metrics": {"accuracy": 0.9}}
        return (VERSION + declare.flow("x", {"evaluation": figures}).split("kind: x\n")[1]).encode()


def asked(commit: str, **policy: object) -> RouteState:
    release = Release("digits", "2.0.0", None, "d" * 64, "e" * 64, commit)
    fields = PolicyFields.model_validate({"steps": [{"name": "full", "weight": "100%"}], **policy})
    return RouteState("digits", candidate=Candidate(release, commit, Phase.VALIDATING, 0.0, fields))


def asker(repository: Repository) -> Validation:
    """With contracts that name no set, nothing is measured: what would measure is never called."""
    never: Any = None
    return Validation(Catalog(repository.blob), never, never, never, never)


def test_the_same_release_asked_for_under_a_milder_contract_is_judged_by_that_one():
    repository = Repository()
    validation = asker(repository)
    assert "accuracy 0.9 is below 0.95" in validation.answers(asked(STRICT)).judged["d" * 64]
    assert validation.answers(asked(MILD)).judged == {"d" * 64: ""}


def test_an_answer_is_remembered_for_its_question():
    repository = Repository()
    validation = asker(repository)
    state = asked(STRICT)
    first = validation.answers(state)
    reads = repository.reads
    assert validation.answers(state) == first
    assert repository.reads == reads


def test_git_without_an_answer_is_asked_again_and_a_validated_candidate_no_more():
    repository = Repository()
    validation = asker(repository)
    repository.down = True
    assert validation.answers(asked(MILD)).judged == {}
    repository.down = False
    assert validation.answers(asked(MILD)).judged == {"d" * 64: ""}
    state = asked(MILD)
    assert state.candidate is not None
    assert validation.answers(replace(state, candidate=replace(state.candidate, validated=True))).judged == {}


def test_a_catalog_keeps_what_is_hot_alone():
    repository = Repository()
    catalog = Catalog(repository.blob)
    strict, mild = (asked(commit).candidate for commit in (STRICT, MILD))
    assert strict is not None and mild is not None
    assert catalog.entry(strict.release).model.acceptance != catalog.entry(mild.release).model.acceptance
    catalog.keep([mild.release])
    reads = repository.reads
    catalog.entry(mild.release)
    assert repository.reads == reads
    catalog.entry(strict.release)
    assert repository.reads > reads


# -- what a candidate shows itself -------------------------------------------------------------------------------------

SET = {"uri": "file:set.jsonl", "sha256": "1" * 64, "examples": 10}
CONTRACT = {
    "evaluation_set": SET,
    "metrics": {"accuracy": {"min": 0.5}},
    "regression": {"accuracy": {"max_drop": 0.02}},
}


def release(digest: str, commit: str) -> Release:
    return Release("digits", "2.0.0", None, digest * 64, digest * 64, commit)


def trying(digest: str, commit: str, stable: Release | None = None, *rejected: Rejection) -> RouteState:
    fields = PolicyFields.model_validate({"steps": [{"name": "full", "weight": "100%"}]})
    candidate = Candidate(release(digest, commit), commit, Phase.VALIDATING, 0.0, fields, attempt=len(rejected))
    return RouteState("digits", stable=stable, candidate=candidate, rejected=rejected)


class Bench:
    """A validation on a real journal and real threads; servers, their answers and both clocks are the test's."""

    def __init__(self, folder: Path) -> None:
        self.time = 1000.0
        self.journal = Journal(folder / "journal.db", now=lambda: self.time)
        self.figures: dict[str, float | Exception] = {}
        self.measured: list[str] = []
        self.gone: set[str] = set()
        self.go = threading.Event()
        self.go.set()
        self.workers: Any = None
        self.starts()

    def starts(self) -> None:
        """A controller that knows what the journal says, in place of the one before."""
        if self.workers is not None:
            self.workers.close()
        pools = thread_pools(1)
        self.workers = Workers(*pools, lambda: self.time, random.Random(1), lambda: None, measures=measuring_pool(1))
        fleet: Any = self
        staging: Any = self
        self.validation = Validation(Catalog(self.blob), staging, fleet, self.workers, self.journal)

    def blob(self, _commit: str, path: str) -> bytes:
        return (declare.model("digits", acceptance=CONTRACT) if path.endswith("model.yaml") else VERSION).encode()

    def endpoints(self, workload: str) -> list[tuple[str, int]]:
        return [] if workload in self.gone else [("127.0.0.1", 1)]

    def instances(self) -> list[Instance]:
        return [Instance(d, "digits", "2.0.0", d * 64, 0, ("127.0.0.1", 1), True, 0.0, "") for d in "abcdefghijklmnop"]

    def examine(
        self, plan: Plan, release: Release, _entry: Any, _server: Instance, _cancelled: Callable[[], bool], *, gentle: bool
    ) -> dict[str, Any]:  # fmt: skip
        self.go.wait(60)
        self.measured.append(release.digest[0])
        found = self.figures[release.digest[0]]
        if isinstance(found, Exception):
            raise found
        return {
            "version": 1, "key": plan.key, "release": release.digest, "model": "digits", "model_version": "2.0.0",
            "evaluator": "tidegate", "at": self.time, "seconds": 0.1, "requests": None, "refused": None,
            "evaluation": Measured("1" * 64, 10, metrics={"accuracy": found}).to_doc(),
        }  # fmt: skip

    def passes(self, state: RouteState | None) -> Answer:
        """One pass of the loop."""
        for done in self.workers.take():
            assert self.validation.took(done)
        answer = self.validation.answers(state) if state is not None else Answer()
        self.validation.settle()
        return answer

    def answered(self, state: RouteState) -> Answer:
        """The passes until something is said."""

        def said() -> Answer | None:
            answer = self.passes(state)
            return answer if answer != Answer() else None

        return eventually(said)

    def judged(self, state: RouteState) -> str:
        """The passes until the candidate is judged, and how."""
        assert state.candidate is not None
        return self.answered(state).judged[state.candidate.release.digest]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.go.set()
    bench.workers.close()
    bench.journal.close()


def test_a_stable_release_whose_measuring_backs_off_is_waited_for_and_not_left_out(bench: Bench) -> None:
    state = trying("c", MILD, release("a", STRICT))
    bench.figures = {"c": 0.8, "a": RetryLater("the gateway did not start")}
    assert "the stable release cannot be measured" in bench.answered(state).unproven["c" * 64]
    bench.passes(None)  # nobody asks for a pass, and the error is forgotten
    assert [bench.passes(state) for _ in range(3)] == [Answer()] * 3
    assert bench.measured == ["c", "a"]
    bench.figures["a"] = 0.9
    bench.time += 60
    assert "is 0.1 below" in bench.judged(state)


def test_a_stable_release_that_does_not_run_is_not_waited_for(bench: Bench) -> None:
    bench.figures = {"c": 0.8}
    bench.gone = {"a" * 64}
    assert bench.judged(trying("c", MILD, release("a", STRICT))) == ""


def test_many_candidates_that_are_measured_keep_no_server_from_being_started(bench: Bench) -> None:
    bench.go.clear()
    bench.figures = dict.fromkeys("cdefghij", 0.9)
    states = [trying(digest, MILD) for digest in bench.figures]
    assert [bench.validation.answers(state) for state in states] == [Answer()] * 8
    assert bench.workers.submit("start", lambda: "up", slow=True)
    assert eventually(bench.workers.take)[0].value == "up"


def test_what_nobody_waits_for_any_more_is_not_begun_when_its_turn_comes(bench: Bench) -> None:
    bench.go.clear()
    bench.figures = {"c": 0.9, "d": 0.9}
    assert [bench.validation.answers(trying(digest, MILD)) for digest in "cd"] == [Answer()] * 2
    bench.validation.settle()
    bench.passes(None)
    bench.go.set()
    ended = list[object]()
    eventually(lambda: ended.extend(done.value is None for done in bench.workers.take()) or len(ended) == 2)
    assert (bench.measured, ended) == (["c"], [False, True])


def test_a_rejected_release_that_is_asked_for_again_is_measured_anew_and_once(bench: Bench) -> None:
    bench.figures = {"c": 0.1}
    assert "accuracy 0.1 is below 0.5" in bench.judged(trying("c", STRICT))
    rejection = Rejection("c" * 64, STRICT, "too low", bench.time)
    bench.time += 60
    bench.figures = {"c": 0.9}
    again = trying("c", MILD, None, rejection)
    assert bench.judged(again) == ""
    [report] = bench.journal.reports().values()
    assert (report["at"], report["evaluation"]["metrics"]) == (bench.time, {"accuracy": 0.9})
    bench.starts()
    assert [bench.passes(again).judged for _ in range(3)] == [{"c" * 64: ""}] * 3
    assert bench.measured == ["c", "c"]


@pytest.mark.parametrize("back", [0.0, 30.0])
def test_a_clock_that_was_set_back_since_the_rejection_has_a_retry_measured_once(bench: Bench, back: float) -> None:
    bench.figures = {"c": 0.1}
    bench.judged(trying("c", STRICT))
    # The report's moment is that of a thread, the rejection's that of the pass, which began before.
    first = Rejection("c" * 64, STRICT, "too low", bench.time - 0.01)
    bench.time -= back
    again = trying("c", MILD, None, first)
    assert "accuracy 0.1" in bench.judged(again)
    assert "accuracy 0.1" in bench.passes(again).judged["c" * 64]
    assert bench.measured == ["c", "c"]
    bench.figures = {"c": 0.9}
    second = Rejection("c" * 64, MILD, "too low", bench.time - 0.01)
    assert bench.judged(trying("c", "c" * 40, None, first, second)) == ""
    assert bench.measured == ["c", "c", "c"]


def test_a_report_of_an_earlier_tidegate_counts_where_no_rejection_came_after_it(bench: Bench) -> None:
    bench.figures = {"c": 0.9}
    assert bench.judged(trying("c", STRICT)) == ""
    with bench.journal.transaction() as transaction:
        for doc in bench.journal.reports().values():
            transaction.put_report(doc["key"], doc["release"], {k: v for k, v in doc.items() if k != "asked"})
    bench.starts()
    other, before = Rejection("d" * 64, STRICT, "bad", 2000.0), Rejection("c" * 64, STRICT, "bad", 900.0)
    assert bench.judged(trying("c", MILD, None, other, before)) == ""
    assert bench.measured == ["c"]
    assert bench.judged(trying("c", MILD, None, replace(before, at=1000.0))) == ""
    assert bench.measured == ["c", "c"]


def test_a_stable_release_that_was_rejected_once_is_compared_by_the_report_it_has(bench: Bench) -> None:
    bench.figures = {"a": 0.9, "c": 0.9}
    assert bench.judged(trying("a", STRICT)) == ""
    state = trying("c", MILD, release("a", STRICT), Rejection("a" * 64, STRICT, "a trouble in canary", 5000.0))
    assert bench.judged(state) == ""
    assert bench.measured == ["a", "c"]
