"""The uri of an artifact, an adapter, a profile or an evaluation set should not be an alias.

The sha256 beside it keeps other bytes from being served. So when an alias, a tag, a branch or 'latest' moves on, the
release does not change: it can no longer be started. Name the version that the alias means now: a number of the
registry, a commit, an object's version. A plain path is left alone, since a store may be written once by custom.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.pins.places import alias, uris
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Judge every uri that has its digest beside it."""
    for folder in context.declared.models.values():
        for loaded, loc, uri in uris(folder):
            found = alias(uri)
            if found is not None:
                why, fix = found
                message = f"'{uri}' moves: {why}; its digest will then refuse what it leads to"
                yield RULE.finding(loaded, loc, message, fix)


_URI = "s3://models/digits/2.0.0/model.onnx"
_PATH = "models/digits/versions/2.0.0.yaml"
_COMMIT = "507a3991d874042a92e7581eb6e7cc7074b0c77e"

RULE = Rule(
    id="floating-artifact",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, "models:/digits@champion", _URI, at="models:/digits@champion", mended="models:/digits/12"),
        Example(_PATH, "models:/digits/latest", _URI, at="models:/digits/latest", mended="models:/digits/12"),
        Example(_PATH, "s3://models/digits/latest/model.onnx", _URI, at="s3://models/digits/latest"),
        Example(_PATH, "hf://acme/digits@main/model.onnx", _URI, at="hf://", mended=f"hf://acme/digits@{_COMMIT}/m.onnx"),
        Example(_PATH, "oci://registry.example.com/digits:2.0.0", _URI, at="oci://"),
        Example(_PATH, "s3://models/digits/${VERSION}/model.onnx", _URI, at="s3://models/digits/${VERSION}"),
    ),
    good=(
        Example(_PATH, "models:/digits/12", _URI),
        Example(_PATH, "file:models/digits/artifacts/latest.onnx", _URI),
        Example(_PATH, f"{_URI}?versionId=3HL4kqtJlcpXroDTDmjVBH40Nrjfkd", _URI),
    ),
)  # fmt: skip
