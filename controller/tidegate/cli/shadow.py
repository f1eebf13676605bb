"""`tidegate shadow`: what a shadow step has found: how often its release agrees, and what it says instead.

Neighbours: engine/shadowing.py counts, engine/disagreements.py writes the report that is shown here.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from tidegate.cli.output import ConfigOption, Format, FormatOption, print_json


def shadow(
    route: Annotated[str, typer.Argument(metavar="MODEL[/FEATURE]", help="The route whose shadow step is meant.")],
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="The newest so many disagreements.")] = 5,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,  # noqa: A002 the option's name
) -> None:
    """Show how far the release on trial agrees with the one in production, and answers in which it does not.

    Of the latest shadow step of the route. Exit 1 when it never had one.

    Example: tidegate shadow digits --limit 20
    """
    import orjson

    from tidegate.engine.disagreements import FOLDER, report_file
    from tidegate.engine.settings import open_settings

    settings = open_settings(config)
    try:
        report = orjson.loads(report_file(settings.state / FOLDER, route).read_bytes())
    except FileNotFoundError:
        typer.echo(f"{route} has had no shadow step with answers to compare on this controller", err=True)
        raise typer.Exit(1) from None
    report["samples"] = report["samples"][-limit:] if limit else []
    if format is Format.JSON:
        print_json(report)
    else:
        typer.echo(report_text(report))


def report_text(report: dict[str, Any]) -> str:
    """The report for people."""
    from datetime import UTC, datetime

    from tidegate.spec.units import format_duration, format_share

    stable, shadow = report["stable"], report["shadow"]
    began = datetime.fromtimestamp(report["since"], UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    agreement = "none could be compared" if report["agreement"] is None else f"{report['agreement']:.1%} of them agree"
    lines = [
        f"{report['route']}: {_name(shadow)} got copies of {format_share(report['share'])} of the requests"
        f" that {_name(stable)} answered",
        f"since {began}, for {format_duration(report['until'] - report['since'])}",
        "",
        f"  pairs of answers  {report['pairs']:,}; {agreement}",
    ]
    for count, words in (
        (report["missing"], "copies without an answer; they count as no agreement"),
        (report["stable_failed"], "requests that the release in production failed; not compared"),
        (report["unreadable"], f"pairs that could not be compared: {report['why_unreadable']}"),
    ):
        if count:
            lines.append(f"  {count:>16,}  {words}")
    lines += ["", *_table((("in production", stable), ("shadow", shadow)))]
    for sample in report["samples"]:
        lines += ["", f"{sample['time']}  {sample['request_id']}", f"  {sample['why']}"]
        lines += [
            f"  {words:13}  {sample[arm]['answer']}"
            for words, arm in (("in production", "stable"), ("shadow", "shadow"))
        ]
    return "\n".join(lines)


_UNTOLD: Final[dict[str, Any]] = {"tokens": None, "counted": 0, "cost": None, "priced": 0, "currency": None}


def _table(arms: tuple[tuple[str, dict[str, Any]], ...]) -> list[str]:
    """Both releases side by side: errors, times and, where answers tell them, tokens and what 1,000 requests cost.

    A report that an earlier Tidegate wrote says nothing of tokens.
    """
    arms = tuple((words, _UNTOLD | arm) for words, arm in arms)
    heads = ["answers", "errors", "p50 ms", "p95 ms"]
    counted = any(arm["counted"] for _, arm in arms)
    currency = next((arm["currency"] for _, arm in arms if arm["priced"]), None)
    heads += ["tokens"] if counted else []
    heads += [f"{currency}/1,000"] if currency else []
    lines = [f"  {'':18}" + "".join(f"{head:>{_width(head)}}" for head in heads)]
    for words, arm in arms:
        cells = [f"{arm['answers']:,}", f"{arm['errors']:,}"]
        cells += [_number(arm[name]) for name in ("latency_p50_ms", "latency_p95_ms")]
        cells += [_mean(arm["tokens"], arm["counted"], 1, ",.1f")] if counted else []
        cells += [_mean(arm["cost"], arm["priced"], 1000, ",.4g")] if currency else []
        row = zip(heads, cells, strict=True)
        lines.append(f"  {words:18}" + "".join(f"{cell:>{_width(head)}}" for head, cell in row))
    for words, arm in arms if counted else ():
        if arm["counted"] < arm["answers"]:
            lines.append(f"  {arm['counted']:>16,}  of {arm['answers']:,} answers tell their tokens ({words})")
        if currency and arm["priced"] < arm["counted"]:
            lines.append(
                f"  {arm['priced']:>16,}  of these have a price; what the others cost is not known, and not 0 ({words})"
            )
    return lines


def _width(head: str) -> int:
    return max(9, len(head) + 2)


def _mean(total: float | None, of: int, each: int, form: str) -> str:
    return "-" if total is None or not of else format(each * total / of, form)


def _name(arm: dict[str, Any]) -> str:
    config = f" with {arm['config']}" if arm["config"] else ""
    return f"{arm['version']}{config} ({arm['release']})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"
