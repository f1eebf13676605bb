"""A plan as the comment of a pull request: a line a route, the whole of each folded beneath. Pure.

What people wrote is escaped: a version's reason must neither break the table nor call somebody by name.
Neighbours: plan_text.py has the facts in words, plan_words.py the figures; `tidegate comment` finds the marker again.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from tidegate.rollout.plan import Plan, RoutePlan, Way
from tidegate.rollout.plan_frame import BASIS, Frame, Review
from tidegate.rollout.plan_text import HEADLINES, MARKER, facts
from tidegate.rollout.plan_words import change_words, guardrail_words, number, share_words, time_words
from tidegate.rollout.sight import Sight
from tidegate.spec.units import format_duration

LONGEST = 60_000
"""Characters: GitHub takes no more than 65,536. What is beyond goes, the lines of all routes stay."""
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~>-])")


def as_markdown(plan: Plan, frame: Frame | None = None) -> str:
    """The comment. Its first line is hidden and tells that it is this one."""
    head = [MARKER, "### Tidegate plan", *_frame(frame)]
    if not plan.changes:
        head.append("Nothing changes.")
    else:
        head.append(_table(("route", "what happens", "release", "time", "approvals"), map(_row, plan.changes)))
    quiet = len(plan.routes) - len(plan.changes)
    tail = [f"Nothing changes for {quiet} other route{'s' if quiet > 1 else ''}."] if quiet and plan.changes else []
    tail += [_reviews(frame.reviews)] if frame is not None and frame.reviews else []
    folded = [_details(route) for route in plan.changes]
    folded += [_policy(frame, index) for index in range(len(frame.policies))] if frame is not None else []
    room = LONGEST - sum(len(part) + 2 for part in (*head, *tail))
    kept: list[str] = []
    for part in folded:
        if len(part) + 2 > room:
            kept.append(f"*{len(folded) - len(kept)} more: `tidegate plan` shows them.*")
            break
        kept.append(part)
        room -= len(part) + 2
    return "\n\n".join([*head, *kept, *tail]) + "\n"


def escaped(text: str) -> str:
    """Text that somebody wrote, as text: no markup, no HTML, no table cell, nobody called by `@`, no issue by `#`."""
    flat = " ".join(text.split()).replace(" -> ", " → ")
    flat = _SPECIAL.sub(r"\\\1", flat.replace("&", "&amp;").replace("<", "&lt;"))
    return re.sub(r"(?<![&\w])@", "@\u2060", flat).replace("\\#", "&#35;")


def code(text: str) -> str:
    """Text in a code span; a word joiner keeps its own back-ticks and bars from ending it or the table's cell."""
    flat = " ".join(text.split()).replace("|", "\u2223").replace("`", "\u02cb")
    return f"`{flat}`"


def _frame(frame: Frame | None) -> list[str]:
    if frame is None:
        return []
    sides = [code(f"{s.name} {s.commit[:12]}" if s.commit else s.name) for s in (frame.base, frame.head)]
    lines = [f"{sides[0]} → {sides[1]}, {BASIS[frame.basis]}."]
    if frame.errors:
        more = "errors" if frame.errors > 1 else "error"
        shown = "".join(f"\n- {escaped(one)}" for one in frame.first)
        lines.append(f"**{frame.errors} {more}**, and what they touch stays as it is:\n{shown}")
    return lines


def _row(route: RoutePlan) -> tuple[str, ...]:
    release = ""
    if route.then is not None:
        then = f"{route.then.version}" + (f" {route.then.config}" if route.then.config else "")
        now = f"{route.now.version}" + (f" {route.now.config}" if route.now.config else "") if route.now else ""
        if route.now is not None and now == then:
            now, then = (f"{name} ({one.id})" for name, one in ((now, route.now), (then, route.then)))
        release = code(then) if not now or route.way is Way.GOES_ON else f"{code(now)} → {code(then)}"
    time = ""
    if route.steps:
        time = f"{time_words(route.shortest)} or more"
        if route.expected is not None:
            time = time_words(route.expected)
    wanted = ", ".join(code(name) for name in route.approvals)
    many = "risks" if len(route.risks) > 1 else "risk"
    sign = f", {len(route.risks)} {many}" if route.risks else ""
    return code(route.route), f"{HEADLINES[route.way]}{sign}", release, time, wanted


