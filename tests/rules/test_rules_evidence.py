"""Evidence: the pull request and the controller say the same, and a rollback may lose what a release may not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from example_repo import example, judge

from tidegate.rollout.acceptance import judge as accept
from tidegate.rules.finding import Finding
from tidegate.rules.registry import BY_ID
from tidegate.spec.declared import load

SET, OTHER = "a" * 64, "b" * 64
CONTRACT: dict[str, Any] = {
    "evaluation_set": {"uri": "s3://data/set", "sha256": SET, "examples": 597, "min_examples": 300},
    "metrics": {"accuracy": {"min": 0.95}, "latency_p95_ms": {"max": 50}},
    "regression": {"accuracy": {"max_drop": 0.01}, "f1": {"max_drop": 0.02}},
    "fairness": [{"metric": "accuracy", "across": "writer", "max_gap": 0.05}],
}
GOOD: dict[str, Any] = {
    "set_sha256": SET,
    "examples": 597,
    "metrics": {"accuracy": 0.972, "latency_p95_ms": 4.1, "f1": 0.97},
    "slices": {"writer": {"a": {"accuracy": 0.97}, "b": {"accuracy": 0.96}}},
}
CASES: dict[str, dict[str, Any] | None] = {
    "good": GOOD,
    "none at all": None,
    "another set": GOOD | {"set_sha256": OTHER},
    "few examples": GOOD | {"examples": 20},
    "another set and few": GOOD | {"set_sha256": OTHER, "examples": 20},
    "below": GOOD | {"metrics": {"accuracy": 0.9, "latency_p95_ms": 4.1, "f1": 0.97}},
    "above": GOOD | {"metrics": {"accuracy": 0.972, "latency_p95_ms": 80, "f1": 0.97}},
    "at the limit": GOOD | {"metrics": {"accuracy": 0.95, "latency_p95_ms": 50, "f1": 0.97}},
    "a metric missing": GOOD | {"metrics": {"accuracy": 0.972, "f1": 0.97}},
    "a compared metric missing": GOOD | {"metrics": {"accuracy": 0.972, "latency_p95_ms": 4.1}},
    "lost": GOOD | {"metrics": {"accuracy": 0.955, "latency_p95_ms": 4.1, "f1": 0.97}},
    "lost elsewhere": GOOD | {"metrics": {"accuracy": 0.972, "latency_p95_ms": 4.1, "f1": 0.9}},
    "no slices": GOOD | {"slices": {}},
    "one slice": GOOD | {"slices": {"writer": {"a": {"accuracy": 0.97}}}},
    "a gap": GOOD | {"slices": {"writer": {"a": {"accuracy": 0.97}, "b": {"accuracy": 0.9}}}},
    "everything wrong": {"set_sha256": SET, "examples": 597, "metrics": {"accuracy": 0.1}, "slices": {}},
}  # fmt: skip


def flow(kind: str, **fields: Any) -> bytes:
    lines = [f"{name}: {json.dumps(value)}" for name, value in fields.items() if value is not None]
    return "\n".join(["api: tidegate/v1", f"kind: {kind}", *lines, ""]).encode()


def version(number: str, evaluation: dict[str, Any] | None) -> bytes:
    return flow("ModelVersion", model="m", version=number, reason="Measured again.", evaluation=evaluation,
                runtime={"command": ["serve"], "ready": "/ready"})  # fmt: skip


def repository(evaluation: dict[str, Any] | None, serves: str, requires: str) -> dict[str, bytes]:
    """Version 1.0.0 is good, 2.0.0 has this evaluation, and one of them is asked for."""
    policy = flow(
        "RolloutPolicy", name="p", validate={"evaluation": requires}, steps=[{"name": "all", "weight": "100%"}]
    )
    return {
        "models/m/model.yaml": flow(
            "Model", name="m", summary="Reads.", owners=["team-a"], protocol="http", acceptance=CONTRACT
        ),
        "models/m/versions/1.0.0.yaml": version("1.0.0", GOOD),
        "models/m/versions/2.0.0.yaml": version("2.0.0", evaluation),
        "models/m/deployment.yaml": flow("Deployment", model="m", version=serves, policy="p"),
        "policies/p.yaml": policy,
    }


def errors(files: dict[str, bytes], base: dict[str, bytes] | None = None) -> list[Finding]:
    found = judge(files, base=base, history=base is not None)
    return [one for one in found if BY_ID[one.rule].family == "evidence" and one.severity == "error"]


@pytest.mark.parametrize("requires", ["required", "optional"])
@pytest.mark.parametrize("before", [None, "1.0.0"], ids=["first", "next"])
@pytest.mark.parametrize("case", CASES)
def test_the_rules_say_what_the_controller_will_say(case: str, before: str | None, requires: str) -> None:
    files = repository(CASES[case], "2.0.0", requires)
    base = repository(CASES[case], "1.0.0", requires) if before else None
    folder = load(files).models["m"]
    assert folder.model is not None
    stable = folder.versions[before].value if before else None
    verdict = accept(folder.model.value, folder.versions["2.0.0"].value, stable, required=requires == "required")
    told = errors(files, base)
    assert bool(told) == bool(verdict)
    if CASES[case] is not None:
        assert sorted(verdict.split("; ") if verdict else []) == sorted(
            next(part for part in verdict.split("; ") if part in one.message) for one in told
        )


def test_going_back_to_an_older_version_may_lose() -> None:
    better = GOOD | {"metrics": {"accuracy": 0.99, "latency_p95_ms": 4.1, "f1": 0.99}}
    assert errors(repository(better, "1.0.0", "required"), repository(better, "2.0.0", "required")) == []


def test_a_version_that_nobody_asks_for_is_not_judged() -> None:
    assert errors(repository(CASES["everything wrong"], "1.0.0", "required")) == []


def test_two_routes_to_one_version_are_told_once() -> None:
    files = repository(CASES["below"], "2.0.0", "required")
    files["models/m/model.yaml"] += b'features: ["a", "b"]\n'
    files["models/m/deployment.yaml"] += b'features: {"a": {"replicas": 2}, "b": {"version": "2.0.0"}}\n'
    assert [one.rule for one in errors(files)] == ["missed-limit"]


def test_a_feature_is_compared_with_what_it_ran_before_not_with_the_model() -> None:
    worse = CASES["lost"]
    base, files = repository(worse, "1.0.0", "required"), repository(worse, "1.0.0", "required")
    for one in (base, files):
        one["models/m/model.yaml"] += b'features: ["a"]\n'
    files["models/m/deployment.yaml"] += b'features: {"a": {"version": "2.0.0"}}\n'
    assert [one.rule for one in errors(files, base)] == ["lost-quality"]
    base["models/m/deployment.yaml"] += b'features: {"a": {"version": "2.0.0"}}\n'
    assert errors(files, base) == []


@pytest.mark.parametrize(
    ("trained", "ran", "stale"),
    [
        ("2026-08-30T11:20:00Z", "2026-08-30T14:05:00Z", False),
        ("2026-08-30T11:20:00Z", "2026-08-30T10:05:00Z", True),
        ("2026-08-30T11:20:00+02:00", "2026-08-30T10:05:00Z", False),
        ("2026-08-30", "2026-08-30T00:05:00Z", False),
        ("2026-08-31", "2026-08-30", True),
        ("2026-08-31", "soon", False),
    ],
)
def test_an_evaluation_before_the_training_is_that_of_other_weights(trained: str, ran: str, stale: bool) -> None:
    files = example()
    path = "models/digits/versions/2.0.0.yaml"
    text = files[path].decode().replace("2026-08-30T11:20:00Z", trained).replace("2026-08-30T14:05:00Z", ran)
    found = {one.rule for one in judge(files | {path: text.encode()}, history=False)}
    assert ("stale-evaluation" in found) == stale
    assert ("odd-moment" in found) == (ran == "soon")
