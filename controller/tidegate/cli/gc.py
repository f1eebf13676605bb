"""`tidegate gc`: what nobody needs any more, and why; removed only when asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.output import ConfigOption, Format, FormatOption, print_json
from tidegate.spec.errors import TidegateError

if TYPE_CHECKING:
    from tidegate.engine.cleaning import Plan
    from tidegate.engine.settings import Settings
    from tidegate.journal.journal import Journal
    from tidegate.runtime.interface import Runtime


def gc(
    apply: Annotated[bool, typer.Option("--apply", help="Remove it; else it is only shown.")] = False,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,  # noqa: A002 the option's name
) -> None:
    """Show what nobody needs any more (artifacts, images, ended servers, the record past its time) and why.

    Never what is hot, on standby or within a rollback window. The controller does the same by itself, images excepted.

    Example: tidegate gc --apply
    """
    import tempfile

    from tidegate.engine.settings import open_settings
    from tidegate.runtime.select import open_runtime

    settings = open_settings(config)
    runtime = open_runtime(settings.runtime, settings.controller.instance, settings.state)
    try:
        with tempfile.TemporaryDirectory(prefix="tidegate-gc-") as folder, _journal(settings) as journal:
            plan = _plan(settings, runtime, journal, Path(folder))
            failed = _remove(plan) if apply else {}
    finally:
        runtime.close()
    if format is Format.JSON:
        removed = [
            {"kind": one.kind, "name": one.name, "bytes": one.size, "why": one.why, "failed": failed.get(one.name)}
            for one in plan.waste
        ]
        print_json({"version": 1, "applied": apply, "waste": removed, "left": list(plan.left)})
    else:
        _show(plan, failed, apply)
    if failed:
        raise typer.Exit(1)


@contextmanager
def _journal(settings: Settings) -> Iterator[Journal | None]:
    """The journal to write; None while a controller holds it. Raises NeedsPerson when there is none yet."""
    from tidegate.journal.journal import Journal
    from tidegate.journal.lease import LeaseHeld
    from tidegate.journal.reader import Reader

    Reader(settings.journal).close()
    try:
        journal = Journal(settings.journal)
    except LeaseHeld:
        yield None
        return
    with journal:
        yield journal


def _plan(settings: Settings, runtime: Runtime, held: Journal | None, folder: Path) -> Plan:
    from tidegate.artifacts.store import Store
    from tidegate.audit.archive import Archive
    from tidegate.engine.catalog import Catalog
    from tidegate.engine.cleaning import cleaning
    from tidegate.engine.lineage import reading_mirror
    from tidegate.engine.routes import Routes
    from tidegate.engine.source import Snapshot, Source
    from tidegate.gitrepo.record import Record
    from tidegate.journal.reader import Reader
    from tidegate.rollout.serial import from_doc

    declared = settings.controller
    mirror = reading_mirror(settings, folder)
    with Reader(settings.journal) as journal:
        states = {route: from_doc(doc) for route, doc in journal.states().items()}
    head = mirror.head()
    snapshot = Source(mirror, Record(mirror), mirror.environment).at(head) if head is not None else Snapshot()
    return cleaning(
        states,
        Routes(states).wishes(snapshot),
        Catalog(mirror.blob),
        Store(settings.cache, declared.artifacts.stores, settings.root),
        runtime,
        Archive(settings.archive),
        declared.record,
        time.time(),
        journal=held,
    )


def _remove(plan: Plan) -> dict[str, str]:
    """By name, why something could not be removed."""
    failed = {}
    for one in plan.waste:
        try:
            one.remove()
        except TidegateError as error:
            failed[one.name] = error.message
    return failed


def _show(plan: Plan, failed: dict[str, str], applied: bool) -> None:
    for one in plan.waste:
        size = f"{one.size / 1e6:,.1f} MB" if one.size else ""
        typer.echo(f"{one.kind:<9} {one.name}  {size}  {one.why}".rstrip())
        if one.name in failed:
            typer.echo(f"          stays: {failed[one.name]}")
    for text in plan.left:
        typer.echo(f"kept      {text}")
    total = sum(one.size for one in plan.waste if one.name not in failed) / 1e6
    number = len(plan.waste) - len(failed)
    if applied:
        typer.echo(f"{number} removed, {total:,.1f} MB")
    else:
        typer.echo(
            f"{number} would be removed, {total:,.1f} MB: tidegate gc --apply" if plan.waste else "nothing to remove"
        )
