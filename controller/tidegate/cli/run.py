"""`tidegate run`: the controller, in the foreground, until ^C or SIGTERM. What serves goes on serving after it."""

from __future__ import annotations

import logging
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.output import ConfigOption
from tidegate.spec.errors import NeedsPerson

if TYPE_CHECKING:
    from tidegate.api.server import Server
    from tidegate.engine.build import Parts
    from tidegate.engine.runner import Runner
    from tidegate.spec.base import Secret


def run(
    config: ConfigOption = None,
    ephemeral: Annotated[
        bool,
        typer.Option("--ephemeral", help="Take the gateway and the servers down at the end: for trying things out."),
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")] = False,
) -> None:
    """Run the controller: follow git, serve, roll out, roll back.

    Example: tidegate run --config /etc/tidegate/tidegate.yaml
    """
    from tidegate.engine.build import Parts, steady
    from tidegate.engine.runner import Runner, open_parts
    from tidegate.engine.settings import open_settings
    from tidegate.journal.lease import LeaseLost, Patience

    level = logging.DEBUG if verbose else logging.INFO
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)-7s %(message)s")
    logging.getLogger("tidegate").setLevel(level)
    settings = open_settings(config)
    ending = threading.Event()
    runner: Runner | None = None

    def end(_signal: int, _frame: object) -> None:
        ending.set()
        if runner is not None:
            runner.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    patience, lost = Patience(steady), True
    while lost and (parts := open_parts(lambda: Parts(settings, patience=patience), ending.wait)) is not None:
        lost = False
        runner = Runner(parts)
        if ending.is_set():
            runner.stop()
        server = _server(parts, runner)
        try:
            runner.run()
        except LeaseLost as error:  # from here on it watches, and acts again when the other one ends
            logging.getLogger("tidegate").warning("%s", error.message)
            lost = True
        finally:
            if server is not None:
                server.stop()
            if ephemeral and not lost:
                _take_down(parts)
            parts.close()


def _server(parts: Parts, runner: Runner) -> Server | None:
    """The HTTP API, where an address is configured."""
    settings = parts.settings.controller.server
    if settings.address is None:
        return None
    from tidegate.api.app import application
    from tidegate.api.server import Server

    secret = _secret(settings.webhook_secret, parts.settings.root) if settings.webhook_secret else None
    app = application(
        hint=runner.hint_git,
        status=runner.status,
        healthy=lambda: None,
        ready=lambda: None if parts.gateway.alive() else "the gateway is down",
        secret=secret.encode() if secret else None,
        tokens=tuple(_secret(token, parts.settings.root) for token in settings.tokens),
    )
    server = Server(app, settings.address)
    server.start()
    logging.getLogger("tidegate").info("the API listens on %s", server.address)
    return server


def _secret(reference: Secret, root: Path) -> str:
    if reference.env is not None:
        value = os.environ.get(reference.env)
        if value:
            return value
        raise NeedsPerson(f"the environment variable {reference.env} is not set", fix=f"export {reference.env}=...")
    if reference.file is not None:
        try:
            return (root / reference.file).read_text().strip()
        except OSError as error:
            raise NeedsPerson(
                f"cannot be read: {error.strerror}", where=reference.file, fix="check `server` in tidegate.yaml"
            ) from error
    raise NeedsPerson("a secret needs 'env' or 'file'", where="tidegate.yaml", fix="write {env: NAME} or {file: PATH}")


def _take_down(parts: Parts) -> None:
    """Only what is this instance's own."""
    parts.gateway.stop()
    parts.workers.close()
    for instance in parts.runtime.observe():
        parts.runtime.stop(instance.name, grace=5.0)
