"""The `tidegate` command: every exception becomes one message and one exit code.

Neighbours: commands.py lists the commands, quick.py reads what a hook asks. Nothing heavy is imported here: `validate`
must not pay for an engine, numpy, a web framework, or for the modules of other commands.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tidegate.cli.report import internal_error
from tidegate.spec.errors import InternalError, TidegateError


def invoke() -> int:
    """Run the command line; returns its exit code: 0 clean, 1 findings, 2 usage or configuration, 3 internal, 130 ^C."""
    try:
        return _run(sys.argv[1:])
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except InternalError as error:
        return internal_error(error)
    except TidegateError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 the CLI's own output
        return error.exit_code
    except Exception as error:  # noqa: BLE001 the last resort: a report to paste, with the whole cause
        return _misused(error)


def _run(words: list[str]) -> int:
    if words[:1] == ["validate"]:
        from tidegate.cli.quick import read

        with _in_haste():
            wanted = read(words[1:])
            if wanted is not None:
                from tidegate.cli.validation import carry_out

                return carry_out(wanted)
    from tidegate.cli.commands import application

    return int(application(words[0] if words else None)(standalone_mode=False) or 0)


@contextmanager
def _in_haste() -> Iterator[None]:
    """For a process that ends in a moment: garbage is left lying, and nobody looks for plugins of pydantic's."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _misused(error: Exception) -> int:
    """What Typer raises is told in its words; anything else is a defect."""
    import typer
    from typer.exceptions import TyperException

    if isinstance(error, typer.Abort):
        return _interrupted()
    if not isinstance(error, TyperException):
        return internal_error(error)
    show = getattr(error, "show", None)
    if show:
        show()
    return int(getattr(error, "exit_code", 2))


def _interrupted() -> int:
    print("interrupted", file=sys.stderr)  # noqa: T201 the CLI's own output
    return 130


def main() -> None:
    """The console script."""
    sys.exit(invoke())
