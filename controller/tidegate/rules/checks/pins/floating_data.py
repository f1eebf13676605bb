"""The training data should be named by what cannot change: a digest, or a uri that is pinned itself.

Nobody can train the model again, explain it, or find out which records were in it, once the folder that it was trained
on has moved on. Write `digest: sha256:...` beside the uri, or a uri with the commit or version of its store. The same
holds for the training profile that later traffic is compared with: a uri needs its `sha256`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.pins import judge
from tidegate.rules.pins.places import judge_uri
from tidegate.rules.rule import Example, Rule
from tidegate.spec.source import Loc


def check(context: Context) -> Iterator[Finding]:
    """Judge `training.data` and `training.profile` of every version."""
    for _, version in context.versions():
        training = version.value.training
        if training is None:
            continue
        for loc, message, fix in (*_data(training.data), *_profile(training.profile or {})):
            yield RULE.finding(version, loc, message, fix)


def _data(data: dict[str, Any]) -> Iterator[tuple[Loc, str, str]]:
    digest, uri = data.get("digest"), data.get("uri")
    if isinstance(digest, str):
        pin = judge("weights-digest", digest)
        if not pin.pinned:
            yield ("training", "data", "digest"), f"'{digest}' pins no data: {pin.why}", pin.fix
        return
    judged = judge_uri(uri) if isinstance(uri, str) else None
    if data and (judged is None or not judged.pinned):
        why = f": {judged.why}" if judged is not None else ""
        where: Loc = ("training", "data", "uri") if isinstance(uri, str) else ("training", "data")
        yield where, f"the training data can change under its name{why}", "add digest: sha256:<64 hex> of the data"


def _profile(profile: dict[str, Any]) -> Iterator[tuple[Loc, str, str]]:
    if isinstance(profile.get("uri"), str) and not isinstance(profile.get("sha256"), str):
        loc: Loc = ("training", "profile", "uri")
        yield loc, "the training profile can change under its uri", "add sha256: and what 'sha256sum' prints for it"


_PATH = "models/digits/versions/2.0.0.yaml"
_DIGEST = ', digest: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"'
_URI = '"s3://data/digits/2026-08"'
_LAKE = f"lakefs://data/{'9f86d081' * 8}/digits"

RULE = Rule(
    id="floating-data",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, "", _DIGEST, at=_URI),
        Example(_PATH, ', digest: "md5:9f86d081884c7d659a2feaa0c55ad015"', _DIGEST, at='"md5:'),
        Example(
            _PATH,
            '  profile: {uri: "s3://data/digits/profile.json"}\npreprocessing:',
            "preprocessing:",
            at='"s3://data/digits/profile.json"',
        ),
    ),
    good=(Example(_PATH, f'data: {{uri: "{_LAKE}"', f"data: {{uri: {_URI}{_DIGEST}"),),
)
