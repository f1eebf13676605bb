"""`tidegate simulate`: whole rollouts on a virtual clock, and the unit tests of a policy."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from tidegate.cli.nearest import nearest, read
from tidegate.cli.output import Format, FormatOption, print_json
from tidegate.spec.errors import NeedsPerson

if TYPE_CHECKING:
    from tidegate.rollout.simulate.run import Outcome


class Played(NamedTuple):
    """One scenario: what happened, what of it was expected otherwise, and how many seconds that took to find out."""

    path: Path
    outcome: Outcome
    failed: list[str]
    seconds: float


def simulate(
    scenario: Annotated[
        list[Path],
        typer.Argument(metavar="SCENARIO...", help="Files: traffic, policy, releases, events, expectations."),
    ],
    format: FormatOption = Format.TEXT,  # noqa: A002 the option's name
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write the outcome as JUnit XML besides.")
    ] = None,
) -> None:
    """Play scenarios: what a policy would do with these releases, this traffic and these mishaps.

    A scenario names a policy of the repository (`policy: progressive`) or writes one out. Exits with 1 when something
    that a scenario expects does not hold.

    Example: tidegate simulate scenarios/*.yaml --junit simulate.xml
    """
    from tidegate.rollout.simulate.report import as_json, as_text, junit_xml, summary

    played = [_play(path) for path in scenario]
    several = len(played) > 1
    if format is Format.JSON:
        docs = [
            {"file": str(one.path), "passed": not one.failed, "failures": one.failed, **as_json(one.outcome)}
            for one in played
        ]
        print_json({"version": 1, "scenarios": docs} if several else as_json(played[0].outcome))
    elif several:
        for one in played:
            typer.echo(summary(str(one.path), one.outcome, one.failed, one.seconds))
    else:
        typer.echo(as_text(played[0].outcome))
    if junit is not None:
        _write(junit, junit_xml([(str(one.path), one.failed, one.seconds) for one in played]))
    failed = [one for one in played if one.failed]
    for one in failed:
        for failure in one.failed:
            print(f"{one.path}: expected {failure}" if several else f"expected {failure}", file=sys.stderr)  # noqa: T201 the CLI's own output
    if several and format is Format.TEXT:
        typer.echo(f"{len(played)} scenarios, {len(failed)} failed" if failed else f"{len(played)} scenarios hold")
    if failed:
        raise typer.Exit(1)


def _play(path: Path) -> Played:
    import time

    from tidegate.rollout.simulate.expect import failures
    from tidegate.rollout.simulate.run import play
    from tidegate.rollout.simulate.scenario import load_scenario

    began = time.monotonic()
    scenario = read(path, "name a scenario file")
    loaded = load_scenario(scenario, str(path), lambda name: read(nearest(path.parent, name), "name another policy"))
    outcome = play(loaded)
    return Played(path, outcome, failures(loaded.expect, outcome), time.monotonic() - began)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise NeedsPerson(f"cannot be written: {error.strerror}", where=str(path), fix="name another file") from error
