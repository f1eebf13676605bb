"""The page about the plan's JSON has every field that the program writes."""

from __future__ import annotations

from docs_pages import ROOT, table_fields

from tidegate.rollout.plan import Way, plan
from tidegate.rollout.plan_frame import Frame, Side
from tidegate.rollout.plan_json import as_json
from tidegate.rollout.state import Desired, RouteState
from tidegate.spec.policy import PolicyFields
from tidegate.spec.release import Release

PAGE = ROOT / "docs" / "reference" / "plan-json.md"
POLICY = {
    "steps": [{"name": "canary", "weight": "5%", "for": "1h"}],
    "guardrails": [{"metric": "error_rate", "max": 0.1}],
}


def test_the_fields_of_the_plan_are_documented() -> None:
    policy = PolicyFields.model_validate(POLICY, by_alias=True, by_name=False)
    one, two = (
        Release("digits", version, None, version[0] * 64, version[0] * 64, "c") for version in ("1.0.0", "2.0.0")
    )
    made = plan({"digits": RouteState("digits", one, promoted=(one,))}, {"digits": Desired(two, policy, "c")})
    document = as_json(made, Frame(Side("main"), Side("the work tree")))
    (route,) = document["routes"]
    assert table_fields(PAGE, "plan") == set(document)
    assert table_fields(PAGE, "route") == set(route)
    assert table_fields(PAGE, "sight") == set(route["sees"][0])


def test_every_way_is_named() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [way for way in Way if f"`{way}`" not in text] == []
