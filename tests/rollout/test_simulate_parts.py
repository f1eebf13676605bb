"""The simulator's parts: the scenario's grammar and its errors, the traffic it draws, what an expectation says when it fails."""

from __future__ import annotations

import numpy as np
import pytest

from tidegate.analysis.latency import quantile
from tidegate.rollout.simulate.arrivals import Arrivals
from tidegate.rollout.simulate.behaviour import Manner, actors
from tidegate.rollout.simulate.expect import failures
from tidegate.rollout.simulate.report import as_json, as_text
from tidegate.rollout.simulate.run import play
from tidegate.rollout.simulate.scenario import Expectation, ReleaseSpec, Scenario, Score, load_scenario
from tidegate.spec.errors import NeedsPerson

HEAD = """traffic: {rate: 100}
policy: {steps: [{name: half, weight: 50%, for: 1m}, {name: full, weight: 100%, for: 1m}]}
until: 10m
"""
PLAIN = (
    HEAD
    + """releases: {v1: {}, v2: {}}
events: [{at: 0s, declare: v1}, {at: 2m, declare: v2}]
"""
)


def scenario(text: str) -> Scenario:
    return load_scenario(text.encode(), "s.yaml")


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("just text", "s.yaml:1:1", "a scenario is a mapping of fields"),
        (PLAIN + "sed: 3\n", "s.yaml:6:1", "unknown field 'sed'"),
        (HEAD + "releases: {v1: {like: v9}}\nevents: []\n", "s.yaml:4:23", "there is no release 'v9' here: v1"),
        (HEAD + "releases: {v1: {}}\nevents: [{at: 1m, declare: v2}]\n", "s.yaml:5:28", "there is no release 'v2'"),
        (HEAD + "releases: {v1: {}}\nevents: [{at: 1m}]\n", "s.yaml:5:10", "one of declare, delete, kill"),
        (HEAD + "releases: {v1: {}}\nevents: [{at: 1m, kill: container}]\n", "s.yaml:5:10", "a killed container needs"),
        (HEAD + "releases: {v1: {config_only: true}}\nevents: []\n", "s.yaml:4:16", "'config_only' needs 'like'"),
        (HEAD + "releases: {v1: {latency_ms: {p50: 5, p95: 1}}}\nevents: []\n", "s.yaml:4:29", "'p95' cannot be"),
        (PLAIN + "expect: [{at: 1m}]\n", "s.yaml:6:10", "'at' goes with 'weights' or 'replicas'"),
        (PLAIN + "expect: [{count: step}]\n", "s.yaml:6:10", "'count' and 'is' belong together"),
        (PLAIN + "expect: [{within: 1m}]\n", "s.yaml:6:10", "one of event, never"),
        (PLAIN + "expect: [{at: 1m, weights: {v3: 100}}]\n", "s.yaml:6:33", "there is no release 'v3'"),
        ("traffic: {rate: [}", "s.yaml:1:18", ""),
    ],
)  # fmt: skip
def test_a_scenario_that_makes_no_sense_says_where(text: str, where: str, message: str) -> None:
    with pytest.raises(NeedsPerson) as caught:
        scenario(text)
    assert caught.value.where == where
    assert message in caught.value.message
    assert caught.value.fix


def test_releases_that_are_like_each_other_in_a_circle_are_refused() -> None:
    text = HEAD + "releases: {v1: {like: v2}, v2: {like: v1}}\nevents: [{at: 0s, declare: v1}]\n"
    with pytest.raises(NeedsPerson, match="v1 -> v2 -> v1"):
        play(scenario(text))


def test_a_release_is_like_another_but_for_what_it_says_itself() -> None:
    text = """{v1: {error_rate: 0.1, ready: {after: 5m}, from: {1h: {error_rate: 0.9}}},
               v2: {like: v1, latency_ms: {p50: 1, p95: 2}}, v3: {like: v2, config_only: true, error_rate: 0.2},
               v4: {like: v1, ready: never, validation: fail, from: {2h: {error_burst: 4}}}}"""
    cast = actors(scenario(HEAD + f"releases: {text}\nevents: []\n").releases)
    assert cast["v2"].manner(0) == Manner(error_rate=0.1, p50=1, p95=2)
    assert cast["v2"].manner(3600) == Manner(error_rate=0.9, p50=1, p95=2)
    assert (cast["v2"].weights_of, cast["v3"].weights_of, cast["v2"].ready_after) == ("v2", "v2", 300)
    assert (cast["v4"].ready_after, cast["v4"].validation) == (None, "fail")
    assert cast["v4"].manner(3600).error_rate == 0.1
    assert cast["v4"].manner(7200).burst == 4
    assert actors({"v": ReleaseSpec()})["v"].manner(0) == Manner()


def arrivals(*metrics: str) -> Arrivals:
    return Arrivals(np.random.default_rng(1), metrics)


def test_traffic_is_poisson_and_split_by_weight() -> None:
    draw = arrivals()
    counts = [draw.count(50, 10) for _ in range(400)]
    assert abs(np.mean(counts) - 500) < 5
    assert 0.8 < np.var(counts) / 500 < 1.25
    assert abs(sum(draw.split(1000, 0.05) for _ in range(400)) / 400_000 - 0.05) < 0.002


@pytest.mark.parametrize("burst", [1.0, 3.0])
def test_errors_come_at_their_rate_and_in_their_runs(burst: float) -> None:
    draw, manner = arrivals(), Manner(error_rate=0.05, burst=burst)
    counts = [draw.arm("v", 500, manner).errors for _ in range(2000)]
    assert abs(np.mean(counts) / 500 - 0.05) < 0.002
    spread = np.var(counts) / (500 * 0.05 * 0.95)
    assert (0.8 < spread < 1.2) if burst == 1 else (3.5 < spread < 6.5)


