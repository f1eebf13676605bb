"""`tidegate plan`: what merging the work tree would do, for the terminal or a pull request's comment."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.output import ConfigOption, print_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.engine.settings import Settings
    from tidegate.gitrepo.git import Git
    from tidegate.rollout.state import Desired, RouteState
    from tidegate.spec.declared import Loaded
    from tidegate.spec.inference import InferenceConfig


class PlanFormat(StrEnum):
    """How a plan is printed."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


def plan(
    base: Annotated[
        str | None, typer.Option("--base", metavar="REF", help="What runs now; else the branch the controller follows.")
    ] = None,
    config: ConfigOption = None,
    format: Annotated[  # noqa: A002 the option's name
        PlanFormat, typer.Option("--format", help="text for people, json for programs, markdown for a comment.")
    ] = PlanFormat.TEXT,
) -> None:
    """Show what merging the work tree would do: releases, steps, times, containers, samples needed, risks.

    Where a controller's journal is at hand its states are the start, else what `--base` asks for.

    Example: tidegate plan --base origin/main --format markdown
    """
    from tidegate.engine.settings import open_settings
    from tidegate.gitrepo.git import Git
    from tidegate.rollout.plan import assumed
    from tidegate.rollout.plan import plan as make_plan
    from tidegate.rollout.plan_text import as_json, as_markdown, as_text
    from tidegate.rules.worktree import read_files

    settings = open_settings(config)
    git = Git.of_clone(settings.root)
    environment = settings.controller.environment
    before = _desired(git, _at_base(settings, git, base), "base", environment)
    after = _desired(git, read_files(settings.root), "work tree", environment)
    states = _journaled(settings) if base is None else {}
    made = make_plan({**assumed(before), **states}, after)
    match format:
        case PlanFormat.JSON:
            print_json(as_json(made))
        case PlanFormat.MARKDOWN:
            typer.echo(as_markdown(made))
        case PlanFormat.TEXT:
            typer.echo(as_text(made))


def _at_base(settings: Settings, git: Git, base: str | None) -> Mapping[str, bytes]:
    """The files that serve now. Without a base: the followed branch as the clone knows it."""
    from tidegate.gitrepo.tree import read, resolve
    from tidegate.spec.errors import NeedsPerson
    from tidegate.spec.layout import wanted

    branch = settings.controller.branch
    names = [base] if base else [f"origin/{branch}", branch]
    commit = next((found for name in names if (found := resolve(git, name))), None)
    if commit is None:
        raise NeedsPerson(
            "there is no such commit", where=" or ".join(names), fix="fetch it, or name another with --base"
        )
    prefix = _prefix(settings)
    files = read(git, commit, lambda path: path.startswith(prefix) and wanted(path.removeprefix(prefix)))
    return {path.removeprefix(prefix): text for path, text in files.items()}


def _prefix(settings: Settings) -> str:
    """Where the configuration lies within the clone: '' at its top."""
    root = settings.root
    top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
    return "" if top == root else root.relative_to(top).as_posix() + "/"


def _desired(git: Git, files: Mapping[str, bytes], commit: str, environment: str) -> dict[str, Desired | str]:
    from tidegate.gitrepo.tree import blob, resolve
    from tidegate.rollout.routes import desired_routes
    from tidegate.spec.declared import load, load_config

    def pinned(model: str, name: str, at: str) -> Loaded[InferenceConfig] | None:
        path = f"models/{model}/configs/{name}.yaml"
        found = resolve(git, at)
        text = blob(git, found, path) if found else None
        return load_config(text, path)[0] if text is not None else None

    return desired_routes(load(files, environment), commit, lambda _: commit, pinned)


def _journaled(settings: Settings) -> dict[str, RouteState]:
    """The states of a controller that runs on this machine; nothing without one."""
    from tidegate.journal.reader import Reader
    from tidegate.rollout.serial import from_doc
    from tidegate.spec.errors import NeedsPerson

    try:
        with Reader(settings.journal) as journal:
            return {route: from_doc(doc) for route, doc in journal.states().items()}
    except NeedsPerson:  # no controller has run here: what the base asks for is the start
        return {}
