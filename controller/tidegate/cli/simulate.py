"""`tidegate simulate`: a whole rollout on a virtual clock, and a policy's unit test."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tidegate.cli.output import Format, FormatOption, print_json


def simulate(
    scenario: Annotated[
        Path, typer.Argument(metavar="SCENARIO", help="A scenario: traffic, policy, releases, events.")
    ],
    format: FormatOption = Format.TEXT,  # noqa: A002 the option's name
) -> None:
    """Play a scenario: what a policy would do with these releases, this traffic and these mishaps.

    Exits with 1 when something that the scenario expects does not hold.

    Example: tidegate simulate scenarios/bad-canary.yaml --format json
    """
    from tidegate.rollout.simulate.expect import failures
    from tidegate.rollout.simulate.report import as_json, as_text
    from tidegate.rollout.simulate.run import play
    from tidegate.rollout.simulate.scenario import load_scenario
    from tidegate.spec.errors import NeedsPerson

    try:
        text = scenario.read_bytes()
    except OSError as error:
        raise NeedsPerson(
            f"cannot be read: {error.strerror}", where=str(scenario), fix="name a scenario file"
        ) from error
    loaded = load_scenario(text, str(scenario))
    outcome = play(loaded)
    if format is Format.JSON:
        print_json(as_json(outcome))
    else:
        typer.echo(as_text(outcome))
    failed = failures(loaded.expect, outcome)
    for failure in failed:
        print(f"expected {failure}", file=sys.stderr)  # noqa: T201 the CLI's own output
    if failed:
        raise typer.Exit(1)