def test_latencies_have_their_quantiles_and_scores_their_moments() -> None:
    score = Score(mean=0.9, sd=0.2)
    arm = arrivals("latency_p95_ms", "groundedness").arm(
        "v", 20_000, Manner(p50=20, p95=60, scores={"groundedness": score})
    )
    assert quantile(arm.latency, 0.5) == pytest.approx(20, rel=0.05)
    assert quantile(arm.latency, 0.95) == pytest.approx(60, rel=0.05)
    values = arm.scores["groundedness"]
    assert (np.mean(values), np.std(values)) == (pytest.approx(0.9, abs=0.01), pytest.approx(0.2, abs=0.01))
    assert 0 <= min(values) <= max(values) <= 1


@pytest.mark.parametrize(("mean", "sd", "values"), [(0.5, 0.0, {0.5}), (1.0, 0.3, {1.0}), (0.5, 0.9, {0.0, 1.0})])
def test_a_score_without_a_beta_is_what_its_mean_allows(mean: float, sd: float, values: set[float]) -> None:
    arm = arrivals("q").arm("v", 200, Manner(scores={"q": Score(mean=mean, sd=sd)}))
    assert set(arm.scores["q"]) == values


def test_only_what_is_judged_is_drawn() -> None:
    arm = arrivals().arm("v", 10, Manner(scores={"q": Score(mean=0.5, sd=0)}))
    assert (arm.requests, arm.latency, dict(arm.scores)) == (10, (), {})


def test_who_is_not_there_answers_with_errors_alone() -> None:
    assert arrivals().broken(7).errors == 7
    assert sum(arrivals("latency_p50_ms").broken(7).latency) == 7
    assert arrivals().broken(0).requests == 0


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        ({"event": "promoted", "release": "v2", "after": "0s", "within": "1m"},
         "promoted of v2 between 0s and 1m: seen v2 at 4m1s"),
        ({"event": "rolled_back", "after": "1m"}, "rolled_back after 1m: seen none"),
        ({"never": "step"}, "never step: seen v2 at 2m, v2 at 3m"),
        ({"count": "started", "release": "v1", "is": 2}, "started of v1 2 times: seen 1 times (v1 at 0s)"),
        ({"at": "2m30s", "weights": {"v1": 95, "v2": 5}}, "at 2m30s weights {v1: 95, v2: 5}: seen {v1: 50, v2: 50}"),
        ({"order": ["step", "started"]},
         "order step, started: no 'started' in its place in: started, promoted, started, step, step, promoted"),
        ({"final": {"stable": "v1", "weights": {"v1": 100}, "rejected": ["v2"]}},
         "final stable v1: is v2; weights {v1: 100}: are {v2: 100}; rejected ['v2']: are []"),
    ],
)  # fmt: skip
def test_an_expectation_that_does_not_hold_says_what_was_seen(expected: dict[str, object], said: str) -> None:
    outcome = play(scenario(PLAIN))
    (failure,) = failures((Expectation.model_validate(expected),), outcome)
    assert failure == said


def test_expectations_that_hold_say_nothing() -> None:
    outcome = play(scenario(PLAIN))
    expected = [
        {"event": "promoted", "release": "v2", "after": "4m"},
        {"never": "rolled_back"},
        {"count": "step", "is": 2},
        {"at": "2m30s", "weights": {"v1": 50, "v2": 50}},
        {"at": "3m30s", "weights": {"v1": 0, "v2": 100}},
        {"order": ["started", "step", "step", "promoted"]},
        {"final": {"stable": "v2", "candidate": None, "phase": "promoted", "rejected": []}},
    ]
    assert failures(tuple(Expectation.model_validate(one) for one in expected), outcome) == []


def test_the_json_is_what_the_contract_says() -> None:
    doc = as_json(play(scenario(PLAIN)))
    assert list(doc) == ["version", "timeline", "final"]
    assert doc["version"] == 1
    step = doc["timeline"][3]
    assert step == {
        "t": 120, "event": "step", "release": "v2", "phase": "shifting", "step": "half",
        "weights": {"v1": 50, "v2": 50}, "reason": "50%, for 1m",
    }  # fmt: skip
    assert doc["final"] == {
        "stable": "v2", "candidate": None, "weights": {"v2": 100}, "phase": "promoted", "rejected": [],
    }  # fmt: skip


def test_the_text_is_one_line_an_event() -> None:
    lines = as_text(play(scenario(PLAIN.replace("10m", "3m30s")))).splitlines()
    assert lines[3].split() == ["2m", "step", "v2", "half", "v1", "50%", "v2", "50%", "50%,", "for", "1m"]
    assert lines[-2:] == ["final: stable v1, v2 100%, rejected: none", "       candidate v2, shifting"]


def test_no_traffic_is_no_evidence_and_no_requests_are_drawn_without_a_rollout() -> None:
    outcome = play(scenario(PLAIN.replace("rate: 100", "rate: 0")))
    assert [entry.event for entry in outcome.timeline] == ["started", "promoted", "started", "step", "held"]


def test_a_source_that_comes_back_by_an_event_ends_its_outage() -> None:
    text = PLAIN.replace("declare: v2}]", "declare: v2}, {at: 2m10s, source: down}, {at: 6m, source: up}]")
    outcome = play(scenario(text))
    held, resumed = (next(e for e in outcome.timeline if e.event == kind) for kind in ("held", "resumed"))
    assert (held.t, resumed.t) == (pytest.approx(160, abs=1), pytest.approx(370, abs=1))
    assert outcome.final["stable"] == "v2"
