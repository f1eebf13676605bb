"""`tidegate plan`: what merging a change would do, for the terminal, a pull request's comment, or a program.

Neighbours: cli/plans/ reads the two commits and where the start comes from, rollout/plan.py plans, plan_text.py words it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from tidegate.cli.output import ConfigOption, print_json

NARROW = 40
WIDE = 120
SHOWN = 5
"""Errors of the head that are told; `validate` tells them all."""


class PlanFormat(StrEnum):
    """How a plan is printed."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


def plan(
    base: Annotated[
        str | None,
        typer.Option(
            "--base", metavar="REF", help="Where the change leaves from; else the branch the controller follows."
        ),
    ] = None,
    head: Annotated[
        str | None, typer.Option("--head", metavar="REF", help="The commit to be merged; else the work tree.")
    ] = None,
    config: ConfigOption = None,
    format: Annotated[  # noqa: A002 the option's name
        PlanFormat, typer.Option("--format", help="text for people, json for programs, markdown for a comment.")
    ] = PlanFormat.TEXT,
) -> None:
    """Show what merging would do: releases, steps and their time, servers, what the guardrails see, approvals, risks.

    Compared is with the merge base of the two. Without --base, a controller's journal on this machine says what serves;
    else git's record of promotions, where this clone has it; else what the base asks for is taken as promoted.

    Exit codes: 0 it can be followed, 1 something in it cannot be (an error, a missing version), 2 wrong usage.

    Example: tidegate plan --base origin/main --format markdown
    """
    from tidegate.cli.plans.about import about, policy_edits, reviews
    from tidegate.cli.plans.sides import find_base, find_head, open_clone, read_half
    from tidegate.cli.plans.start import from_journal, start
    from tidegate.engine.settings import open_settings
    from tidegate.rollout.plan import plan as make_plan
    from tidegate.rollout.plan_frame import Frame

    settings = open_settings(config)
    clone = open_clone(settings.root, settings.controller.environment)
    to = find_head(clone, head)
    since, followed = find_base(clone, base, settings.controller.branch, to)
    before = read_half(clone, since)
    after = read_half(clone, to, before=before)
    begin = start(clone, before, after, from_journal(settings) if base is None else {}, record=followed)
    said = about(clone, before, after, begin.states, begin.unknown)
    made = make_plan(begin.states, after.desired, said)
    errors = [finding for finding in after.findings if finding.severity == "error"]
    frame = Frame(
        base=since,
        head=to,
        basis=begin.basis,
        errors=len(errors),
        warnings=len(after.findings) - len(errors),
        first=tuple(f"{one.path}:{one.line}:{one.column}: {one.message}" for one in errors[:SHOWN]),
        policies=policy_edits(before, after, begin.states),
        reviews=reviews(before, after),
    )
    match format:
        case PlanFormat.JSON:
            from tidegate.rollout.plan_json import as_json

            print_json(as_json(made, frame))
        case PlanFormat.MARKDOWN:
            from tidegate.rollout.plan_markdown import as_markdown

            typer.echo(as_markdown(made, frame), nl=False)
        case PlanFormat.TEXT:
            import shutil

            from tidegate.rollout.plan_text import as_text

            width = min(max(shutil.get_terminal_size((100, 24)).columns, NARROW), WIDE)
            typer.echo(as_text(made, frame, width))
    if errors or made.problems:
        raise typer.Exit(1)
