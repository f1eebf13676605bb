"""The `tidegate` command: one module a command, registered here; every exception becomes one message and one exit code.

Command modules import nothing heavy at the top: `validate` must not pay for an engine, numpy or a web framework.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from tidegate import __version__
from tidegate.cli import (
    asking,
    comment,
    demo,
    doctor,
    events,
    explain,
    history,
    init,
    logs,
    pin,
    plan,
    rollback,
    run,
    schema,
    simulate,
    status,
    validate,
)
from tidegate.cli.report import internal_error
from tidegate.spec.errors import InternalError, TidegateError

app = typer.Typer(
    name="tidegate",
    help="GitOps for model serving: a commit becomes a release, and a bad release takes itself back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(init.init)
app.command()(validate.validate)
app.command()(explain.explain)
app.command()(explain.rules)
app.command()(pin.pin)
app.command()(plan.plan)
app.command()(comment.comment)
app.command()(run.run)
app.command()(status.status)
app.command()(history.history)
app.command()(events.events)
app.command()(logs.logs)
app.command()(rollback.rollback)
app.command()(asking.approve)
app.command()(asking.hold)
app.command()(asking.resume)
app.command()(asking.retry)
app.command()(simulate.simulate)
app.command()(doctor.doctor)
app.command()(schema.schema)
app.command()(demo.demo)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"tidegate {__version__}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """GitOps for model serving: a commit becomes a release, and a bad release takes itself back."""


def invoke() -> int:
    """Run the command line; returns its exit code: 0 clean, 1 findings, 2 usage or configuration, 3 internal, 130 ^C."""
    try:
        code = app(standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)  # noqa: T201 the CLI's own output
        return 130
    except TyperException as error:
        show = getattr(error, "show", None)
        if show:
            show()
        return int(getattr(error, "exit_code", 2))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except InternalError as error:
        return internal_error(error)
    except TidegateError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 the CLI's own output
        return error.exit_code
    except Exception as error:  # noqa: BLE001 the last resort: a report to paste, with the whole cause
        return internal_error(error)
    return int(code or 0)


def main() -> None:
    """The console script."""
    sys.exit(invoke())
