"""The sha256 of an artifact, an adapter, a profile or an evaluation set must be one that a file can have.

It is checked before the file is used, so a placeholder of zeros could only ever fail, at the worst moment.
`sha256sum FILE` prints the right one.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.pins import digest_floats
from tidegate.rules.pins.places import digests
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Judge every digest of a file that a model's folder names."""
    for folder in context.declared.models.values():
        for loaded, loc, sha256 in digests(folder):
            why = digest_floats(sha256)
            if why is not None:
                message = f"the digest names no file: {why}"
                yield RULE.finding(loaded, loc, message, "write what 'sha256sum' prints for the file")


_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_PATH = "models/digits/versions/2.0.0.yaml"
_PROFILE = '  profile: {uri: "s3://data/digits/profile.json", sha256: "xxx"}\npreprocessing:'

RULE = Rule(
    id="artifact-digest",
    severity="error",
    since="0.1.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, "0" * 64, _SHA256, at='"000000'),
        Example(
            _PATH,
            f'adapters: [{{name: b, uri: "file:///b", sha256: "{"0" * 64}"}}]\nruntime:',
            "runtime:",
            at='"000000',
        ),
        Example(_PATH, _PROFILE, "preprocessing:", at='"xxx"', mended=_PROFILE.replace("xxx", _SHA256)),
    ),
    good=(Example(_PATH, _SHA256[::-1], _SHA256),),
)
