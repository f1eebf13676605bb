"""`tidegate rollback`: the commit that takes a route back to the release before, made and pushed. Git is the only write API."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.output import ConfigOption, Format, FormatOption, print_json

if TYPE_CHECKING:
    from tidegate.engine.settings import Settings
    from tidegate.gitrepo.mirror import Mirror


def rollback(
    route: Annotated[str, typer.Argument(metavar="MODEL[/FEATURE]", help="What to take back.")],
    config_only: Annotated[
        bool, typer.Option("--config-only", help="Keep the version; take back the inference config.")
    ] = False,
    to: Annotated[str | None, typer.Option("--to", metavar="REF", help="The release asked for at this commit.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for the commit message.")] = "asked for by hand",
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,  # noqa: A002 the option's name
) -> None:
    """Take a model, or one feature of it, back to the release before; push the commit.

    Example: tidegate rollback digits/archive --reason "wrong totals in receipts"
    """
    import tempfile

    from tidegate.engine.settings import open_settings
    from tidegate.engine.takeback import Rollbacks
    from tidegate.gitrepo.clone import meaning

    settings = open_settings(config)
    commit = meaning(Path.cwd(), to) if to else None
    with tempfile.TemporaryDirectory(prefix="tidegate-rollback-") as folder:
        done = Rollbacks(mirror_of(settings, Path(folder))).take_back(
            route, to=commit, config_only=config_only, reason=reason
        )
    result = done.result
    if format is Format.JSON:
        print_json(
            {
                "version": 1,
                "route": route,
                "from": {"version": done.left.version, "release": done.left.id},
                "to": {"version": done.good.version, "release": done.good.id},
                "how": result.how,
                "commit": result.commit,
                "ref": result.ref,
                "detail": result.detail,
                "files": list(result.files),
            }
        )
    elif result.how == "reverted":
        typer.echo(
            f"{route}: from {done.left.label} back to {done.good.label}: commit {(result.commit or '')[:12]} pushed"
        )
    elif result.how == "already":
        typer.echo(f"{route}: git asks for something else by now ({(result.commit or '')[:12]}): nothing to do")
    else:
        branch = (result.ref or "").removeprefix("refs/heads/")
        typer.echo(f"{route}: {result.detail}\n  fix: merge the branch {branch}, which holds the commit")
    if result.how == "branch":
        raise typer.Exit(1)


def mirror_of(settings: Settings, folder: Path) -> Mirror:
    """A copy of the repository for this one command, in the name of the person who runs it."""
    from tidegate.gitrepo.clone import origin_of, person
    from tidegate.gitrepo.mirror import Mirror

    url = settings.repository
    if url == str(settings.root):
        url = origin_of(settings.root) or url
    return Mirror(
        folder / "repository.git",
        url,
        settings.controller.branch,
        author=person(Path.cwd()),
        environment=settings.controller.environment,
    )
