"""A plan for a terminal: a block a route, a label a line, nothing wider than the terminal. Pure.

Neighbours: plan.py and plan_frame.py have the facts, plan_words.py and plan_layout.py the words and the columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tidegate.rollout.plan import Plan, RoutePlan, Servers, StepPlan, Way
from tidegate.rollout.plan_frame import BASIS, Frame, PolicyEdit
from tidegate.rollout.plan_layout import LABEL, labelled, table, wrapped
from tidegate.rollout.plan_words import (
    change_words,
    describe,
    guardrail_words,
    number,
    rate_words,
    release_words,
    samples_words,
    share_words,
    spell,
    time_words,
)
from tidegate.rollout.sight import Sight
from tidegate.spec.difference import Difference
from tidegate.spec.units import format_duration, format_share

__all__ = ["HEADLINES", "MARKER", "as_text", "change_line", "describe", "facts"]

MARKER = "<!-- tidegate plan -->"
"""The first line of a plan's Markdown: `tidegate comment` finds its own comment again by it."""
WIDTH = 100
MOST = 12
"""Changed fields that are shown of one file."""

HEADLINES = {
    Way.NOTHING: "nothing changes",
    Way.FIRST: "first release: validated, then all traffic at once",
    Way.STEPS: "new release",
    Way.CONFIG: "only the inference config changes: no server starts or stops",
    Way.FAST: "back to a former release",
    Way.BACK: "back to the stable release: the candidate loses its traffic at once",
    Way.SKIPPED: "not tried: rejected before; a newer commit that touches it tries it again",
    Way.GOES_ON: "its rollout goes on",
    Way.REPLICAS: "the same release, with another number of servers",
    Way.KEPT: "left as it is",
    Way.UNKNOWN: "asks for a release, and what serves now cannot be told",
    Way.PROBLEM: "cannot be followed: it stays as it is",
}

Fact = tuple[str, list[str]]
"""A label, and its lines."""


def as_text(plan: Plan, frame: Frame | None = None, width: int = WIDTH) -> str:
    """One block a route that changes, within `width` columns; before them what is compared, after them who reviews."""
    blocks = [_head(frame, width)] if frame is not None else []
    blocks += [_block(route, width) for route in plan.changes]
    blocks += [_policy(edit, width) for edit in frame.policies] if frame is not None else []
    quiet = len(plan.routes) - len(plan.changes)
    if not plan.changes:
        blocks.append("nothing changes")
    elif quiet:
        blocks.append(f"nothing changes for {quiet} other route{'s' if quiet > 1 else ''}")
    if frame is not None and frame.reviews:
        lines = [f"{r.role}: {', '.join(r.owners)} ({_some(r.files)})" for r in frame.reviews]
        blocks.append("\n".join(["review by", *(line for one in lines for line in wrapped(one, width, "  "))]))
    return "\n\n".join(blocks)


def facts(route: RoutePlan, room: int | None = None) -> list[Fact]:
    """What there is to say of a route, label by label. With `room` columns for a line, steps and sights are tables."""
    found: list[Fact] = []
    if route.then is not None and route.way not in (Way.NOTHING, Way.REPLICAS, Way.GOES_ON):
        before = release_words(route.now) if route.now is not None else "nothing"
        unknown = "unknown" if route.way is Way.UNKNOWN else before
        found.append(("release", [f"{unknown} -> {release_words(route.then)}"]))
    elif route.then is not None:
        found.append(("release", [release_words(route.then)]))
    if route.reason and route.way is not Way.NOTHING:
        found.append(("reason", [route.reason]))
    found.append(("changes", _changes(route.changes)))
    found.append(("servers", list(_servers(route))))
    found.append(("steps", _steps(route.steps, room)))
    found.append(("time", list(_time(route))))
    found.append(("approvals", _approvals(route)))
    found.append(("sees", _sees(route, room)))
    found.append(("promotion", _promotion(route)))
    found.append(("note", list(route.notes)))
    found.append(("risk", list(route.risks)))
    return [(label, lines) for label, lines in found if lines]


def _head(frame: Frame, width: int) -> str:
    base = f"{frame.base.name} {frame.base.commit[:12]}" if frame.base.commit else frame.base.name
    head = f"{frame.head.name} {frame.head.commit[:12]}" if frame.head.commit else frame.head.name
    lines = wrapped(f"{base} -> {head}", width) + wrapped(BASIS[frame.basis], width)
    if frame.errors:
        more = "errors" if frame.errors > 1 else "error"
        lines += wrapped(f"{frame.errors} {more}, and what they touch stays as it is:", width)
        lines += [line for one in frame.first for line in wrapped(one, width, "  ")]
    return "\n".join(lines)


def _block(route: RoutePlan, width: int) -> str:
    lines = wrapped(f"{route.route}: {HEADLINES[route.way]}", width)
    for label, texts in facts(route, width - LABEL - 2):
        lines += labelled(label, texts, width)
    return "\n".join(lines)


def _policy(edit: PolicyEdit, width: int) -> str:
    lines = wrapped(f"policy {edit.policy}: edited", width)
    lines += labelled("changes", _changes(edit.changes), width)
    if edit.routes:
        lines += labelled("used by", [", ".join(edit.routes)], width)
    if edit.under_way:
        lines += labelled("note", [f"under way: {', '.join(edit.under_way)}; applies from the next step on"], width)
    return "\n".join(lines)


def change_line(one: Difference) -> str:
    """One field: `version 2.0.0 -> 2.1.0`, `+ seed 7`, `- stop`."""
    if one.before is None:
        return f"+ {one.field} {one.after}"
    if one.after is None:
        return f"- {one.field} {one.before}"
    return f"{one.field} {one.before} -> {one.after}"


