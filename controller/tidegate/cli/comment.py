"""`tidegate comment`: keeps one comment in a pull request up to date, by its hidden marker. For a step of GitHub Actions.

Neighbours: plan_text.py writes the marker into the plan's Markdown; action.yml and the workflow of `init` call this.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegate.spec.errors import NeedsPerson, RetryLater

if TYPE_CHECKING:
    from collections.abc import Mapping

MARKER = "<!-- tidegate plan -->"
LONGEST = 65_000
"""Characters of a comment: GitHub refuses more than 65,536."""
TIMEOUT = 20.0
PAGE = 100
PAGES = 30


def comment(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The Markdown, for example of 'tidegate plan'; - reads it.")
    ],
) -> None:
    """Write FILE as the pull request's one Tidegate comment: made the first time, brought up to date later.

    Takes the pull request from GitHub Actions' environment and the token from GITHUB_TOKEN (pull-requests: write).
    Where the token may only read, as in a pull request from a fork, it says so and ends with 0: the job's summary
    has the plan as well.

    Example: tidegate plan --base origin/main --format markdown | tidegate comment -
    """
    import os

    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except OSError as error:
        raise NeedsPerson(
            f"cannot be read: {error.strerror}", where=str(file), fix="name the file of a plan"
        ) from error
    typer.echo(put(text, os.environ), err=True)


def put(text: str, environment: Mapping[str, str]) -> str:
    """Make or update the comment; what was done, in a sentence. Raises NeedsPerson and RetryLater."""
    issue, headers = _pull_request(environment)
    body = _body(text)
    try:
        known = _known(issue, headers)
        if known is None:
            _ask("POST", f"{issue}/comments", headers, {"body": body})
            return "commented the plan"
        if known["body"] == body:
            return "the comment says this already"
        _ask("PATCH", known["url"], headers, {"body": body})
    except _ReadOnlyError:
        return (
            "warning: the token may not write comments (a pull request from a fork?): the plan is in the summary only"
        )
    return "brought the comment up to date"


class _ReadOnlyError(Exception):
    """The token may not do this."""


def _pull_request(environment: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The API address of the pull request as an issue, and the headers to ask it with."""
    import json

    missing = [n for n in ("GITHUB_EVENT_PATH", "GITHUB_REPOSITORY", "GITHUB_TOKEN") if not environment.get(n)]
    if missing:
        raise NeedsPerson(
            f"{' and '.join(missing)} not set: this command runs as a step of GitHub Actions",
            fix="in the step, write  env: {GITHUB_TOKEN: '${{ github.token }}'}",
        )
    path = environment["GITHUB_EVENT_PATH"]
    try:
        number = int(json.loads(Path(path).read_text(encoding="utf-8"))["pull_request"]["number"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NeedsPerson(
            "names no pull request", where=path, fix="run this on pull_request events only (on: pull_request)"
        ) from error
    api = environment.get("GITHUB_API_URL", "https://api.github.com").rstrip("/")
    headers = {
        "Authorization": f"Bearer {environment['GITHUB_TOKEN']}",
        "Accept": "application/vnd.github+json",
        "Content-Type": "application/json",
        "User-Agent": "tidegate",
    }
    return f"{api}/repos/{environment['GITHUB_REPOSITORY']}/issues/{number}", headers


def _body(text: str) -> str:
    body = text if text.startswith(MARKER) else f"{MARKER}\n{text}"
    if len(body) <= LONGEST:
        return body
    note = "\n\n*Cut here: the comment would be too long. The job's summary has all of it.*\n"
    return body[: LONGEST - len(note)].rpartition("\n")[0] + note


def _known(issue: str, headers: Mapping[str, str]) -> dict[str, Any] | None:
    """The comment that carries the marker, if there is one."""
    for page in range(1, PAGES + 1):
        comments = _ask("GET", f"{issue}/comments?per_page={PAGE}&page={page}", headers)
        for known in comments:
            if str(known.get("body", "")).startswith(MARKER):
                return {"url": known["url"], "body": known["body"].replace("\r\n", "\n")}
        if len(comments) < PAGE:
            return None
    return None


def _ask(method: str, url: str, headers: Mapping[str, str], body: Any = None) -> Any:
    """One request; its JSON. Plain urllib: nothing more is needed, and nothing more is installed in a hook's environment."""
    import json
    import urllib.error
    import urllib.request

    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data=data, headers=dict(headers), method=method)  # noqa: S310 the API's own address
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 the same
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(2000).decode("utf-8", "replace")
        if error.code == 403 and method != "GET":
            raise _ReadOnlyError from error
        if error.code >= 500 or error.code == 429:
            raise RetryLater(f"GitHub answered {error.code}", where=url, fix="run the job again") from error
        raise NeedsPerson(
            f"GitHub answered {error.code}: {said[:300]}", where=url, fix="look at the job's permissions"
        ) from error
    except (urllib.error.URLError, TimeoutError, ValueError) as error:
        raise RetryLater(f"GitHub cannot be reached: {error}", where=url, fix="run the job again") from error
