"""What a merge would do, before it is one: the way of each route, its steps, containers, approvals and samples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rollout_world import STEPS, Drive, policy, promoted, release

from tidegate.rollout import evidence
from tidegate.rollout.machine import advance
from tidegate.rollout.plan import About, Plan, RoutePlan, Way, assumed, plan, same_test
from tidegate.rollout.plan_json import as_json
from tidegate.rollout.plan_markdown import as_markdown
from tidegate.rollout.plan_text import as_text, describe
from tidegate.rollout.state import Desired, EventKind, Readiness, Rejection, RouteState, Seen, Standby
from tidegate.rollout.traffic import hot
from tidegate.spec.model import Traffic

RAILS = [
    {"metric": "error_rate", "max_ratio": 1.0, "margin": 3.0},
    {"metric": "error_rate", "max": 0.2, "min_requests": 50, "immediate": True},
    {"metric": "latency_p95_ms", "max_increase": "10%"},
    {"metric": "groundedness", "max_drop": 0.02, "source": "feedback"},
]


def wish(version: str, weights: str | None = None, touched: str = "new", **fields: Any) -> Desired:
    policy_fields = fields.pop("policy", {})
    return Desired(release(version, weights), policy(**({"guardrails": RAILS} | policy_fields)), touched, **fields)


def planned(state: RouteState, wanted: Desired | str, about: About | None = None) -> RoutePlan:
    (only,) = plan({"digits": state}, {"digits": wanted}, {"digits": about} if about else {}).routes
    return only


def traffic(requests: float, **shares: str) -> Traffic:
    return Traffic.model_validate({"requests": requests, "segments": shares}, by_alias=True, by_name=False)


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
    assert (found.way, found.shortest, found.approvals) == (Way.STEPS, 180, ("half",))
    assert [(s.release.version, s.replicas) for s in found.starts] == [("2.0.0", 3)]
    assert [s.release.version for s in found.stops] == ["1.0.0"]
    assert (found.notes, found.risks) == ((), ())


def test_a_first_release_takes_no_steps() -> None:
    found = planned(RouteState("digits"), wish("1.0.0"))
    assert (found.way, found.steps, [s.release.version for s in found.starts]) == (Way.FIRST, (), ["1.0.0"])


def test_a_config_change_starts_and_stops_nothing() -> None:
    found = planned(promoted("1.0.0").state, wish("1.0.0-b", "1.0.0", policy={"config_steps": [STEPS[1]]}))
    assert (found.way, found.starts, found.stops, found.shortest) == (Way.CONFIG, (), (), 60)


def test_a_revert_to_what_is_hot_is_told_as_instant_and_to_what_is_not_as_soon() -> None:
    state = promoted("1.0.0", "2.0.0").state
    hot = planned(state, wish("1.0.0"))
    assert (hot.way, hot.starts, hot.notes) == (Way.FAST, (), ("at once, without steps",))
    warm = planned(replace(state, standby=()), wish("1.0.0"))
    assert (warm.way, [s.release.version for s in warm.starts]) == (Way.FAST, ["1.0.0"])
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
    assert found.way is Way.GOES_ON
    assert found.notes == (
        "its policy was edited: that applies from the next step on",
        "'canary' goes on as it began, then its promotion comes next",
    )
    stricter = planned(drive.state, replace(drive.wish, policy=policy(confidence=0.999)))
    assert stricter.notes[1:] == (
        "'canary' goes on as it began, then 'half' comes next",
        "its guardrails or its confidence change: with that step its evidence begins anew",
    )


def test_a_policy_edit_before_the_first_step_applies_whole() -> None:
    drive = promoted("1.0.0")
    drive.unwell("2.0.0")
    drive.declare("2.0.0")
    assert drive.wish is not None
    found = planned(drive.state, replace(drive.wish, policy=policy(steps=STEPS[:1])))
    assert found.notes == ("its policy was edited, and its first step has not begun: all of that applies",)


@given(
    st.sampled_from([{}, {"confidence": 0.9}, {"guardrails": RAILS}]),
    st.sampled_from([{}, {"standby": "1h"}, {"guardrails": RAILS}]),
)
def test_whether_evidence_goes_on_is_told_as_the_machine_has_it(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert same_test(policy(**one), policy(**other)) == evidence.same_test(policy(**one), policy(**other))


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
    assert "  note       deployment.yaml:4:10: version '9' is missing" in as_text(whole)


def test_a_model_that_leaves_git_goes_on_serving() -> None:
    whole = plan({"digits": promoted("1.0.0").state}, {})
    assert [(route.way, route.notes) for route in whole.routes] == [
        (Way.KEPT, ("no longer in git: what serves goes on serving, nothing is stopped",))
    ]
    assert "nothing is stopped" in as_text(whole)
    retiring = plan(assumed({"digits": wish("1.0.0", policy={"retire": {"after": "14d"}})}), {})
    assert retiring.routes[0].notes == (
        "no longer in git: what serves goes on serving for 14d, then its policy's retire lets it go",
    )


def test_a_feature_whose_override_goes_walks_home_to_its_model() -> None:
    model = promoted("1.0.0").state
    away = RouteState("digits/archive", stable=release("3.0.0"), promoted=(release("3.0.0"),))
    whole = plan({"digits": model, "digits/archive": away}, {"digits": wish("2.0.0")})
    home = whole.routes[1]
    assert (home.way, home.then) == (Way.STEPS, release("1.0.0"))
    assert home.notes[0] == "its override is gone: it goes back to the model's own release"
    at_home = replace(away, stable=release("1.0.0"))
    assert plan({"digits": model, "digits/archive": at_home}, {"digits": wish("2.0.0")}).routes[1].way is Way.NOTHING


def test_a_feature_of_a_model_that_cannot_be_followed_stays() -> None:
    states = {
        "digits": promoted("1.0.0").state,
        "digits/archive": RouteState("digits/archive", stable=release("3.0.0")),
    }
    whole = plan(states, {"digits": "deployment.yaml:4:10: version '9' is missing"})
    assert [route.way for route in whole.routes] == [Way.PROBLEM, Way.KEPT]
    assert whole.routes[1].notes == ("digits cannot be followed: what serves goes on serving",)


def test_a_feature_of_a_new_model_waits_for_it_and_then_walks_steps() -> None:
    whole = plan({}, {"digits": wish("1.0.0"), "digits/archive": wish("2.0.0")})
    assert [route.way for route in whole.routes] == [Way.FIRST, Way.STEPS]
    assert whole.routes[1].notes == ("begins when digits itself has its first release",)


def test_two_routes_that_ask_for_one_release_start_its_servers_once() -> None:
    state = promoted("1.0.0").state
    whole = plan({"digits": state}, {"digits": wish("2.0.0"), "digits/archive": wish("2.0.0")})
    assert [len(route.starts) for route in whole.routes] == [1, 0]
    assert [len(route.stops) for route in whole.routes] == [1, 1]
    partly = plan({"digits": state}, {"digits": wish("2.0.0"), "digits/archive": wish("1.0.0")})
    assert partly.routes[0].stops == ()


def test_another_number_of_servers_is_no_rollout() -> None:
    state = promoted("1.0.0").state
    more = planned(state, wish("1.0.0", replicas=3), About(replicas_before=2, memory=2**29))
    assert (more.way, [s.replicas for s in more.starts], more.stops) == (Way.REPLICAS, [1], ())
    fewer = planned(state, wish("1.0.0"), About(replicas_before=2))
    assert (fewer.way, fewer.starts, [s.replicas for s in fewer.stops]) == (Way.REPLICAS, (), [1])
    assert planned(state, wish("1.0.0", replicas=2), About(replicas_before=2)).way is Way.NOTHING


def test_a_model_behind_an_api_starts_no_servers() -> None:
    found = planned(promoted("1.0.0").state, wish("2.0.0"), About(served=False))
    assert (found.way, found.starts, found.stops) == (Way.STEPS, (), ())


def test_a_base_that_is_broken_is_not_taken_for_nothing() -> None:
    found = planned(RouteState("digits"), wish("2.0.0"), About(unknown="deployment.yaml:4:1: 'version' is missing"))
    assert (found.way, found.now, [s.step.name for s in found.steps]) == (Way.UNKNOWN, None, ["canary", "half", "full"])
    assert found.notes[0] == "what serves now cannot be told: deployment.yaml:4:1: 'version' is missing"


def test_a_plan_between_two_commits_takes_the_first_as_served() -> None:
    states = assumed({"digits": wish("1.0.0"), "texts": "broken"})
    assert list(states) == ["digits"]
    assert planned(states["digits"], wish("2.0.0")).way is Way.STEPS


def test_samples_are_those_of_the_first_share_and_a_blind_guardrail_says_so() -> None:
    sights = planned(promoted("1.0.0").state, wish("2.0.0")).sights
    assert [(s.guardrail.metric, s.plain) for s in sights] == [
        ("error_rate", 5.0), ("latency_p95_ms", 1.5), ("groundedness", pytest.approx(8 / 9)),
    ]  # fmt: skip
    assert all(s.requests is not None and 20 < s.requests < 2000 for s in sights)
    assert all((s.first, s.whole) == (None, None) for s in sights)
    rails = [
        {"metric": "error_rate", "max_ratio": 9.0},
        {"metric": "error_rate", "max": 0.1},
        {"metric": "q", "min": 0.8},
    ]
    blind = planned(promoted("1.0.0").state, wish("2.0.0", policy={"guardrails": rails}))
    assert [s.requests is None for s in blind.sights] == [True, False, False]
    assert blind.risks == ()
    alone = planned(promoted("1.0.0").state, wish("2.0.0", policy={"guardrails": rails[:1]}))
    assert alone.risks == ("error_rate 1% to 5% is within the limits: it would go unseen",)


def test_at_a_declared_traffic_it_is_told_how_long_each_step_takes_and_what_it_sees() -> None:
    steps = [STEPS[0] | {"min_requests": 300}, STEPS[1], STEPS[2]]
    found = planned(promoted("1.0.0").state, wish("2.0.0", policy={"steps": steps}), About(traffic=traffic(20)))
    assert [(s.seconds, s.requests) for s in found.steps] == [(300, 300), (60, 600), (60, 1200)]
    assert (found.shortest, found.wait, found.expected) == (180, 0, 420)
    errors = found.sights[0]
    assert (errors.step, errors.first and errors.whole and errors.whole < errors.first) == ("canary", True)
    assert 0 < errors.promotion < 2000 if errors.promotion else False


def test_promotion_is_waited_for_where_the_steps_show_too_little() -> None:
    rails = [{"metric": "error_rate", "max": 0.02, "margin": 0.03}]
    found = planned(promoted("1.0.0").state, wish("2.0.0", policy={"guardrails": rails}), About(traffic=traffic(2)))
    assert found.wait > 60
    assert found.expected == pytest.approx(sum(s.seconds or 0 for s in found.steps) + found.wait)
    assert "1% to" not in " ".join(found.risks)


def test_a_segment_without_a_share_leaves_the_time_open() -> None:
    steps = [{"name": "insiders", "segments": ["internal"], "for": "60s"}, STEPS[2]]
    state = promoted("1.0.0").state
    unknown = planned(state, wish("2.0.0", policy={"steps": steps}), About(traffic=traffic(20)))
    assert (unknown.expected, unknown.steps[0].seconds, unknown.steps[1].seconds) == (None, None, 60)
    known = planned(state, wish("2.0.0", policy={"steps": steps}), About(traffic=traffic(20, internal="1%")))
    assert [s.requests for s in known.steps] == [pytest.approx(12), 1200]


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"policy": {"guardrails": []}}, "the policy has no guardrails: nothing would notice a bad release"),
        ({"policy": {"steps": [STEPS[2]]}}, "the first step 'full' gives it everything at once"),
        ({"policy": {"rollback": {"git": "none"}}},
         "after a rollback git would go on asking for the rejected release (rollback: {git: none})"),
        ({"policy": {"standby": "0s"}}, "no standby: after the promotion the way back is as slow as a start"),
        ({"policy": {"steps": [STEPS[0] | {"approve": "manual"}]}, "approvals": ("canary",)},
         "step 'canary' is approved already"),
        ({"hold": True}, "hold: true keeps it from beginning"),
    ],
)  # fmt: skip
def test_risks_are_told(fields: dict[str, Any], note: str) -> None:
    assert note in planned(promoted("1.0.0").state, wish("2.0.0", **fields)).risks


def test_risks_that_depend_on_the_traffic_are_told() -> None:
    state = promoted("1.0.0").state
    few = planned(state, wish("2.0.0"), About(traffic=traffic(1)))
    assert any("is the least that is seen" in risk for risk in few.risks)
    budget = {
        "budget": {"for": "3m", "then": "rollback"},
        "guardrails": [{"metric": "error_rate", "max": 0.02, "margin": 0.03}],
    }
    slow = planned(state, wish("2.0.0", policy=budget), About(traffic=traffic(1)))
    assert "its budget is used up before its end: then it is rolled back" in slow.risks
    steps = [{"name": "nobody", "segments": ["internal"], "for": "60s"}, STEPS[2]]
    never = planned(state, wish("2.0.0", policy={"steps": steps}), About(traffic=traffic(20, internal="0%")))
    assert "step 'nobody' never ends: at the declared traffic it gets no requests" in never.risks
    memory = About(memory=2**29, memory_before=2**29, replicas_before=2)
    double = planned(state, wish("2.0.0", replicas=2), memory)
    assert "1Gi more memory while both releases run, until the standby ends after 3d" in double.risks


def test_what_was_turned_down_and_is_asked_for_anew_says_so() -> None:
    state = replace(
        promoted("1.0.0").state, rejected=(Rejection(release("2.0.0").digest, "old", "5 % errors; limit 2 %", 1.0),)
    )
    again = planned(state, wish("2.0.0"))
    assert (again.way, again.notes) == (
        Way.STEPS,
        ("turned down before: 5 % errors; limit 2 %",
         "a newer commit asks for it: it is tried again, and promotion takes more proof"),
    )  # fmt: skip
    assert planned(state, wish("2.0.0", touched="old")).notes[0] == "turned down before: 5 % errors; limit 2 %"


RELEASES = [
    release("1.0.0"),
    release("2.0.0"),
    release("3.0.0"),
    release("1.0.0-b", "1.0.0"),
    release("2.0.0-b", "2.0.0"),
]
POLICIES = [policy(), policy(config_steps=[STEPS[1]]), policy(rollback={"window": 0}), policy(rollback={"window": 1})]
SOME = st.sampled_from(RELEASES)
ASKED = st.builds(Desired, SOME, st.sampled_from(POLICIES), st.sampled_from(["one", "two"]), hold=st.booleans())


@st.composite
def a_state(draw: st.DrawFn) -> RouteState:
    """Any state that a route could be in between two commits, with its trial begun by the machine itself."""
    former = tuple(draw(st.lists(SOME, max_size=4, unique_by=lambda r: r.digest)))
    stable = former[0] if former else None
    standby = tuple(Standby(r, 1e12) for r in former[1:2]) if draw(st.booleans()) else ()
    rejected = tuple(
        Rejection(r.digest, draw(st.sampled_from(["one", "two"])), "errors", 1.0)
        for r in draw(st.lists(SOME, max_size=2, unique_by=lambda r: r.digest))
        if r is not stable
    )
    state = RouteState("digits", stable=stable, promoted=former, standby=standby, rejected=rejected)
    asked = draw(st.none() | ASKED)
    return advance(state, Seen(asked, ready=dict.fromkeys(hot(state), Readiness.READY)), 2.0).state if asked else state


@given(a_state(), ASKED)
def test_the_plan_says_what_the_machine_does(state: RouteState, asked: Desired) -> None:
    found = planned(state, asked).way
    step = advance(state, Seen(asked, ready=dict.fromkeys(hot(state), Readiness.READY)), 3.0)
    told = {event.kind for event in step.events}
    before, after = state.candidate, step.state.candidate
    begun = EventKind.STARTED in told
    match found:
        case Way.GOES_ON:
            assert before is not None and not begun and (after is None or after.release == before.release)
        case Way.NOTHING:
            assert (before, after) == (None, None) and step.state.stable == state.stable
        case Way.BACK:
            assert before is not None and after is None and EventKind.SUPERSEDED in told
        case Way.SKIPPED:
            assert after is None and not begun and step.state.stable == state.stable
        case Way.FAST:
            assert (EventKind.FAST_ROLLBACK in told and step.state.stable == asked.release) or (
                after is not None and after.fast
            )
        case Way.FIRST:
            assert begun and state.stable is None and after is not None
        case Way.CONFIG | Way.STEPS:
            assert begun and after is not None and not after.fast and state.stable is not None
            assert after.config_only == (found is Way.CONFIG)
        case _:
            raise AssertionError(found)
    assert (before is not None and found not in (Way.GOES_ON, Way.NOTHING)) == (EventKind.SUPERSEDED in told)


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
    assert as_text(a_plan(), width=90).splitlines() == [
        "digits: new release",
        f"  release    digits 1.0.0 ({one}) -> digits 2.0.0 ({two})",
        "  servers    starts 1 x 2.0.0",
        "             1 x 1.0.0 stays hot for 3d after that, then stops",
        "  steps      1  insiders  all of internal and 5%  30m  at least 500",
        "             2  full      100%                    1h   1% held back, after approval",
        "  time       1h30m of traffic at the least; its traffic is not declared ('traffic' in",
        "               model.yaml), so no more can be told",
        "  approvals  full",
        "  sees                               after 500 requests",
        "             error_rate max_ratio 1  1% to 3.3%",
        "             error_rate max_ratio 9  1% to 16%",
        "  promotion  error_rate, margin: 3: excluded after about 1,146 healthy candidate requests",
    ]


@given(st.integers(40, 140))
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert all(len(line) <= width for line in as_text(a_plan(), width=width).splitlines())


def test_the_markdown_is_a_comment_for_a_pull_request() -> None:
    lines = as_markdown(a_plan()).splitlines()
    assert lines[:3] == ["<!-- tidegate plan -->", "", "### Tidegate plan"]
    assert "| `digits` | new release | `1.0.0` → `2.0.0` | 1h30m or more | `full` |" in lines
    assert "<details><summary>digits: new release</summary>" in lines


def test_the_json_has_every_fact() -> None:
    (route,) = as_json(a_plan())["routes"]
    assert (route["route"], route["way"], route["shortest_seconds"]) == ("digits", "steps", 5400)
    assert (route["config_only"], route["fast_rollback"], route["approvals"]) == (False, False, ["full"])
    assert route["steps"][0] == {
        "name": "insiders", "segments": ["internal"], "weight": 0.05, "for": 1800, "min_requests": 500,
        "expected_seconds": None, "candidate_requests": None, "approved": False,
    }  # fmt: skip
    assert route["starts"] == [{"release": release("2.0.0").id, "version": "2.0.0", "replicas": 1, "memory": None}]
    assert route["sees"][1]["limit"] == {"max_ratio": 9.0}
    assert route["sees"][1]["plain_candidate_requests"] is None
    assert route["from"]["version"] == "1.0.0"
    first = as_json(plan({}, {"digits": wish("1.0.0")}))["routes"][0]
    assert first["from"] is None


def test_a_shadow_step_is_described_too() -> None:
    step = policy(steps=[{"name": "mirror", "shadow": "10%", "for": "1h"}]).steps[0]
    assert describe(step) == "mirror shadow 10% for 1h"