def _details(route: RoutePlan) -> str:
    parts = []
    for label, lines in facts(route):
        if label == "steps":
            parts.append(_steps(route))
        elif label == "sees":
            parts.append(_sights(route.sights))
        elif label in ("changes", "note", "risk", "promotion"):
            word = {"changes": "Changes", "note": "Notes", "risk": "Risks", "promotion": "Promotion"}[label]
            parts.append("\n".join([f"**{word}**", "", *(f"- {escaped(line)}" for line in lines)]))
        else:
            parts.append(f"**{label.capitalize()}**: {'; '.join(escaped(line) for line in lines)}")
    open_ = " open" if route.risks or route.way in (Way.PROBLEM, Way.UNKNOWN) else ""
    name = html.escape(route.route)
    return (
        f"<details{open_}><summary>{name}: {HEADLINES[route.way]}</summary>\n\n" + "\n\n".join(parts) + "\n\n</details>"
    )


def _steps(route: RoutePlan) -> str:
    known = any(one.requests is not None for one in route.steps)
    head = ["step", "share", "at least", *(["expected", "candidate requests"] if known else []), ""]
    rows = []
    for one in route.steps:
        step = one.step
        least = format_duration(step.duration) + (f", {step.min_requests:,} requests" if step.min_requests else "")
        seen = [time_words(one.seconds) if one.seconds is not None else "", number(one.requests or 0)] if known else []
        word = "approved already" if one.approved else "after approval" if step.approve == "manual" else ""
        rows.append((code(step.name), escaped(share_words(step)), least, *seen, word))
    return _table(head, rows)


def _sights(sights: Sequence[Sight]) -> str:
    """What would be found, by which step; the samples that a plain effect takes."""
    rows = []
    for sight in sights:
        rail = sight.guardrail
        first = f"{change_words(rail, sight.first)} by {code(sight.step)}" if sight.first and sight.step else ""
        whole = change_words(rail, sight.whole) if sight.whole is not None else ""
        things = " pairs" if rail.paired else " values" if rail.polled else ""
        takes = f"{sight.requests:,}{things}" if sight.requests is not None else "never found"
        rows.append((code(guardrail_words(rail)), first, whole, f"{change_words(rail, sight.plain)}: {takes}"))
    return _table(("guardrail", "sees at first", "sees in the end", "candidate requests for"), rows)


def _policy(frame: Frame, index: int) -> str:
    edit = frame.policies[index]
    lines = [
        f"- {code(f'{one.field}')}: {escaped(one.before or '-')} → {escaped(one.after or '-')}" for one in edit.changes
    ]
    used = f"\n\nUsed by {', '.join(code(route) for route in edit.routes)}." if edit.routes else ""
    now = ", ".join(code(route) for route in edit.under_way)
    under = f" Under way: {now}; there it applies from the next step on." if now else ""
    return (
        f"<details><summary>policy {html.escape(edit.policy)}: edited</summary>\n\n"
        + "\n".join(lines)
        + used
        + under
        + "\n\n</details>"
    )


def _reviews(reviews: Iterable[Review]) -> str:
    parts = (f"{escaped(r.role)} ({', '.join(code(owner) for owner in r.owners)})" for r in reviews)
    return f"Review by {', '.join(parts)}."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table without the columns that are empty in every row."""
    whole = list(rows)
    kept = [i for i in range(len(head)) if any(row[i] for row in whole)]
    lines = [[head[i] for i in kept], ["---"] * len(kept), *([row[i] for i in kept] for row in whole)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
