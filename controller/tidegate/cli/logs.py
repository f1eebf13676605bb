"""`tidegate logs`: what the model servers printed, whichever runtime they run in."""

from __future__ import annotations

from typing import Annotated

import typer

from tidegate.cli.output import ConfigOption
from tidegate.spec.errors import NeedsPerson


def logs(
    name: Annotated[str, typer.Argument(metavar="MODEL[@VERSION]", help="A model, or one of its versions.")],
    tail: Annotated[int, typer.Option("--tail", "-n", min=0, help="The last lines of each instance.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as new lines come (one instance).")] = False,
    config: ConfigOption = None,
) -> None:
    """Print the output of a model's servers, each line behind its instance's name.

    Example: tidegate logs digits@2.0.0 --tail 20
    """
    from tidegate.engine.settings import open_settings
    from tidegate.runtime.select import open_runtime

    settings = open_settings(config)
    model, _, version = name.partition("@")
    runtime = open_runtime(settings.runtime, settings.controller.instance, settings.state)
    try:
        known = sorted(runtime.observe(), key=lambda instance: instance.name)
        chosen = [
            instance for instance in known if instance.model == model and (not version or instance.version == version)
        ]
        if not chosen:
            there = ", ".join(sorted({f"{instance.model}@{instance.version}" for instance in known})) or "nothing"
            raise NeedsPerson(f"no instance of '{name}' runs here", where=runtime.kind, fix=f"choose among: {there}")
        if follow and len(chosen) > 1:
            names = ", ".join(instance.name for instance in chosen)
            raise NeedsPerson(
                f"--follow takes one instance, and these run: {names}", fix=f"name a version: {model}@..."
            )
        for instance in chosen:
            for line in runtime.logs(instance.name, tail=tail, follow=follow):
                typer.echo(f"{instance.name}  {line.rstrip()}")
    finally:
        runtime.close()
