"""The rollout rules over any policy: none of them breaks, and what they say of single cases."""

from __future__ import annotations

import json
from typing import Any

import pytest
from example_repo import example, judge
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.rules.context import Context, facts
from tidegate.rules.registry import RULES
from tidegate.spec.declared import load

POLICY = "policies/progressive.yaml"
NUMBERS = st.floats(-3, 3, allow_nan=False) | st.sampled_from([0, 1, 100, 1e9])
SHARES = st.sampled_from(["0%", "0.1%", "5%", "50%", "99%", "100%"])
TIMES = st.sampled_from(["0s", "1s", "10s", "30m", "3d"])
STEPS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["a", "b", "c"]), "weight": SHARES},
        optional={
            "segments": st.just(["internal"]), "for": TIMES, "min_requests": st.integers(0, 10**9), "holdback": SHARES,
            "approve": st.just("manual"),
        },
    ),
    min_size=1, max_size=4,
)  # fmt: skip
LIMITS = st.sampled_from(["max_ratio", "min_ratio", "max_increase", "max_drop", "max", "min"])
METRICS = st.sampled_from(["error_rate", "latency_p95_ms", "latency_p999_ms", "invalid_output", "quality"])


@st.composite
def guardrails(draw: st.DrawFn) -> dict[str, Any]:
    """Any guardrail that the kind lets through."""
    made: dict[str, Any] = {"metric": draw(METRICS), draw(LIMITS): draw(NUMBERS)}
    more = draw(st.fixed_dictionaries({}, optional={
        "margin": NUMBERS, "weight": NUMBERS, "min_requests": st.integers(0, 10**6), "immediate": st.booleans(),
        "source": st.sampled_from(["gateway", "feedback"]),
    }))  # fmt: skip
    return made | more


POLICIES = st.fixed_dictionaries(
    {"steps": STEPS, "guardrails": st.lists(guardrails(), max_size=4)},
    optional={
        "config_steps": STEPS | st.just([]),
        "budget": st.fixed_dictionaries({}, optional={"for": TIMES, "requests": st.integers(-5, 10**9),
                                                      "then": st.sampled_from(["hold", "rollback", "promote"])}),
        "confidence": st.floats(0.51, 0.9999999), "standby": TIMES, "warm_up": TIMES, "startup_timeout": TIMES,
        "watch": st.lists(guardrails(), max_size=2),
    },
)  # fmt: skip
ROLLOUT = [rule for rule in RULES if rule.family == "rollout"]


@given(POLICIES, st.floats(0.001, 1e6), st.sampled_from(["second", "day"]))
@settings(max_examples=150)
def test_no_policy_breaks_a_rule(policy: dict[str, Any], requests: float, per: str) -> None:
    files = {path: text for path, text in example().items() if path.endswith(".yaml")}
    header = {"api": "tidegate/v1", "kind": "RolloutPolicy", "name": "progressive"}
    files[POLICY] = json.dumps(header | policy).encode()
    traffic = json.dumps({"requests": requests, "per": per, "segments": {"internal": "1%"}})
    model = files["models/digits/model.yaml"].decode().splitlines()
    kept = [line for line in model if not line.startswith("traffic:")]
    files["models/digits/model.yaml"] = "\n".join([*kept, f"traffic: {traffic}", ""]).encode()
    declared = load(files, None)
    assert not [problem for problem in declared.problems if problem.path != POLICY]
    context = Context(declared, files, facts=facts(declared))
    for rule in ROLLOUT:
        for finding in rule.check(context):
            assert finding.message and finding.fix and finding.line >= 1


def found(policy: str) -> list[tuple[str, str]]:
    """What the rollout rules say of the example's policy with these lines in it: rule and message."""
    files = example()
    lines = files[POLICY].decode().splitlines()
    tops = {line.partition(":")[0] for line in policy.splitlines() if not line.startswith(" ")}
    kept: list[str] = []
    skipping = False
    for line in lines:
        if not line.startswith(" "):
            skipping = line.partition(":")[0] in tops
        if not skipping:
            kept.append(line)
    files[POLICY] = ("\n".join(kept) + "\n" + policy).encode()
    ids = {rule.id for rule in ROLLOUT}
    return [(one.rule, one.message) for one in judge(files) if one.rule in ids]


@pytest.mark.parametrize(
    ("policy", "rule", "words"),
    [
        ("steps:\n  - {name: all, weight: 100%, for: 1h}\n", "first-step", "100%"),
        ("budget: {for: 2h, requests: 20000, then: hold}\n", "short-budget", "2h30m"),
        ("confidence: 0.6\n", "odd-confidence", "one harmless release in 2.5"),
        ("warm_up: 30m\n", "long-warm-up", "'insiders' (30m)"),
        ("watch: [{metric: error_rate, max: 0.1}]\nstandby: 0s\n", "short-standby", "0s"),
    ],
)
def test_a_finding_names_the_figures(policy: str, rule: str, words: str) -> None:
    assert any(name == rule and words in message for name, message in found(policy))


def test_a_model_with_little_traffic_is_named_in_the_finding() -> None:
    files = example()
    files["models/digits/model.yaml"] = files["models/digits/model.yaml"].replace(
        b"requests: 50,", b"requests: 30, per: hour,"
    )
    messages = [one.message for one in judge(files) if one.rule == "unreachable-requests"]
    assert messages and all("'digits'" in message for message in messages)
    assert "the step 'canary' takes 13d21h20m to see its requests" in messages[-1]
