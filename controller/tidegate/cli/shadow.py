"""`tidegate shadow`: what a shadow step has found: how often its release agrees, and what it says instead.

Neighbours: engine/shadowing.py counts, engine/disagreements.py writes the report that is shown here.
"""

from __future__ import annotations

from typing import Annotated, Any

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
    lines += ["", f"  {'':18}{'answers':>9}{'errors':>9}{'p50 ms':>9}{'p95 ms':>9}"]
    for words, arm in (("in production", stable), ("shadow", shadow)):
        times = "".join(f"{_number(arm[name]):>9}" for name in ("latency_p50_ms", "latency_p95_ms"))
        lines.append(f"  {words:18}{arm['answers']:>9,}{arm['errors']:>9,}{times}")
    for sample in report["samples"]:
        lines += ["", f"{sample['time']}  {sample['request_id']}", f"  {sample['why']}"]
        lines += [
            f"  {words:13}  {sample[arm]['answer']}"
            for words, arm in (("in production", "stable"), ("shadow", "shadow"))
        ]
    return "\n".join(lines)


def _name(arm: dict[str, Any]) -> str:
    config = f" with {arm['config']}" if arm["config"] else ""
    return f"{arm['version']}{config} ({arm['release']})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"
