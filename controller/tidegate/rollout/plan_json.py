"""A plan for programs. docs/reference/plan-json.md has every field. Pure.

Neighbours: plan.py and plan_frame.py have the facts; the field `version` is the format's.
"""

from __future__ import annotations

import math
from typing import Any

from tidegate.rollout.plan import Plan, RoutePlan, Servers, StepPlan, Way
from tidegate.rollout.plan_frame import Frame, Side
from tidegate.rollout.plan_words import change_words
from tidegate.rollout.sight import Sight
from tidegate.spec.difference import Difference
from tidegate.spec.release import Release


def as_json(plan: Plan, frame: Frame | None = None) -> dict[str, Any]:
    """`{"version": 1, ...}`; times in seconds, shares in [0, 1], memory in bytes; what is not known or never is null."""
    around: dict[str, Any] = {}
    if frame is not None:
        around = {
            "base": _side(frame.base),
            "head": _side(frame.head),
            "basis": frame.basis,
            "errors": frame.errors,
            "warnings": frame.warnings,
            "policies": [
                {
                    "policy": edit.policy,
                    "changes": [_change(one) for one in edit.changes],
                    "routes": list(edit.routes),
                    "under_way": list(edit.under_way),
                }
                for edit in frame.policies
            ],
            "reviews": [{"role": r.role, "owners": list(r.owners), "files": list(r.files)} for r in frame.reviews],
        }
    return {"version": 1, **around, "routes": [_route(route) for route in plan.routes]}


def _route(route: RoutePlan) -> dict[str, Any]:
    return {
        "route": route.route,
        "way": str(route.way),
        "from": _release(route.now),
        "to": _release(route.then),
        "config_only": route.way is Way.CONFIG,
        "fast_rollback": route.way is Way.FAST,
        "held": route.held,
        "reason": route.reason,
        "owners": list(route.owners),
        "changes": [_change(one) for one in route.changes],
        "steps": [_step(one) for one in route.steps],
        "shortest_seconds": route.shortest,
        "expected_seconds": _finite(route.expected),
        "promotion_wait_seconds": _finite(route.wait),
        "requests_per_second": route.rate,
        "approvals": list(route.approvals),
        "approvers": list(route.approvers),
        "starts": [_servers(one) for one in route.starts],
        "stops": [_servers(one) for one in route.stops],
        "standby_seconds": route.standby,
        "sees": [_sight(one) for one in route.sights],
        "risks": list(route.risks),
        "notes": list(route.notes),
    }


def _side(side: Side) -> dict[str, Any]:
    return {"name": side.name, "commit": side.commit}


def _change(one: Difference) -> dict[str, Any]:
    return {"file": one.file, "field": one.field, "before": one.before, "after": one.after, "serves": not one.told}


def _release(release: Release | None) -> dict[str, Any] | None:
    if release is None:
        return None
    commit = release.commit if len(release.commit) == 40 else None  # what the merge will make has no id yet
    return {"release": release.id, "version": release.version, "config": release.config, "commit": commit}


def _servers(servers: Servers) -> dict[str, Any]:
    return {
        "release": servers.release.id,
        "version": servers.release.version,
        "replicas": servers.replicas,
        "memory": servers.memory,
    }


def _step(one: StepPlan) -> dict[str, Any]:
    declared = one.step.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {
        **declared,
        "expected_seconds": _finite(one.seconds),
        "candidate_requests": None if one.requests is None else round(one.requests),
        "approved": one.approved,
    }


def _sight(sight: Sight) -> dict[str, Any]:
    guardrail = sight.guardrail
    return {
        "metric": guardrail.metric,
        "source": guardrail.source if isinstance(guardrail.source, str) else guardrail.source.kind,
        "limit": {guardrail.limit_name: guardrail.limit},
        "step": sight.step,
        "by_step": _effect(sight, sight.first),
        "by_end": _effect(sight, sight.whole),
        "plain": _effect(sight, sight.plain),
        "plain_candidate_requests": sight.requests,
        "promotion_candidate_requests": sight.promotion,
    }


def _effect(sight: Sight, effect: float | None) -> dict[str, Any] | None:
    """`times`: the candidate's value over stable's, or over an absolute limit."""
    if effect is None:
        return None
    return {"times": round(effect, 4), "words": change_words(sight.guardrail, effect)}


def _finite(seconds: float | None) -> float | None:
    return None if seconds is None or math.isinf(seconds) else round(seconds, 3)
