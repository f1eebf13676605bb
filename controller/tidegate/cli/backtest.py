"""`tidegate backtest`: what a policy would have decided on recorded traffic, by the code that decides in a rollout.

Neighbours: backtests/ reads, replays and shows; figures/ draws. docs/how-to/backtest.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.nearest import nearest, read
from tidegate.cli.output import Format, FormatOption, print_json
from tidegate.spec.errors import NeedsPerson

if TYPE_CHECKING:
    from tidegate.cli.backtests.show import Answer
    from tidegate.spec.policy import RolloutPolicy

PIPED_WIDTH = 200


def backtest(
    policy: Annotated[
        list[str],
        typer.Option(
            "--policy", "-p", metavar="P", help="A policy's file, or the name of one of this repository. Repeat."
        ),
    ],
    log: Annotated[
        list[Path],
        typer.Option(
            "--log", "-l", metavar="FILE", help="The record: JSON lines, packed or not; - is standard input. Repeat."
        ),
    ],
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE...]", help="More of the record; a name in .svg or .png is where --plot draws to."
        ),
    ] = None,
    route: Annotated[str | None, typer.Option(help="The route to judge, where the log tells of several.")] = None,
    sensitivity: Annotated[
        bool,
        typer.Option("--sensitivity", help="Add what the policy would have detected here, after how many requests."),
    ] = False,
    plot: Annotated[bool, typer.Option("--plot", help="Draw the evidence over time, here or to a FILE.")] = False,
    dark: Annotated[bool, typer.Option("--dark", help="A drawn FILE is for dark pages.")] = False,
    format: FormatOption = Format.TEXT,  # noqa: A002 the option's name
) -> None:
    """Print what a policy would have decided on recorded traffic: fail, pass, or hold and why.

    Needed in each line: time, role (stable or candidate), status and duration_ms; `metrics: {name: value}` where there are any.
    Exits with 0 when every policy would have passed the candidate, and with 1 when one would not.

    Example: tidegate backtest --policy progressive --log record.json --sensitivity
    """
    from tidegate.cli.backtests.log import Log
    from tidegate.cli.backtests.replay import replay
    from tidegate.cli.backtests.sensitivity import sensitivities
    from tidegate.cli.backtests.show import Answer, as_json
    from tidegate.cli.figures.target import target

    where, more = target(files or [], plot)
    if where is not None and len(policy) > 1:
        raise typer.BadParameter("one figure shows one policy", param_hint="FILE")
    record = Log([*log, *more], route)
    answers = []
    for word in policy:
        loaded = _load(word)
        outcome = replay(record, loaded, trail=plot)
        seen = sensitivities(outcome.decisive, loaded) if sensitivity else None
        answers.append(Answer(word, loaded, outcome, seen))
    if format is Format.JSON:
        docs = [as_json(one) for one in answers]
        print_json(docs[0] if len(docs) == 1 else {"version": 1, "policies": docs})
    else:
        _print(answers)
    if plot:
        from tidegate.cli.backtests.story import story
        from tidegate.cli.figures.show import show

        for one in answers:
            show(story(one), where, dark=dark)
    if any(one.trial.verdict != "pass" for one in answers):
        raise typer.Exit(1)


def _load(word: str) -> RolloutPolicy:
    """The policy of a file, or by its name. Raises NeedsPerson with the place of the first thing that is wrong with it."""
    from tidegate.spec.declared import load_document
    from tidegate.spec.policy import RolloutPolicy

    path = Path(word)
    if not path.is_file() and path.name == word and not path.suffix:
        path = nearest(Path.cwd(), f"policies/{word}.yaml")
    loaded, problems = load_document(RolloutPolicy, read(path, "name a policy or its file"), str(path))
    if loaded is None:
        first = min(problems)
        raise NeedsPerson(first.message, where=f"{first.path}:{first.line}:{first.column}", fix=first.fix)
    return loaded.value


def _print(answers: list[Answer]) -> None:
    from rich.console import Console

    from tidegate.cli.backtests.show import as_text, side_by_side

    console = Console(soft_wrap=True, highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, PIPED_WIDTH)
    if len(answers) > 1:
        console.print(side_by_side(answers))
    for one in answers if len(answers) == 1 or any(one.sensitivity for one in answers) else ():
        console.print(as_text(one))
