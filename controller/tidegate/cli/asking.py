"""`tidegate approve`, `hold`, `resume` and `retry`: a person's say in a rollout, each a commit. Git is the only write API."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.output import ConfigOption, Format, FormatOption, print_json

if TYPE_CHECKING:
    from tidegate.engine.asking import Askings, Said

Route = Annotated[str, typer.Argument(metavar="MODEL[/FEATURE]", help="The route.")]
Reason = Annotated[str, typer.Option(help="Why, for the commit message.")]


def approve(
    route: Route,
    step: Annotated[str, typer.Argument(metavar="STEP", help="The step's name in the policy.")],
    reason: Reason = "",
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,  # noqa: A002 the option's name
) -> None:
    """Let a step with `approve: manual` begin; push the commit.

    Example: tidegate approve digits half --reason "figures read by the team"
    """
    _say(route, config, format, lambda asking: asking.approve(route, step, reason), f"step {step} approved")


def hold(
    route: Route,
    reason: Reason = "",
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,  # noqa: A002 the option's name
) -> None:
    """Freeze a rollout where it is, over restarts; push the commit. Breaches are still rolled back.

    Example: tidegate hold digits --reason "a sale is on"
    """
    _say(route, config, format, lambda asking: asking.hold(route, True, reason), "held")


def resume(
    route: Route,
    reason: Reason = "",
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,  # noqa: A002 the option's name
) -> None:
    """Let a rollout that is held go on; push the commit.

    Example: tidegate resume digits
    """
    _say(route, config, format, lambda asking: asking.hold(route, False, reason), "goes on")


def retry(
    route: Route,
    version: Annotated[
        str | None,
        typer.Option("--version", metavar="VERSION", help="Which of those that were rejected; else the last."),
    ] = None,
    reason: Reason = "",
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,  # noqa: A002 the option's name
) -> None:
    """Ask once more for a release that was rejected; push the commit. It begins at its first step.

    Example: tidegate retry digits --reason "the feature store is mended"
    """
    _say(route, config, format, lambda asking: asking.retry(route, version, reason), "asked for once more")


def _say(
    route: str,
    config: Path | None,
    shown: Format,
    do: Callable[[Askings], Said],
    what: str,
) -> None:
    import tempfile

    from tidegate.cli.rollback import mirror_of
    from tidegate.engine.asking import Askings
    from tidegate.engine.settings import open_settings

    settings = open_settings(config)
    with tempfile.TemporaryDirectory(prefix="tidegate-asking-") as folder:
        said = do(Askings(mirror_of(settings, Path(folder))))
    edited = said.edited
    if shown is Format.JSON:
        print_json(
            {
                "version": 1,
                "route": route,
                "release": {"version": said.release.version, "release": said.release.id},
                "how": edited.how,
                "commit": edited.commit,
                "ref": edited.ref,
                "detail": edited.detail,
            }
        )
    elif edited.how == "pushed":
        typer.echo(f"{route}: {said.release.label} {what}: commit {edited.commit[:12]} pushed")
    elif edited.how == "already":
        typer.echo(f"{route}: {said.release.label} {what} already ({edited.commit[:12]}): nothing to do")
    else:
        branch = edited.ref.removeprefix("refs/heads/")
        typer.echo(f"{route}: {edited.detail}\n  fix: merge the branch {branch}, which holds the commit")
    if edited.how == "branch":
        raise typer.Exit(1)
