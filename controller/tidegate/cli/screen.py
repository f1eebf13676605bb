"""How a status looks to people: a line a route, its trial beneath it with a bar, and what is wrong at the end.

Neighbours: `status` and the demo print it; engine/summary.py has the values.
"""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tidegate.spec.units import format_duration

WIDTH = 20


def render_status(doc: dict[str, Any]) -> RenderableType:
    """The whole status."""
    parts: list[RenderableType] = [_headline(doc)]
    if doc["routes"]:
        parts.append(_routes(doc["routes"]))
    for problem in doc["problems"]:
        parts.append(Text.assemble(("! ", "bold red"), problem["message"]))
        if problem.get("fix"):
            parts.append(Text(f"  fix: {problem['fix']}", style="dim"))
    return Group(*parts)


def _headline(doc: dict[str, Any]) -> Text:
    if not doc["running"]:
        return Text("no controller runs here; this is what the journal knows", style="yellow")
    git = f"{doc['commit'][:12]} {doc['subject']}" if doc["commit"] else "no commit yet"
    gateway = f"gateway {doc['gateway']['address']}" + ("" if doc["gateway"]["alive"] else " DOWN")
    return Text(f"{doc['instance']} · {doc['environment']} · {doc['runtime']} · {gateway} · git {git}", style="bold")


def _routes(routes: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("ROUTE", "RELEASE", "ROLE", "SHARE", "", "REQ/S", "ERRORS", "P95", "STATE"):
        table.add_column(column, overflow="fold")
    for route in routes:
        for number, row in enumerate(_rows(route)):
            table.add_row(route["route"] if number == 0 else "", *row)
    return table


def _rows(route: dict[str, Any]) -> list[tuple[RenderableType, ...]]:
    stable, candidate = route["stable"], route["candidate"]
    rows = []
    if stable:
        state = Text(f"degraded: {route['degraded']}", style="red") if route["degraded"] else Text("serving")
        if route["git_pending"]:
            state.append(f"; git is owed: {', '.join(duty['kind'] for duty in route['git_pending'])}", style="yellow")
        if route["git"]:
            state.append(f"; {route['git']}", style="dim")
        rows.append(_row(route, stable, "stable", state))
    if candidate:
        rows.append(_row(route, candidate, "candidate", trial_text(candidate)))
    rows += [_row(route, one, "standby", Text(f"hot for {format_duration(one['for'])}")) for one in route["standby"]]
    if not rows:
        rows.append(("-", "", "", "", "", "", "", Text("nothing has been promoted yet")))
    if route["problem"]:
        rows.append(("", "", "", "", "", "", "", Text(route["problem"], style="red")))
    return rows


def _row(route: dict[str, Any], release: dict[str, Any], role: str, state: Text) -> tuple[RenderableType, ...]:
    share = route["weights"].get(release["release"], 0.0)
    meter = route["meters"].get(release["release"], {})
    errors = meter.get("error_rate")
    filled = round(share / 100 * WIDTH)
    color = {"stable": "green", "candidate": "cyan"}.get(role, "dim")
    config = f"+{release['config']}" if release["config"] else ""
    return (
        f"{release['version']}{config} {release['release'][:7]}",
        Text(role, style=color),
        f"{share:g}%",
        Text("█" * filled + "·" * (WIDTH - filled), style=color),
        f"{meter['rate']:g}" if meter.get("rate") is not None else "",
        Text(f"{errors:.1%}", style="red" if errors else "") if errors is not None else "",
        f"{meter['p95_ms']:g} ms" if meter.get("p95_ms") is not None else "",
        state,
    )


def trial_text(candidate: dict[str, Any]) -> Text:
    """Where a trial stands: phase, step, its clock and requests, the reason of a hold, the verdict so far."""
    text = Text(candidate["phase"], style="bold")
    if candidate["step"]:
        text.append(f" {candidate['step']} ({candidate['step_number']}/{len(candidate['steps'])})")
        text.append(f", {candidate['clock']:.0f} of {candidate['for']:.0f} s, {candidate['requests']}")
        text.append(f" of {candidate['min_requests']} requests" if candidate["min_requests"] else " requests")
    if candidate["hold"]:
        text.append(f"; {candidate['hold']}: {candidate['hold_reason']}", style="yellow")
    elif candidate["verdict"]:
        text.append(f"; {candidate['verdict']['sentence']}", style="dim")
    return text
