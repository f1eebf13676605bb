"""A `file:` uri names a file of this repository, as `file:PATH`, or one of the controller's machine, as `file:///PATH`.

In `file://models/a.onnx` the first word is a host name, by the standard, so nothing can be fetched. A path without a
scheme, or with `..` in it, is refused as well. All of it would be seen after the merge, when the candidate is due.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.rules.weights import weights


def check(context: Context) -> Iterator[Finding]:
    """Judge the uris of artifacts and adapters in use, and of evaluation sets."""
    for one in weights(context):
        fault = _fault(one.uri)
        if fault is not None:
            yield RULE.finding(one.file, (*one.loc, "uri"), *fault)


def _fault(uri: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        return f"this is no uri: {error}", "write file:PATH or https://HOST/PATH"
    path = unquote(parts.path)
    if not parts.scheme:
        return "the uri has no scheme, so nothing says where to look", f"write file:{uri} for a file of this repository"
    if len(parts.scheme) == 1:
        return "a drive letter is no scheme", "write file:PATH, relative to the repository, with '/'"
    if parts.scheme != "file":
        return None
    if parts.netloc not in ("", "localhost"):
        fix = f"write file:{parts.netloc}{parts.path} (relative to the repository), or file:///... (absolute)"
        return f"'{parts.netloc}' stands where a host name would", fix
    if not path.strip("/"):
        return "the uri names no file", "write file:PATH"
    if "\\" in path:
        return "a backslash parts no folders", f"write {uri.replace(chr(92), '/')}"
    if not path.startswith("/") and ".." in PurePosixPath(path).parts:
        return "a relative path may not leave the repository", "write it without '..'"
    return None


_PATH = "models/digits/versions/2.0.0.yaml"
_URI = "s3://models/digits/2.0.0/model.onnx"

RULE = Rule(
    id="file-uri",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, "file://models/digits/labels.txt", _URI, at="file://models"),
        Example(_PATH, "models/digits/2.0.0/model.onnx", _URI, at="models/digits"),
        Example(_PATH, "file:../elsewhere/model.onnx", _URI, at="file:../"),
    ),
    good=(Example(_PATH, "file:///srv/models/digits/2.0.0/model.onnx", _URI),),
)
