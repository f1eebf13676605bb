"""How what the record says looks to people: one answer whole, a list, counts, the report of `audit verify`, and the past.

Neighbours: audit.py and at.py print it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidegate.audit.times import shown

if TYPE_CHECKING:
    from tidegate.audit.question import Kept
    from tidegate.audit.verify import Report

NEWEST = 5
WIDTH = 10


def answer_text(answer: Mapping[str, Any]) -> str:
    """One answer: a sentence, then what exactly it came from."""
    says, declared = answer["record"], answer["declared"]
    status = says["status"] if says["status"] else "nothing"
    who = (
        f"{says['model']} {says['version']} ({says['release']}) as {says['role']}"
        if says["release"]
        else "the gateway itself"
    )
    lines = [f"{says['request_id']}: answered {status} by {who}, {_when(says['time'])}, in {_ms(says['duration_ms'])}"]
    facts: list[tuple[str, Any]] = [
        ("route", says["route"] and says["route"] + (f", segment {says['segment']}" if says["segment"] else "")),
        ("flags", says["flags"]),
    ]
    if declared is not None:
        commit, artifact = declared["commit"], declared["artifact"]
        other = declared["digest_at_commit"]
        digest = (
            declared["digest"] or f"{says['release']}...; at its commit git asks for another one, {str(other)[:12]}"
        )
        facts += [
            ("release", digest),
            ("artifact", artifact and f"sha256 {artifact['sha256']}  {artifact['uri']}"),
            *(("adapter", f"sha256 {one['sha256']}  {one['name']}") for one in declared["adapters"]),
            ("image", declared["image"]),
            ("code", declared["code"]),
            ("provider", declared["provider"]),
            ("config", says["config"]),
            ("policy", declared["policy"]),
            ("commit", f"{commit['id']}  {commit['subject']} ({commit['author']}, {shown(commit['at'])})"),
        ]
    elif says["release"]:
        facts += [
            ("config", says["config"]),
            ("commit", f"{says['commit']}, which git cannot show: {answer['unknown']}"),
        ]
    more = {name: value for name, value in says.items() if name not in _SHOWN and value is not None}
    facts += [("also", ", ".join(f"{name} {value}" for name, value in more.items()))]
    sealed = (
        f"{answer['kept_in']}, link {answer['link']}" if answer["link"] else f"{answer['kept_in']}, not archived yet"
    )
    facts += [("record", sealed + ("" if answer["whole"] else "; its line was cut in two"))]
    lines += [f"  {name:<{WIDTH}}{value}" for name, value in facts if value]
    return "\n".join(lines)


_SHOWN = {
    "time", "request_id", "route", "model", "feature", "segment", "role", "release", "version", "config", "commit",
    "status", "duration_ms", "flags",
}  # fmt: skip


def _when(time: str | None) -> str:
    return shown(datetime.fromisoformat(time).timestamp(), fine=True) if time else "at an unknown time"


def _ms(value: float | None) -> str:
    return f"{value:g} ms" if value is not None else "an unknown time"


def line_text(says: Mapping[str, Any]) -> str:
    """One answer as a line of a list."""
    who = f"{says['role']} {says['version']} {says['release'][:7]}" if says["release"] else "gateway"
    flags = f"  {says['flags']}" if says["flags"] else ""
    took = f"{_ms(says['duration_ms']):>12}"
    status, route = says["status"] or "-", says["route"] or "-"
    return f"{_when(says['time'])}  {status:>3} {took}  {route:<20} {who:<24} {says['request_id']}{flags}"


def count_text(counts: Sequence[Mapping[str, Any]]) -> str:
    """A table of counts."""
    rows = [("route", "role", "version", "release", "status", "answers", "p50", "p95")]
    rows += [
        (
            str(one["route"] or "-"), str(one["role"] or "-"), str(one["version"] or "-"), str(one["release"] or "-"),
            one["status"], f"{one['answers']:,}", _ms(one["p50_ms"]), _ms(one["p95_ms"]),
        )
        for one in counts
    ]  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            text.rjust(width) if column > 4 else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def kept_text(kept: Kept) -> str:
    """How far back the record goes."""
    if kept.begins is None:
        return "the record is empty"
    archived = (
        f"{kept.lines:,} answers in {kept.segments} archived segments" if kept.segments else "nothing archived yet"
    )
    return f"the record goes back to {shown(kept.begins)}: {archived}, {kept.open_bytes:,} bytes not archived yet"


def missing_text(request_id: str, kept: Kept, losses: Sequence[Mapping[str, Any]]) -> str:
    """Why a request may not be found."""
    return "\n".join([f"{request_id} is not in the record; {kept_text(kept)}", *losses_text(losses)])


def losses_text(losses: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is known to be missing, the newest few."""
    if not losses:
        return ["nothing is known to be missing in it"]
    newest = [f"  {shown(one['at'])}  {one['text']}" for one in losses[-NEWEST:]]
    return [f"known to be missing in it, {len(losses)} times, last:", *newest]


def report_text(report: Report, losses: Sequence[Mapping[str, Any]]) -> str:
    """What `audit verify` found: the first broken link before all others."""
    held = f"{report.segments} segments with {report.lines:,} answers, {report.links} links"
    held += f", {report.removed} segments removed by retention" if report.removed else ""
    if report.anchored is None:
        anchored = "git was not asked: without its anchors a chain that was made anew cannot be told"
    elif not report.anchored:
        anchored = "no link is anchored in git yet"
    else:
        anchored = f"git vouches for the first {report.anchored} links, since {shown(report.anchored_at or 0.0)}"
    if not report.links and not report.broken:
        return "\n".join(["nothing is archived yet, so there is nothing to check", *losses_text(losses)])
    lines = []
    for number, one in enumerate(report.broken):
        where = f"link {one.link}" + (f", {one.segment} of {one.day}" if one.segment else "")
        lines += [f"{'BROKEN first at' if number == 0 else 'and at'} {where}: {one.what}", f"  means: {one.means}"]
    lines += [f"{'the rest' if report.broken else 'intact'}: {held}", anchored, *report.notes, *losses_text(losses)]
    return "\n".join(lines)


def past_text(routes: Sequence[Mapping[str, Any]]) -> list[str]:
    """What was in production on each route."""
    lines = []
    for one in routes:
        stable, candidate = one["stable"], one["candidate"]
        lines.append(one["route"])
        weights = one["weights"] or {}
        if stable is not None:
            lines.append(f"  stable     {_ran(stable, weights)}")
        else:
            lines.append("  nothing had been promoted")
        if candidate is not None and candidate["release"] != (stable or {}).get("release"):
            step = f", {one['phase']} {one['step'] or ''}".rstrip()
            lines.append(f"  candidate  {_ran(candidate, weights)}{step}")
        named = {ran["release"] for ran in (stable, candidate) if ran is not None}
        lines += [f"  also       {release} {share:g}%" for release, share in weights.items() if release not in named]
        lines.append(f"  since      {shown(one['since'])}  {one['word']}")
        lines.append(f"  says       {one['source']}" + "".join(f"; {doubt}" for doubt in one["doubts"]))
    return lines


def _ran(ran: Mapping[str, Any], weights: Mapping[str, float]) -> str:
    share = f" {weights[ran['release']]:g}%" if ran["release"] in weights else ""
    config = f" +{ran['config']}" if ran["config"] else ""
    commit = f" at {ran['commit'][:12]}" if ran["commit"] else ""
    return f"{ran['version']} ({ran['release']}){config}{share}{commit}"
