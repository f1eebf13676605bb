"""How a status looks to people: a line a route, its trial beneath it with a bar, and what is wrong at the end.

Neighbours: `status` and the demo print it; engine/summary.py has the values.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tidegate.spec.units import format_duration

WIDTH = 10
COLUMNS = 7
RECENT = 86400.0
"""Seconds after which a loss in the record is no news."""


def render_status(doc: dict[str, Any]) -> RenderableType:
    """The whole status."""
    parts: list[RenderableType] = [_headline(doc)]
    if doc["routes"]:
        parts.append(_routes(doc["routes"]))
    parts += _missing(doc.get("record", {}), doc["at"])
    for problem in doc["problems"]:
        parts.append(Text.assemble(("! ", "bold red"), problem["message"]))
        if problem.get("fix"):
            parts.append(Text(f"  fix: {problem['fix']}", style="dim"))
    return Group(*parts)


def _missing(record: dict[str, Any], now: float) -> list[RenderableType]:
    """What the record lacks, as far as anybody knows, and since a day ago: the last time, and where the others are told."""
    losses = record.get("losses")
    if not losses or now - losses[-1]["at"] > RECENT:
        return []
    last = losses[-1]
    when = datetime.fromtimestamp(last["at"], UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return [Text(f"the record, {when}: {last['text']}; tidegate audit verify lists all", style="yellow")]


def _headline(doc: dict[str, Any]) -> Text:
    acting = doc["acting"]["owner"] if doc["acting"] else None
    if not doc["running"]:
        who = f"the controller that acts ({acting}) says nothing" if acting else "no controller runs here"
        return Text(f"{who}; this is what the journal knows", style="yellow")
    git = f"{doc['commit'][:12]} {doc['subject']}" if doc["commit"] else "no commit yet"
    gateway = f"gateway {doc['gateway']['address']}" + ("" if doc["gateway"]["alive"] else " DOWN")
    return Text(
        f"{doc['instance']} · {doc['environment']} · {doc['runtime']} · {gateway} · git {git} · acts: {acting}",
        style="bold",
    )


def _routes(routes: list[dict[str, Any]]) -> Group:
    return Group(*(part for route in routes for part in _route(route)))


def _route(route: dict[str, Any]) -> list[RenderableType]:
    """A headline, a line a release, and what there is to say beneath."""
    parts: list[RenderableType] = [Text(route["route"], style="bold")]
    releases = [(one, "stable") for one in (route["stable"],) if one]
    releases += [(one, "candidate") for one in (route["candidate"],) if one]
    releases += [(one, "standby") for one in route["standby"]]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for _ in range(COLUMNS):
        table.add_column(no_wrap=True)
    for release, role in releases:
        table.add_row(*_row(route, release, role))
    parts.append(
        Padding(table, (0, 0, 0, 2), expand=False) if releases else Text("  nothing has been promoted yet", style="dim")
    )
    parts += [Text.assemble("  ", line) for line in _lines(route)]  # wrapped where it is shown, never cut off
    return parts


def _lines(route: dict[str, Any]) -> list[Text]:
    lines = []
    candidate = route["candidate"]
    if candidate:
        line = trial_text(candidate)
        why = route["why"].get(candidate["release"])
        if why and not candidate["hold"]:
            line.append(f"; not ready yet: {why}", style="yellow")
        lines.append(line)
    lines += _measured(route)
    lines += _spent(route)
    lines += [source_text(source) for source in route.get("sources", ())]
    watch = route.get("watch")
    if watch and watch["verdict"]:
        failed = watch["verdict"]["result"] == "fail"
        text = f"watched for {_roughly(watch['for'])} more: {watch['verdict']['sentence']}"
        lines.append(Text(text, style="red" if failed else "dim"))
    if route["degraded"]:
        lines.append(Text(f"degraded: {route['degraded']}", style="red"))
    lines += [
        Text(f"git is still owed a {duty['kind']}: {duty['reason']}", style="yellow") for duty in route["git_pending"]
    ]
    if route["git"]:
        lines.append(Text(route["git"], style="dim"))
    if route["problem"]:
        lines.append(Text(route["problem"], style="red"))
    return lines


def _spent(route: dict[str, Any]) -> list[Text]:
    """What the answers of the releases at work took, where they tell."""
    lines = []
    for release in filter(None, (route["stable"], route["candidate"])):
        meter = route["meters"].get(release["release"], {})
        counted, priced = meter.get("counted") or 0, meter.get("priced") or 0
        if not counted:
            continue
        said = f"{release['version']}: {meter['tokens']:,} tokens in {counted:,} answers"
        if priced:
            said += f", {meter['cost']:,.4f} {meter['currency']}"
        if priced < counted:
            said += ", which have no price" if not priced else f"; {counted - priced:,} of them have no price"
        lines.append(Text(said, style="dim"))
    return lines


def _measured(route: dict[str, Any]) -> list[Text]:
    """What the candidate's validation shows; without a candidate, what the stable release's showed."""
    about = route["candidate"] or route["stable"]
    report = route.get("validation", {}).get(about["release"]) if about else None
    if report is None:
        return []
    if report["measuring"]:
        return [Text("is being measured on the contract's evaluation set", style="dim")]
    return [Text(f"{about['version']} {report_text(report)}", style="dim")]


def report_text(report: dict[str, Any]) -> str:
    """A validation's report in one line."""
    if report["refused"]:
        return f"was refused before users: {report['refused']}"
    metrics = report["metrics"] or {}
    shown = [name for name in metrics if not name.startswith(("latency_", "error_rate"))][:3]
    shown += [name for name in ("latency_p95_ms",) if name in metrics]
    figures = ", ".join(f"{name} {metrics[name]:.4g}" for name in shown)
    failed = f", {report['failed']} failed" if report["failed"] else ""
    where = f"{report['examples']} examples of set {(report['sha256'] or '')[:12]}{failed}"
    return f"before users: {figures + ' on ' if figures else ''}{where}"


