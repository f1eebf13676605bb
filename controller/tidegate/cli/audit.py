"""`tidegate audit`: which exact release answered a request; what was answered in a stretch of time; is the record intact.

Neighbours: audit/ asks the record, engine/lineage.py reads git, answers.py words what was found.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli.output import ConfigOption, Format, FormatOption, print_json
from tidegate.spec.errors import NeedsPerson

if TYPE_CHECKING:
    from tidegate.audit.question import Questions, Wanted
    from tidegate.engine.settings import Settings

LOSSES = 1000
SUFFIXES = {".jsonl": "jsonl", ".csv": "csv", ".parquet": "parquet"}


def audit(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[REQUEST_ID|verify|export]", help="An answer's x-request-id; or what to do; else a list."
        ),
    ] = None,
    route: Annotated[str | None, typer.Option(help="Only this route, MODEL or MODEL/FEATURE.")] = None,
    release: Annotated[str | None, typer.Option(help="Only this release, by its id.")] = None,
    role: Annotated[str | None, typer.Option(help="Only answers as stable, candidate, shadow or standby.")] = None,
    status: Annotated[str | None, typer.Option(help="Only this status, like 503 or 5xx; 0: no answer.")] = None,
    begins: Annotated[
        str | None, typer.Option("--from", help="Since 2026-11-21, 2026-11-21T04:54Z, or 2h ago.")
    ] = None,
    ends: Annotated[str | None, typer.Option("--to", help="Until then; a day is meant whole.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The newest so many.")] = 20,
    count: Annotated[bool, typer.Option("--count", help="How many, by route, role, release and status.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="export: the file, .jsonl, .csv or .parquet.")
    ] = None,
    lines: Annotated[
        bool, typer.Option("--lines", help="verify: build every line anew, not only digests of files.")
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="verify: do not ask git for the anchors.")] = False,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,  # noqa: A002 the option's name
) -> None:
    """Say which exact release answered, from the record; check that the record is intact.

    Exit 1 when the request is not on record, or the record is broken.

    Example: tidegate audit a98de5d8-bee7-4800-ba84-e542b2789104

    Example: tidegate audit --route digits --status 5xx --from 2h

    Example: tidegate audit verify

    Example: tidegate audit export --from 2026-11-01 --to 2026-11-30 --output november.parquet
    """
    import time

    from tidegate.audit.archive import Archive
    from tidegate.audit.question import Questions, Wanted
    from tidegate.audit.times import moment
    from tidegate.engine.settings import open_settings
    from tidegate.gateway.files import Folder

    settings = open_settings(config)
    if what == "verify":
        _verify(settings, lines, offline, format)
        return
    now = time.time()
    try:
        wanted = Wanted(
            moment(begins, now) if begins else None,
            moment(ends, now, end=True) if ends else None,
            route,
            release,
            role,
            status,
        )
        wanted.sql()
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    questions = Questions(Archive(settings.archive), Folder(settings.state / "gateway").record)
    if what == "export":
        _export(questions, wanted, output, format)
    elif what is not None:
        _one(settings, questions, what, format)
    elif count:
        _count(questions, wanted, format)
    else:
        _list(questions, wanted, limit, format)


def _one(settings: Settings, questions: Questions, request_id: str, shown: Format) -> None:
    import tempfile

    from tidegate.cli.answers import answer_text, missing_text

    try:
        found = questions.by_id(request_id)
    except ValueError:
        raise typer.BadParameter(
            f"'{request_id}' is no request id: it stands in the answer's header x-request-id", param_hint="REQUEST_ID"
        ) from None
    losses = losses_of(settings)
    if not found:
        kept = questions.kept()
        if shown is Format.JSON:
            print_json({"version": 1, "request_id": request_id, "answers": [], "kept": asdict(kept), "losses": losses})
        else:
            typer.echo(missing_text(request_id, kept, losses), err=True)
        raise typer.Exit(1)
    from tidegate.engine.lineage import Lineage, reading_mirror, unknown

    answers: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="tidegate-audit-") as folder:
        lineage = None
        for line in found:
            declared, why = None, ""
            try:
                lineage = lineage or Lineage(reading_mirror(settings, Path(folder)))
                declared = lineage.of(line.says)
            except NeedsPerson as error:  # the record says who answered, also where git cannot say more
                why = unknown(error)
            kept_in = {"kept_in": line.kept_in, "link": line.link, "whole": line.whole}
            answers.append({"record": line.says, **kept_in, "declared": declared, "unknown": why})
    if shown is Format.JSON:
        print_json({"version": 1, "request_id": request_id, "answers": answers, "losses": losses})
        return
    for answer in answers:
        typer.echo(answer_text(answer))


def _list(questions: Questions, wanted: Wanted, limit: int, shown: Format) -> None:
    from tidegate.cli.answers import kept_text, line_text

    found = questions.newest(wanted, limit)
    if shown is Format.JSON:
        print_json({"version": 1, "answers": found})
        return
    for says in found:
        typer.echo(line_text(says))
    if not found:
        typer.echo(f"no such answer is on record; {kept_text(questions.kept())}", err=True)


def _count(questions: Questions, wanted: Wanted, shown: Format) -> None:
    from tidegate.cli.answers import count_text, kept_text

    found = questions.count(wanted)
    if shown is Format.JSON:
        print_json({"version": 1, "counts": found})
    elif found:
        typer.echo(count_text(found))
    else:
        typer.echo(f"no such answer is on record; {kept_text(questions.kept())}", err=True)


def _export(questions: Questions, wanted: Wanted, output: Path | None, shown: Format) -> None:
    if output is None or output.suffix not in SUFFIXES:
        raise typer.BadParameter(
            f"name a file that ends in {', '.join(SUFFIXES)}: its end says what is written", param_hint="--output"
        )
    number = questions.export(wanted, output, SUFFIXES[output.suffix])
    if shown is Format.JSON:
        print_json({"version": 1, "file": str(output), "lines": number})
    else:
        typer.echo(f"{number:,} answers written to {output}")


def _verify(settings: Settings, lines: bool, offline: bool, shown: Format) -> None:
    from tidegate.audit.archive import Archive
    from tidegate.audit.verify import verify
    from tidegate.cli.answers import report_text
    from tidegate.engine.archiving import ANCHOR
    from tidegate.gitrepo.anchors import Anchor, anchors_at

    told = cursor_of(settings, ANCHOR)
    anchors = None if offline else anchors_at(settings.repository)
    report = verify(
        Archive(settings.archive),
        anchors,
        settings.controller.environment,
        Anchor(**told) if told else None,
        lines=lines,
    )
    losses = losses_of(settings)
    if shown is Format.JSON:
        print_json({"version": 1, "intact": not report.broken, **asdict(report), "losses": losses})
    else:
        typer.echo(report_text(report, losses))
    if report.broken:
        raise typer.Exit(1)


def losses_of(settings: Settings) -> list[dict[str, Any]]:
    """What the journal knows to be missing in the record; nothing without a journal."""
    from tidegate.journal.database import journal_path
    from tidegate.journal.reader import Reader

    if not journal_path(settings.journal).is_file():
        return []
    with Reader(settings.journal) as journal:
        return journal.losses(LOSSES)


def cursor_of(settings: Settings, name: str) -> dict[str, Any] | None:
    """A cursor of the journal; None without one, or without a journal."""
    from tidegate.journal.database import journal_path
    from tidegate.journal.reader import Reader

    if not journal_path(settings.journal).is_file():
        return None
    with Reader(settings.journal) as journal:
        return journal.cursor(name)
