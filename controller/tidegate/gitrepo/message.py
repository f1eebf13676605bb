"""The words of the commits that Tidegate makes: subject, what happened, trailers that git itself can parse.

Neighbours: revert.py commits them; record.py reads nothing from here: notes are its own record.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping

from tidegate.spec.release import Release

ROUTE = "Tidegate-Route"
RELEASE = "Tidegate-Release"
REJECTS = "Tidegate-Rejects"
REASON = "Tidegate-Reason"
_SUBJECT = 100
_WIDTH = 76


def one_line(text: str) -> str:
    """The text without line breaks or control characters: what a subject or a trailer can hold."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]+", " ", text).split())


def rejection(route: str, rejected: Release, good: Release, reason: str, *, asked_by: str = "", story: str = "") -> str:
    """The commit that takes back a release which Tidegate turned down. `reason`: one sentence with the numbers.

    `asked_by`: the commit that asked for it. `story`: what else happened, free text. In the trailers, `Tidegate-Release` is
    the digest of the release that was turned down, `Tidegate-Rejects` the commit that had asked for it.
    """
    what = f"{route} {rejected.version}"
    if rejected.version == good.version and rejected.config:
        what = f"{route} {rejected.version} (config {rejected.config})"
    by = f" It was asked for by commit {asked_by[:12]}." if asked_by else ""
    body = (
        f"Tidegate rejected {_named(rejected)} on {route} and went back to {_named(good)}; "
        f"traffic had moved before this commit was made.{by}"
    )
    reason = one_line(reason)
    trailers = {ROUTE: route, RELEASE: rejected.digest, REJECTS: asked_by or rejected.commit, REASON: reason}
    return _message(f'Revert "{what}": {reason}', (body, f"Reason: {reason.rstrip('.')}.", story), trailers)


def rollback(route: str, left: Release, good: Release, reason: str, *, config_only: bool = False) -> str:
    """The commit by which a person goes back to an earlier release."""
    what = f"the config of {route}" if config_only else route
    reason = one_line(reason)
    body = f"From {_named(left)} back to {_named(good)}."
    trailers = {ROUTE: route, RELEASE: left.digest, REASON: reason}
    return _message(f"Roll back {what} to {good.version}: {reason}", (body,), trailers)


def asking(subject: str, route: str, release: Release, reason: str) -> str:
    """The commit by which a person has a say in a rollout: approves a step, holds, resumes, asks once more."""
    trailers = {ROUTE: route, RELEASE: release.digest} | ({REASON: one_line(reason)} if reason else {})
    return _message(f"{subject}: {one_line(reason)}" if reason else subject, (f"About {_named(release)}.",), trailers)


def _named(release: Release) -> str:
    config = f" with config {release.config}" if release.config else ""
    return f"{release.label}{config}"


def _message(subject: str, body: tuple[str, ...], trailers: Mapping[str, str]) -> str:
    subject = one_line(subject)
    if len(subject) > _SUBJECT:
        subject = subject[: _SUBJECT - 1].rsplit(" ", 1)[0].rstrip(",;:") + "…"
    parts = [
        textwrap.fill(one_line(part), _WIDTH, break_long_words=False, break_on_hyphens=False) for part in body if part
    ]
    last = "\n".join(f"{name}: {one_line(value) or 'none given'}" for name, value in trailers.items())
    return "\n\n".join([subject, *parts, last]) + "\n"
