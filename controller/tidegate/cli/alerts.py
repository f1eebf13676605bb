"""`tidegate alerts`: who is told of what happens, what has not arrived, and a test message to each.

Neighbours: alerts/ delivers, engine/alerting.py decides what a running controller tells.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli.output import ConfigOption, Format, FormatOption, print_json
from tidegate.spec.errors import NeedsPerson, TidegateError

if TYPE_CHECKING:
    from tidegate.engine.settings import Settings

WHERE = "nobody is told anything: write notify: [env:NAME] in tidegate.yaml or in a policy, see tidegate explain notify-reference"


def alerts(
    test: Annotated[bool, typer.Option("--test", help="Send a test message to each of them.")] = False,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,  # noqa: A002 the option's name
) -> None:
    """List who is told of rollouts, and what waits for them; exit 1 when a test message does not arrive.

    Secrets are looked up where this runs: test it with the environment of the controller.

    Example: tidegate alerts --test
    """
    from tidegate.engine.settings import open_settings

    settings = open_settings(config)
    targets = _targets(settings)
    boxes = _boxes(settings)
    targets |= {name: ["a policy that the controller followed"] for name in boxes if name not in targets}
    rows = [_row(target, used, boxes.get(target, {})) for target, used in targets.items()]
    if test:
        for row in rows:
            row["error"] = _tried(settings, row["target"])
    if format is Format.JSON:
        print_json({"version": 1, "alerts": rows})
    else:
        for row in rows:
            _print(row, test)
        if not rows:
            typer.echo(WHERE, err=True)
    if any(row.get("error") for row in rows):
        raise typer.Exit(1)


def _targets(settings: Settings) -> dict[str, list[str]]:
    """Each target and what names it: the policies of the repository that this stands in, and tidegate.yaml."""
    from tidegate.spec.declared import load_document
    from tidegate.spec.policy import RolloutPolicy

    found: dict[str, list[str]] = {target: ["tidegate.yaml"] for target in settings.controller.notify}
    for path in sorted(settings.root.glob("policies/*.yaml")):
        loaded, _ = load_document(RolloutPolicy, path.read_bytes(), str(path))
        for target in loaded.value.notify if loaded is not None else ():
            found.setdefault(target, []).append(loaded.value.name if loaded is not None else path.stem)
    return found


def _boxes(settings: Settings) -> dict[str, Any]:
    """What the controller's journal knows of each target."""
    from tidegate.engine.alerting import CURSOR
    from tidegate.journal.reader import Reader

    try:
        with Reader(settings.journal) as journal:
            stored = journal.cursor(CURSOR)
    except NeedsPerson:  # no controller has run here
        return {}
    return dict(stored["desk"]["boxes"]) if stored else {}


def _row(target: str, used: list[str], box: dict[str, Any]) -> dict[str, Any]:
    return {
        "target": target,
        "named_by": used,
        "sent": box.get("sent", 0),
        "sent_at": box.get("sent_at") or None,
        "waiting": len(box.get("notes", ())),
    }


def _tried(settings: Settings, target: str) -> str | None:
    from tidegate.alerts.letter import Letter
    from tidegate.alerts.send import send
    from tidegate.sources.access import secret

    environment, instance = settings.controller.environment, settings.controller.instance
    letter = Letter(
        f"[{environment}] a test message",
        f"tidegate alerts --test: messages of the controller '{instance}' arrive here.",
        "info",
    )
    try:
        send(target, letter, lambda named: secret(named, settings.root))
    except TidegateError as error:
        return error.message if error.fix is None else f"{error.message}; fix: {error.fix}"
    return None


def _print(row: dict[str, Any], test: bool) -> None:
    last = datetime.fromtimestamp(row["sent_at"], UTC).strftime("%Y-%m-%d %H:%M:%SZ") if row["sent_at"] else "never"
    waits = f", {row['waiting']} waiting" if row["waiting"] else ""
    typer.echo(f"{row['target']:<28} {row['sent']} sent, the last {last}{waits}; named by {', '.join(row['named_by'])}")
    if test:
        typer.echo(f"    FAIL: {row['error']}" if row["error"] else "    a test message was taken")