def _changes(changes: Iterable[Difference]) -> list[str]:
    """A paragraph a file; what is no part of the release comes last in it."""
    files: dict[str, list[Difference]] = {}
    for one in changes:
        files.setdefault(one.file, []).append(one)
    lines = []
    for file, fields in files.items():
        ordered = sorted(fields, key=lambda one: one.told)
        shown = [change_line(one) for one in ordered[:MOST]]
        more = [f"and {len(ordered) - MOST} more"] if len(ordered) > MOST else []
        lines.append(f"{file.partition('/')[2] or file}: {'; '.join([*shown, *more])}")
    return lines


def _amount(servers: Servers) -> str:
    memory = f", {spell(servers.memory)} each" if servers.memory else ""
    return f"{servers.replicas} x {servers.release.version}{memory}"


def _servers(route: RoutePlan) -> Iterable[str]:
    if route.way is Way.REPLICAS:
        yield from (f"starts {_amount(one)}" for one in route.starts)
        yield from (f"stops {_amount(one)}" for one in route.stops)
        return
    for one in route.starts:
        yield f"starts {_amount(one)}"
    for one in route.stops:
        name = f"{one.replicas} x {one.release.version}"
        s = "" if one.replicas > 1 else "s"
        if route.standby:
            yield f"{name} stay{s} hot for {format_duration(route.standby)} after that, then stop{s}"
        else:
            yield f"{name} stop{s} then"


def _steps(steps: Sequence[StepPlan], room: int | None) -> list[str]:
    if room is None:
        return [describe(one.step) for one in steps]
    rows = [
        (
            str(number_),
            one.step.name,
            share_words(one.step),
            format_duration(one.step.duration),
            _expected(one),
            _asks(one),
        )
        for number_, one in enumerate(steps, 1)
    ]
    return (table(rows, room) if rows else []) or [describe(one.step) for one in steps]


def _expected(one: StepPlan) -> str:
    if one.seconds is None or one.requests is None:
        return ""
    longer = f"takes {time_words(one.seconds)}, " if one.seconds > one.step.duration + 1 else ""
    return f"{longer}{number(one.requests)} requests"


def _asks(one: StepPlan) -> str:
    step = one.step
    parts = [f"at least {step.min_requests:,}"] if step.min_requests and one.requests is None else []
    parts += [f"{format_share(step.holdback)} held back"] if step.holdback else []
    parts += ["approved already" if one.approved else "after approval"] if step.approve == "manual" else []
    return ", ".join(parts)


def _time(route: RoutePlan) -> Iterable[str]:
    if not route.steps:
        return
    least = f"{time_words(route.shortest)} of traffic at the least"
    if route.expected is not None and route.rate is not None:
        later = f", {time_words(route.wait)} of that after the last step" if route.wait > 1 else ""
        expected = f"{time_words(route.expected)} at {rate_words(route.rate)}{later}"
        same = time_words(route.expected) == time_words(route.shortest)
        yield expected if same else f"{least}; {expected}"
    elif route.rate is not None:
        yield f"{least}; how long at the declared traffic cannot be told: a segment's share is not declared"
    else:
        yield f"{least}; its traffic is not declared ('traffic' in model.yaml), so no more can be told"


def _approvals(route: RoutePlan) -> list[str]:
    if not route.approvals:
        return []
    who = f", by {' or '.join(route.approvers)}" if route.approvers else ""
    return [f"{', '.join(route.approvals)}{who}"]


def _sees(route: RoutePlan, room: int | None) -> list[str]:
    """A line a guardrail: what is found by its first step and by the end; else the samples that a plain effect takes."""
    if not route.sights:
        return []
    if all(sight.whole is None for sight in route.sights):
        return [f"{_guardrail(sight)}: {_plain(sight)}" for sight in route.sights]
    steps = {sight.step for sight in route.sights if sight.step is not None}
    step = steps.pop() if len(steps) == 1 else ""
    once = all(sight.first == sight.whole for sight in route.sights)
    rows = [("", _when(route, step), "" if once else "by the end")]
    rows += [
        (_guardrail(sight), _found(sight, sight.first), "" if once else _found(sight, sight.whole))
        for sight in route.sights
    ]
    columns = table(rows, room) if room is not None else None
    whole = "" if once else "; {} by the end"
    return columns or [f"{name}: {first} {rows[0][1]}{whole.format(last)}" for name, first, last in rows[1:]]


def _when(route: RoutePlan, step: str) -> str:
    """Behind what the first sight is: a step, or its least requests where nobody says how many come."""
    least = 0
    for one in route.steps:
        least += one.step.min_requests
        if one.step.name == step:
            return f"in {step}" if route.rate is not None else f"after {least:,} requests"
    return "at first"


def _guardrail(sight: Sight) -> str:
    return guardrail_words(sight.guardrail)


def _found(sight: Sight, effect: float | None) -> str:
    return change_words(sight.guardrail, effect) if effect is not None else "nothing"


def _plain(sight: Sight) -> str:
    """The samples that a plain effect takes."""
    change = change_words(sight.guardrail, sight.plain)
    if sight.requests is None:
        return f"{change} is within the limit"
    return f"{change} after about {samples_words(sight.guardrail, sight.requests)}"


def _promotion(route: RoutePlan) -> list[str]:
    lines = []
    for sight in route.sights:
        if sight.guardrail.margin is not None and sight.promotion is not None:
            margin = f"{sight.guardrail.metric}, margin: {sight.guardrail.margin:g}"
            lines.append(
                f"{margin}: excluded after about {samples_words(sight.guardrail, sight.promotion, 'healthy ')}"
            )
    return lines


def _some(files: Sequence[str]) -> str:
    return ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
