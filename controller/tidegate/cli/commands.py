"""The table of commands, and the application that Typer makes of it: of the one that is asked for, or of all.

Neighbours: main.py runs it. A command is added by its module and a line here; its function's name is the command's.
"""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Final

import typer

from tidegate import __version__

COMMANDS: Final = {
    "init": "init", "validate": "validate", "explain": "explain", "rules": "explain", "pin": "pin", "plan": "plan",
    "comment": "comment", "run": "run", "status": "status", "history": "history", "events": "events", "logs": "logs",
    "at": "at", "audit": "audit", "shadow": "shadow", "gc": "gc",
    "rollback": "rollback", "feedback": "feedback", "approve": "asking", "hold": "asking", "resume": "asking", "retry": "asking",
    "simulate": "simulate", "backtest": "backtest", "doctor": "doctor", "alerts": "alerts", "schema": "schema", "demo": "demo",
}  # fmt: skip
"""Name of the command, as the help lists them -> its module in this room."""


def application(asked: str | None = None) -> typer.Typer:
    """The command line. With the name of a command nothing but that one's module is imported."""
    app = typer.Typer(
        name="tidegate",
        help="GitOps for model serving: a commit becomes a release, and a bad release takes itself back.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for name, module in COMMANDS.items():
        if asked in (name, None) or asked not in COMMANDS:
            app.command(name)(getattr(import_module(f"tidegate.cli.{module}"), name))
    return app


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"tidegate {__version__}")
        raise typer.Exit


def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """GitOps for model serving: a commit becomes a release, and a bad release takes itself back."""
