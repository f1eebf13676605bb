"""A file of the repository must have the digest and the size that are declared for it.

The controller checks both before anything is served, so a file that was exported again after its digest was written can
only be rejected. `sha256sum FILE` prints the digest; `tidegate register` writes a version with the right one. A pointer
of Git LFS counts as the file that it points at. Judged where there is a work tree to look at.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.rules.weights import weights


def check(context: Context) -> Iterator[Finding]:
    """Compare what is declared with the file that is there."""
    if context.surroundings is None:
        return
    for one in weights(context):
        if one.path is None:
            continue
        size = context.surroundings.size(one.path)
        if size is None:
            continue
        if one.size is not None and one.size != size:
            message = f"'{one.path}' has {size} bytes, not {one.size}"
            yield RULE.finding(
                one.file, (*one.loc, "size"), message, f"write size: {size}, if the file is the right one"
            )
        digest = context.surroundings.sha256(one.path)
        if digest is not None and digest != one.sha256:
            message = f"'{one.path}' is another file, whose sha256 begins with {digest[:12]}"
            fix = f'write sha256: "{digest}", or bring the former file back'
            yield RULE.finding(one.file, (*one.loc, "sha256"), message, fix)


_PATH = "models/digits/versions/2.0.0.yaml"
_OLD = """  uri: s3://models/digits/2.0.0/model.onnx
  sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
  format: onnx
  size: 31245
"""
_NEW = """  uri: file:models/digits/labels.txt
  sha256: "7bad0527e6c342cc3a0fb266c5b876e1cc16f316bb539bf293280e2699eff02e"
  size: 20
"""

RULE = Rule(
    id="file-digest",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, _NEW.replace('"7bad', '"0000'), _OLD, at='"0000', mended=_NEW),
        Example(_PATH, _NEW.replace("size: 20", "size: 21"), _OLD, at="21", mended=_NEW),
    ),
    good=(Example(_PATH, _NEW, _OLD),),
)
