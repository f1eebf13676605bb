"""A file of the repository that a version in use or a contract names must be there.

`file:models/digits/artifacts/2.0.0/model.onnx` is read from the commit that asks for it. What was never added to git, or
lies under another name, is missing only where it counts: on the controller, when the candidate is due. To mend, add the
file (`git add -f` where it is ignored), or correct the uri. Judged where there is a work tree to look at.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.rules.weights import weights


def check(context: Context) -> Iterator[Finding]:
    """Look up every file that is named by a path in the repository."""
    if context.surroundings is None:
        return
    for one in weights(context):
        if one.path is not None and context.surroundings.size(one.path) is None:
            message = f"there is no file '{one.path}' in the repository"
            yield RULE.finding(one.file, (*one.loc, "uri"), message, "add the file, or correct the path")


_PATH = "models/digits/versions/2.0.0.yaml"
_URI = "s3://models/digits/2.0.0/model.onnx"

RULE = Rule(
    id="missing-file",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, "file:models/digits/artifacts/2.0.0/model.onnx", _URI, at="file:models"),
        Example(
            "models/digits/model.yaml", "file:models/digits/scans.jsonl", "s3://data/digits/scans.jsonl", at="file:"
        ),
    ),
    good=(Example(_PATH, "file:models/digits/labels.txt", _URI),),
)
