"""No secret stands in a file of the repository.

Whoever can read the repository can use it, and so can everybody who will: git keeps it after it was taken out. Tidegate
knows the shapes of the usual keys, tokens and signed addresses, and passwords in uris. To mend: revoke the secret first;
then refer to it (`credential: {env: NAME}`, or an environment of the controller), and where the file cannot change any
more, say in a comment that it was revoked (`# tidegate: ignore[plain-secret] revoked on ...`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tidegate.rules.context import Context
from tidegate.rules.documents import documents, scalars
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.rules.secrets import SHAPES, carries, shaped
from tidegate.spec.declared import Loaded

_HINTS = tuple(sorted({shape.hint.encode() for shape in SHAPES}))
_USER = re.compile(rb"://[^/?#\s]*@")


def check(context: Context) -> Iterator[Finding]:
    """Look at every text of every file that holds what a secret could begin with."""
    for document in documents(context):
        content = context.files.get(document.path, b"")
        if any(hint in content for hint in _HINTS) or _USER.search(content):
            yield from _found(document)
            yield from _commented(document.path, content)


def _commented(path: str, content: bytes) -> Iterator[Finding]:
    """What was taken out of use and left in a comment is as readable as before."""
    for number, line in enumerate(content.decode("utf-8-sig", "replace").split("\n"), 1):
        start = line.find("#") if line.lstrip().startswith("#") else line.find(" #") + 1
        secret = shaped(line[start:]) if "#" in line and line[start] == "#" else None
        if secret is not None:
            message = f"{secret[0]} stands in this comment: {secret[1]}"
            yield RULE.at(path, number, start + 1, message, "revoke it, and take the comment out")


def _found(document: Loaded[Any]) -> Iterator[Finding]:
    fix = "revoke it, and refer to a secret of the controller instead: {env: NAME} or {file: PATH}"
    for found in scalars(document.source):
        secret = shaped(found.text)
        if secret is not None:
            yield RULE.at(document.path, found.line, found.column, f"{secret[0]} stands here: {secret[1]}", fix)
        elif (uri := carries(found.text)) is not None:
            yield RULE.at(document.path, found.line, found.column, f"a password stands in this uri: {uri}", fix)


_PATH = "models/digits/versions/2.0.0.yaml"
_ENV = 'env: {THREADS: "1"}'
_SIGNED = "https://files.example.com/words.txt?X-Amz-Signature=" + "0a1b2c3d" * 8
"""A shape that a forge's own scanner lets pass: these examples are printed in the manual, which lies in git too."""

RULE = Rule(
    id="plain-secret",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="file",
    bad=(
        Example(_PATH, f'env: {{WORDS: "{_SIGNED}"}}', _ENV, at='"https://files'),
        Example(_PATH, f"{_ENV}  # was {_SIGNED}", _ENV, at="# was"),
        Example("tidegate.yaml", "https://bot:S3cr3t-9@git.", "https://git.", at="https://bot:"),
    ),
    good=(Example(_PATH, 'env: {MAX_TOKENS: "256"}', _ENV),),
)
