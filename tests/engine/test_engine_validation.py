"""Validation asks again when what it asked about has changed, and only then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from support import declare
from tidegate.engine.catalog import Catalog
from tidegate.engine.validation import Validation
from tidegate.rollout.state import Candidate, Phase, RouteState
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
