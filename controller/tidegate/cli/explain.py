"""`tidegate explain RULE` and `tidegate rules`: the manual page of one rule, and the catalogue of all."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from tidegate.cli.output import Format, FormatOption


class CatalogueFormat(StrEnum):
    """How the catalogue is printed."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


def explain(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="The rule's id, as a finding names it.")],
    format: FormatOption = Format.TEXT,  # noqa: A002 the option's name
) -> None:
    """Tell what a rule asks for, why, and with which examples.

    Example: tidegate explain floating-image
    """
    import json

    from tidegate.rules.pages import facts, page
    from tidegate.rules.registry import BY_ID
    from tidegate.spec.errors import NeedsPerson
    from tidegate.spec.vocabulary import similar

    if rule not in BY_ID:
        close = similar(rule, BY_ID)
        fix = f"did you mean '{close}'?" if close else "'tidegate rules' lists them"
        raise NeedsPerson("there is no such rule", where=rule, fix=fix)
    found = BY_ID[rule]
    typer.echo(page(found) if format is Format.TEXT else json.dumps({"version": 1} | facts(found), indent=2))


def rules(
    format: Annotated[  # noqa: A002 the option's name
        CatalogueFormat, typer.Option("--format", help="text for people, json for programs, markdown for a page.")
    ] = CatalogueFormat.TEXT,
) -> None:
    """List every rule that 'tidegate validate' applies.

    Example: tidegate rules --format json
    """
    import json

    from tidegate.rules.pages import catalogue, facts, markdown
    from tidegate.rules.registry import RULES

    if format is CatalogueFormat.TEXT:
        typer.echo(catalogue())
    elif format is CatalogueFormat.MARKDOWN:
        typer.echo(markdown(), nl=False)
    else:
        typer.echo(json.dumps({"version": 1, "rules": [facts(rule) for rule in RULES]}, indent=2))