_STATES = {"no_data": "has no data", "source_down": "is down", "checker_broken": "is broken"}


def source_text(source: dict[str, Any]) -> Text:
    """One source of the guardrails: how it is, or what became of the feedback."""
    name = f"{source['source']} {source['metric']}"
    if source["source"] == "feedback":
        counts = ", ".join(f"{number:,} {word.replace('_', ' ')}" for word, number in sorted(source["counts"].items()))
        return Text(f"{name}: {counts or 'none yet'}", style="dim")
    if source["state"] in _STATES:
        since = f" for {_roughly(source['for'])}" if source["for"] >= 1 else ""
        fix = f"; fix: {source['fix']}" if source["fix"] else ""
        return Text(f"{name} {_STATES[source['state']]}{since}: {source['why']}{fix}", style="yellow")
    values = source["values"]
    shown = " against ".join(f"{values[arm]:.4g}" for arm in ("candidate", "stable") if arm in values)
    ago = f", {_roughly(source['answered'])} ago" if source["answered"] is not None and source["answered"] >= 1 else ""
    return Text(f"{name}: {shown}{ago}" if shown else f"{name}: asked", style="dim")


def _row(route: dict[str, Any], release: dict[str, Any], role: str) -> tuple[RenderableType, ...]:
    share = route["weights"].get(release["release"], 0.0)
    meter = route["meters"].get(release["release"], {})
    errors = meter.get("error_rate")
    filled = round(share / 100 * WIDTH)
    color = {"stable": "green", "candidate": "cyan"}.get(role, "dim")
    config = f"+{release['config']}" if release["config"] else ""
    hot = f"hot for {_roughly(release['for'])}" if role == "standby" else ""
    return (
        Text(role, style=color),
        f"{release['version']}{config} {release['release'][:7]}",
        Text("█" * filled + "·" * (WIDTH - filled), style=color),
        f"{share:g}%",
        f"{meter['rate']:g}/s" if meter.get("rate") else "",
        Text(f"{errors:.1%} errors", style="red" if errors else "") if errors is not None and meter["rate"] else "",
        f"p95 {meter['p95_ms']:g} ms" if meter.get("p95_ms") is not None else hot,
    )


def _roughly(seconds: float) -> str:
    """A duration in its two largest units: nobody waits for the last second of three days."""
    return "".join(re.findall(r"\d+[a-z]+", format_duration(round(seconds)))[:2])


def trial_text(candidate: dict[str, Any]) -> Text:
    """Where a trial stands: phase, step, its clock and requests, the reason of a hold, the verdict so far."""
    text = Text(candidate["phase"], style="bold")
    if candidate["step"]:
        text.append(f" {candidate['step']} ({candidate['step_number']}/{len(candidate['steps'])})")
        text.append(f", {candidate['clock']:.0f} of {candidate['for']:.0f} s, {candidate['requests']}")
        what = "requests" if candidate["missing"] is None else "pairs of answers"
        text.append(f" of {candidate['min_requests']} {what}" if candidate["min_requests"] else f" {what}")
        text.append(f", {candidate['agreement']:.1%} agree" if candidate["agreement"] is not None else "")
        text.append(f", {candidate['missing']:,} copies without one" if candidate["missing"] else "")
    if candidate["hold"]:
        text.append(f"; {candidate['hold']}: {candidate['hold_reason']}", style="yellow")
    elif candidate["verdict"]:
        text.append(f"; {candidate['verdict']['sentence']}", style="dim")
    return text
