"""What a merge would do, before it is one: the way of each route, its steps, containers, approvals and samples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from rollout_world import STEPS, Drive, policy, promoted, release

from tidegate.rollout.plan import Plan, RoutePlan, Way, assumed, plan
from tidegate.rollout.plan_text import as_json, as_markdown, as_text, describe
from tidegate.rollout.state import Desired, Readiness, RouteState

RAILS = [
    {"metric": "error_rate", "max_ratio": 1.0, "margin": 3.0},
    {"metric": "error_rate", "max": 0.2, "min_requests": 50, "immediate": True},
    {"metric": "latency_p95_ms", "max_increase": "10%"},
    {"metric": "groundedness", "max_drop": 0.02, "source": "feedback"},
]


def wish(version: str, weights: str | None = None, touched: str = "new", **fields: Any) -> Desired:
    policy_fields = fields.pop("policy", {})
    return Desired(release(version, weights), policy(**({"guardrails": RAILS} | policy_fields)), touched, **fields)


def planned(state: RouteState, wanted: Desired | str) -> RoutePlan:
    (only,) = plan({"digits": state}, {"digits": wanted}).routes
    return only


def test_nothing_new_is_nothing_to_do() -> None:
    drive = promoted("1.0.0")
    whole = plan({"digits": drive.state}, {"digits": wish("1.0.0")})
    assert whole.routes[0].way is Way.NOTHING
    assert whole.changes == ()
    assert as_text(whole) == "nothing changes"
    assert "Nothing changes." in as_markdown(whole)


def test_a_new_release_walks_its_steps_beside_the_stable_one() -> None:
    steps = [STEPS[0], STEPS[1] | {"approve": "manual"}, STEPS[2]]
    found = planned(promoted("1.0.0").state, wish("2.0.0", policy={"steps": steps}, replicas=3))
    assert (found.way, found.shortest, found.approvals, found.replicas) == (Way.STEPS, 180, ("half",), 3)
    assert [r.version for r in found.starts] == ["2.0.0"]
    assert [r.version for r in found.stops] == ["1.0.0"]
    assert found.notes == ()


def test_a_first_release_takes_no_steps() -> None:
    found = planned(RouteState("digits"), wish("1.0.0"))
    assert (found.way, found.steps, [r.version for r in found.starts]) == (Way.FIRST, (), ["1.0.0"])


def test_a_config_change_starts_and_stops_nothing() -> None:
    found = planned(promoted("1.0.0").state, wish("1.0.0-b", "1.0.0", policy={"config_steps": [STEPS[1]]}))
    assert (found.way, found.starts, found.stops, found.shortest) == (Way.CONFIG, (), (), 60)


def test_a_revert_to_what_is_hot_is_told_as_instant_and_to_what_is_not_as_soon() -> None:
    state = promoted("1.0.0", "2.0.0").state
    hot = planned(state, wish("1.0.0"))
    assert (hot.way, hot.starts, hot.notes) == (Way.FAST, (), ("at once, without steps",))
    warm = planned(replace(state, standby=()), wish("1.0.0"))
    assert (warm.way, [r.version for r in warm.starts]) == (Way.FAST, ["1.0.0"])
    assert warm.notes == ("without steps, as soon as it is ready",)
    assert planned(state, wish("1.0.0", policy={"rollback": {"window": 0}})).way is Way.STEPS


def test_a_merge_in_mid_rollout_says_whom_it_supersedes() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    newer = planned(drive.state, wish("3.0.0"))
    assert newer.way is Way.STEPS
    assert newer.notes[0].endswith("is on trial: it is superseded")
    back = planned(drive.state, wish("1.0.0"))
    assert (back.way, len(back.notes)) == (Way.BACK, 1)


def test_a_policy_edit_in_mid_rollout_says_from_when_it_applies() -> None:
    drive = promoted("1.0.0")
    drive.declare("2.0.0")
    assert drive.wish is not None
    assert planned(drive.state, drive.wish).notes == ()
    edited = replace(drive.wish, policy=policy(steps=STEPS[:1]))
    found = planned(drive.state, edited)
    assert (found.way, found.notes) == (Way.GOES_ON, ("its policy was edited: that applies from the next step on",))


def test_what_was_rejected_for_this_commit_is_told_as_not_tried() -> None:
    drive = promoted("1.0.0")
    drive.unwell("2.0.0")
    drive.declare("2.0.0")
    drive.unready["2.0.0"] = Readiness.FAILED
    drive.look()
    state = replace(drive.state, duties=())
    assert planned(state, wish("2.0.0", touched="commit-2")).way is Way.SKIPPED
    assert planned(state, wish("2.0.0", touched="commit-3")).way is Way.STEPS


def test_a_problem_is_its_routes_own() -> None:
    states = {"digits": promoted("1.0.0").state, "texts": RouteState("texts")}
    whole = plan(states, {"digits": "deployment.yaml:4:10: version '9' is missing", "texts": wish("1.0.0")})
    assert [route.way for route in whole.routes] == [Way.PROBLEM, Way.FIRST]
    assert "note: deployment.yaml:4:10: version '9' is missing" in as_text(whole)


def test_a_route_that_leaves_git_goes_on_serving() -> None:
    drive = promoted("1.0.0")
    feature = RouteState("digits/archive", stable=release("1.0.0"))
    whole = plan({"digits": drive.state, "digits/archive": feature}, {})
    assert [route.way for route in whole.routes] == [Way.KEPT, Way.KEPT]
    assert "nothing is stopped" in whole.routes[0].notes[0]
    assert "goes back to the model's own release" in whole.routes[1].notes[0]


def test_a_features_first_override_starts_from_what_its_model_serves() -> None:
    state = promoted("1.0.0").state
    whole = plan({"digits": state}, {"digits": wish("1.0.0"), "digits/archive": wish("2.0.0")})
    archive = whole.routes[1]
    assert (archive.way, archive.now) == (Way.STEPS, state.stable)


def test_a_plan_between_two_commits_takes_the_first_as_served() -> None:
    states = assumed({"digits": wish("1.0.0"), "texts": "broken"})
    assert list(states) == ["digits"]
    assert planned(states["digits"], wish("2.0.0")).way is Way.STEPS


def test_samples_are_those_of_the_first_share_and_a_blind_guardrail_says_so() -> None:
    needs = planned(promoted("1.0.0").state, wish("2.0.0")).needs
    assert [need.what for need in needs] == [
        "error_rate from 1 % to 5 %", "latency_p95_ms half as long again", "groundedness from 0.90 to 0.80",
    ]  # fmt: skip
    assert all(need.requests is not None and 20 < need.requests < 2000 for need in needs)
    rails = [{"metric": "error_rate", "max_ratio": 9.0}, {"metric": "error_rate", "max": 0.1}, {"metric": "q", "min": 0.8},
             {"metric": "q", "max_increase": 0.02}]  # fmt: skip
    others = planned(promoted("1.0.0").state, wish("2.0.0", policy={"guardrails": rails})).needs
    assert others[0].requests is None
    assert [need.what for need in others[1:]] == [
        "error_rate half as much above its limit", "q a tenth below its limit", "q from 0.10 to 0.20",
    ]  # fmt: skip
    whole = [STEPS[2]]
    assert planned(promoted("1.0.0").state, wish("2.0.0", policy={"steps": whole})).needs == ()


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"policy": {"guardrails": []}}, "the policy has no guardrails: nothing would notice a bad release"),
        ({"policy": {"steps": [STEPS[2]]}}, "the first step 'full' gives it everything at once"),
        ({"policy": {"steps": [{"name": "mirror", "shadow": "10%"}]}},
         "step 'mirror' mirrors traffic, which this version of Tidegate cannot do yet: it holds there"),
        ({"policy": {"steps": [STEPS[0] | {"approve": "manual"}]}, "approvals": ("canary",)},
         "step 'canary' is approved already"),
        ({"hold": True}, "hold: true keeps it from beginning"),
    ],
)  # fmt: skip
def test_risks_are_told(fields: dict[str, Any], note: str) -> None:
    assert note in planned(promoted("1.0.0").state, wish("2.0.0", **fields)).notes


def a_plan() -> Plan:
    steps = [
        {"name": "insiders", "segments": ["internal"], "weight": "5%", "for": "30m", "min_requests": 500},
        {"name": "full", "weight": "100%", "for": "1h", "approve": "manual", "holdback": "1%"},
    ]
    rails = [RAILS[0], {"metric": "error_rate", "max_ratio": 9.0}]
    drive = Drive(RouteState("digits", stable=release("1.0.0"), promoted=(release("1.0.0"),)))
    return plan({"digits": drive.state}, {"digits": wish("2.0.0", policy={"steps": steps, "guardrails": rails})})


def test_the_text_reads_from_the_change_to_its_risks() -> None:
    one, two = release("1.0.0").id, release("2.0.0").id
    assert as_text(a_plan()).splitlines() == [
        "digits: new release",
        f"  digits 1.0.0 ({one}) -> digits 2.0.0 ({two})",
        "  step 1: insiders all of internal and 5% for 30m, at least 500 requests",
        "  step 2: full 100% for 1h, 1% held back, after a person's approval",
        "  shortest time: 1h30m of evidence, and the approval of full",
        f"  starts 1 x digits 2.0.0 ({two})",
        f"  after its promotion digits 1.0.0 ({one}) stays hot for its standby time, then stops",
        "  error_rate from 1 % to 5 %: found after about 180 candidate requests",
        "  error_rate from 1 % to 5 %: allowed by its limit, so never found",
    ]


def test_the_markdown_is_a_comment_for_a_pull_request() -> None:
    text = as_markdown(a_plan())
    assert text.startswith("### Tidegate plan\n\n#### `digits`: new release\n\n- `digits 1.0.0 (")
    assert "- step 2: full 100% for 1h" in text


def test_the_json_has_every_fact() -> None:
    (route,) = as_json(a_plan())["routes"]
    assert (route["route"], route["way"], route["shortest_seconds"]) == ("digits", "steps", 5400)
    assert (route["config_only"], route["fast_rollback"], route["approvals"]) == (False, False, ["full"])
    assert route["steps"][0] == {
        "name": "insiders", "segments": ["internal"], "weight": 0.05, "for": 1800, "min_requests": 500,
    }  # fmt: skip
    assert route["starts"] == [{"release": release("2.0.0").id, "replicas": 1}]
    assert route["samples"][1] == {"what": "error_rate from 1 % to 5 %", "candidate_requests": None}
    assert route["from"]["version"] == "1.0.0"
    first = as_json(plan({}, {"digits": wish("1.0.0")}))["routes"][0]
    assert first["from"] is None


def test_a_shadow_step_is_described_too() -> None:
    assert (
        describe(policy(steps=[{"name": "mirror", "shadow": "10%", "for": "1h"}]).steps[0])
        == "mirror shadow 10% for 1h"
    )
