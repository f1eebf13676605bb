"""A plan in words: text for a terminal, Markdown for a pull request, JSON for programs. Pure.

Neighbours: plan.py makes it; `tidegate plan` prints it.
"""

from __future__ import annotations

from typing import Any

from tidegate.rollout.plan import Need, Plan, RoutePlan, Way
from tidegate.spec.policy import Step
from tidegate.spec.release import Release
from tidegate.spec.units import format_duration, format_share

_HEADLINES = {
    Way.NOTHING: "nothing changes",
    Way.FIRST: "first release: validated, then all traffic at once",
    Way.STEPS: "new release",
    Way.CONFIG: "only the inference config changes: no container starts or stops",
    Way.FAST: "back to a former release",
    Way.BACK: "back to the stable release: the candidate loses its traffic at once",
    Way.SKIPPED: "not tried: rejected before; a newer commit that touches it tries it again",
    Way.GOES_ON: "its rollout goes on",
    Way.KEPT: "left as it is",
    Way.PROBLEM: "cannot be followed",
}


def as_text(plan: Plan) -> str:
    """One block a route that changes."""
    blocks = [
        "\n".join([_title(route), *(f"  {line}" for line in _lines(route, code=False))]) for route in plan.changes
    ]
    return "\n\n".join(blocks) if blocks else "nothing changes"


def as_markdown(plan: Plan) -> str:
    """The comment for a pull request."""
    if not plan.changes:
        return "### Tidegate plan\n\nNothing changes.\n"
    blocks = [
        "\n".join(
            [f"#### `{route.route}`: {_HEADLINES[route.way]}", "", *(f"- {line}" for line in _lines(route, code=True))]
        )
        for route in plan.changes
    ]
    return "\n\n".join(["### Tidegate plan", *blocks]) + "\n"


def as_json(plan: Plan) -> dict[str, Any]:
    """`{"version": 1, "routes": [...]}`; times in seconds, shares in [0, 1]."""
    return {"version": 1, "routes": [_json(route) for route in plan.routes]}


def _title(route: RoutePlan) -> str:
    return f"{route.route}: {_HEADLINES[route.way]}"


def _lines(route: RoutePlan, *, code: bool) -> list[str]:
    lines = []
    if route.then is not None and route.way is not Way.NOTHING:
        before = _name(route.now, code=code) if route.now is not None else "nothing"
        lines.append(f"{before} -> {_name(route.then, code=code)}")
    lines += [f"step {i}: {describe(step)}" for i, step in enumerate(route.steps, 1)]
    if route.steps:
        waits = f", and the approval of {', '.join(route.approvals)}" if route.approvals else ""
        lines.append(f"shortest time: {format_duration(route.shortest)} of evidence{waits}")
    lines += [f"starts {route.replicas} x {_name(release, code=code)}" for release in route.starts]
    if route.stops:
        names = ", ".join(_name(release, code=code) for release in route.stops)
        lines.append(f"after its promotion {names} stays hot for its standby time, then stops")
    lines += [_need(need) for need in route.needs]
    lines += [f"note: {note}" for note in route.notes]
    return lines


def describe(step: Step) -> str:
    """A step in one line: `canary 5% for 30m, at least 500 requests`."""
    parts = [f"shadow {format_share(step.shadow)}"] if step.shadow is not None else []
    parts += [f"all of {', '.join(step.segments)}"] if step.segments else []
    parts += [format_share(step.weight)] if step.weight is not None else []
    text = f"{step.name} {' and '.join(parts)}"
    text += f" for {format_duration(step.duration)}" if step.duration else ""
    text += f", at least {step.min_requests} requests" if step.min_requests else ""
    text += f", {format_share(step.holdback)} held back" if step.holdback else ""
    return text + (", after a person's approval" if step.approve == "manual" else "")


def _need(need: Need) -> str:
    if need.requests is None:
        return f"{need.what}: allowed by its limit, so never found"
    return f"{need.what}: found after about {need.requests:,} candidate requests"


def _name(release: Release, *, code: bool) -> str:
    config = f" {release.config}" if release.config else ""
    text = f"{release.model} {release.version}{config} ({release.id})"
    return f"`{text}`" if code else text


def _json(route: RoutePlan) -> dict[str, Any]:
    return {
        "route": route.route,
        "way": str(route.way),
        "from": _release(route.now),
        "to": _release(route.then),
        "config_only": route.way is Way.CONFIG,
        "fast_rollback": route.way is Way.FAST,
        "steps": [step.model_dump(mode="json", by_alias=True, exclude_defaults=True) for step in route.steps],
        "shortest_seconds": route.shortest,
        "approvals": list(route.approvals),
        "starts": [{"release": release.id, "replicas": route.replicas} for release in route.starts],
        "stops": [{"release": release.id} for release in route.stops],
        "samples": [{"what": need.what, "candidate_requests": need.requests} for need in route.needs],
        "notes": list(route.notes),
    }


def _release(release: Release | None) -> dict[str, Any] | None:
    if release is None:
        return None
    return {"release": release.id, "version": release.version, "config": release.config, "commit": release.commit}
