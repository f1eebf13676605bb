"""`tidegate run`: the controller, in the foreground, until ^C or SIGTERM. What serves goes on serving after it."""

from __future__ import annotations

import logging
import signal
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.output import ConfigOption

if TYPE_CHECKING:
    from tidegate.api.server import Server
    from tidegate.engine.build import Parts
    from tidegate.engine.runner import Runner


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
    from tidegate.sources.access import secret

    key = secret(settings.webhook_secret, parts.settings.root) if settings.webhook_secret else None
    app = application(
        hint=runner.hint_git,
        status=runner.status,
        healthy=lambda: None,
        ready=lambda: None if parts.gateway.alive() else "the gateway is down",
        secret=key.encode() if key else None,
        tokens=tuple(secret(token, parts.settings.root) for token in settings.tokens),
        feedback=parts.controller.sources.accept,
    )
    server = Server(app, settings.address)
    server.start()
    logging.getLogger("tidegate").info("the API listens on %s", server.address)
    return server


def _take_down(parts: Parts) -> None:
    """Only what is this instance's own."""
    parts.gateway.stop()
    parts.workers.close()
    for instance in parts.runtime.observe():
        parts.runtime.stop(instance.name, grace=5.0)
