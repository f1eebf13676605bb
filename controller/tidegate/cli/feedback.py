"""`tidegate feedback`: say how good an answer was, by its request id; one value, or many from a file or a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.cli.output import ConfigOption, Format, FormatOption, print_json
from tidegate.spec.errors import NeedsPerson, RetryLater

if TYPE_CHECKING:
    from tidegate.sources.reports import Report

PART = 5000
TIMEOUT = 60.0
TOKEN = "TIDEGATE_TOKEN"  # noqa: S105 the variable's name
WRONG = ("unknown", "unasked", "unclear", "refused")


def feedback(
    request_id: Annotated[str | None, typer.Argument(help="The answer's x-request-id.")] = None,
    metric: Annotated[str | None, typer.Argument(help="A metric that a guardrail asks feedback for.")] = None,
    value: Annotated[float | None, typer.Argument(help="Its value; 1 and 0 for true and false.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", "-f", help="Many: JSON lines with request_id, metric, value and, if you like, time; - is stdin."
        ),
    ] = None,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="The controller's API; else server.address of tidegate.yaml.")
    ] = None,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,  # noqa: A002 the option's name
) -> None:
    """Report how good answers were. What is accepted is on the controller's disk. The token is TIDEGATE_TOKEN,
    else the first of server.tokens. Ends with 1 when something was not taken in.

    Example: tidegate feedback 1083a20b-925f-47f7-8c4a-592ffc07b895 hallucination 1
    """
    reports = list(_reports(request_id, metric, value, file))
    url, token = _where(server, config)
    total: dict[str, Any] = {}
    for doc in _sent(reports, url, token):
        for name, found in doc.items():
            if name != "version" and isinstance(found, int):
                total[name] = total.get(name, 0) + found
            elif isinstance(found, list):
                total[name] = [*total.get(name, []), *found][:10]
    if format is Format.JSON:
        print_json({"version": 1, **total})
    else:
        _show(total)
    if any(total.get(name) for name in WRONG):
        raise typer.Exit(1)


def _reports(request_id: str | None, metric: str | None, value: float | None, file: Path | None) -> Iterator[Report]:
    from tidegate.sources.reports import Refused, Report, parse

    one = (request_id, metric, value)
    if file is None and request_id is not None and metric is not None and value is not None:
        yield Report(request_id, metric, value)
        return
    if file is None or one != (None, None, None):
        raise typer.BadParameter("give REQUEST_ID METRIC VALUE, or --file with many", param_hint="REQUEST_ID")
    where = "standard input" if str(file) == "-" else str(file)
    try:
        body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise NeedsPerson(f"cannot be read: {error.strerror}", where=where, fix="name another file") from error
    for found in parse(body) if body.strip() else ():
        if isinstance(found, Refused):
            raise NeedsPerson(
                f"{found.why}; nothing was sent",
                where=f"{where}, report {found.place}",
                fix="mend it, and send all again",
            )
        yield found


def _where(server: str | None, config: Path | None) -> tuple[str, str]:
    """The API's address and the token."""
    import os

    token = os.environ.get(TOKEN, "")
    if server is not None and token:
        return server.rstrip("/"), token
    from tidegate.engine.settings import open_settings
    from tidegate.sources.access import secret

    settings = open_settings(config)
    declared = settings.controller.server
    if server is None and declared.address is None:
        raise NeedsPerson(
            "this controller has no API", where="tidegate.yaml", fix="set server.address, or name another with --server"
        )
    if not token:
        if not declared.tokens:
            raise NeedsPerson("there is no token", where="tidegate.yaml", fix=f"set server.tokens, or export {TOKEN}")
        token = secret(declared.tokens[0], settings.root)
    return (server or f"http://{declared.address}").rstrip("/"), token


def _sent(reports: Sequence[Report], url: str, token: str) -> Iterator[dict[str, Any]]:
    """The answers to all reports, sent in parts."""
    rest = iter(reports)
    while part := list(islice(rest, PART)):
        yield _post(part, f"{url}/api/feedback", token)


def _post(part: Sequence[Report], url: str, token: str) -> dict[str, Any]:
    import urllib.error
    import urllib.request

    import orjson

    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    data = orjson.dumps([one.to_json() for one in part])
    try:
        request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310 the operator's own address
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 the same
            found = orjson.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(100_000)
        found = _words(said)
        if error.code != 422:
            fix = str(found.get("fix") or "look at the controller's log")
            kind = RetryLater if error.code in (429, *range(500, 600)) else NeedsPerson
            raise kind(str(found.get("error") or f"it answers {error.code}"), where=url, fix=fix) from error
    except (urllib.error.URLError, TimeoutError, ValueError, OSError) as error:
        reason = getattr(error, "reason", error)
        fix = "is the controller running? What was sent may be sent again: nothing counts twice"
        raise RetryLater(f"the controller cannot be reached: {reason}", where=url, fix=fix) from error
    return found if isinstance(found, dict) else {}


def _words(said: bytes) -> dict[str, Any]:
    import orjson

    try:
        found = orjson.loads(said)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _show(total: dict[str, Any]) -> None:
    taken = total.get("accepted", 0)
    out = f", {total['out_of_bounds']:,} of them out of bounds" if total.get("out_of_bounds") else ""
    typer.echo(f"{taken:,} accepted{out}")
    if total.get("duplicate"):
        typer.echo(f"{total['duplicate']:,} reported before: the first value stands")
    if total.get("unknown"):
        typer.echo(
            f"{total['unknown']:,} unknown: not in the record yet, such as {', '.join(total['unknown_ids'][:3])}"
        )
    if total.get("unasked"):
        asked = ", ".join(dict.fromkeys(total.get("asked", []))) or "none"
        typer.echo(f"{total['unasked']:,} that no guardrail asks for; metrics asked for: {asked}")
    if total.get("unclear"):
        typer.echo(f"{total['unclear']:,} unclear: two releases answered under that id")
    for one in total.get("refusals", []):
        typer.echo(f"refused: report {one['place']}: {one['why']}")
