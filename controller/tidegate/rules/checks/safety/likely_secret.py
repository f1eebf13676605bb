"""A variable or option with the name of a secret does not hold one.

`DB_PASSWORD: hunter2` and `--api-key 4f9Zq...` are readable for all who can read the repository. Judged by the name and
by how random the value looks; a placeholder such as `${NAME}`, a path or a reference is fine. To mend, revoke the secret,
and let the server read it from where it runs: a file that is mounted there, or the provider's `credential: {env: NAME}`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tidegate.rules.context import Context
from tidegate.rules.documents import Scalar, documents, scalars
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.rules.secrets import carries, likely, named, shaped
from tidegate.spec.declared import Loaded

_HINTS = (b"pass", b"pwd", b"secret", b"token", b"key", b"credential")
_NAMES_ONLY = frozenset({"credential", "webhook_secret", "tokens"})
"""Below these fields stands where a secret is, by the kind itself."""


def check(context: Context) -> Iterator[Finding]:
    """Look at the values under telling names, and at what follows telling options of a command."""
    for document in documents(context):
        content = context.files.get(document.path, b"").lower()
        if any(hint in content for hint in _HINTS):
            yield from _found(document)


def _found(document: Loaded[Any]) -> Iterator[Finding]:
    option = ""
    for found in scalars(document.source):
        if found.key or not _NAMES_ONLY.isdisjoint(part for part in found.loc if isinstance(part, str)):
            continue
        name, value = _pair(found, option)
        option = found.text if found.name == "command" and found.text.startswith("-") else ""
        if named(name) and likely(name, value) and shaped(value) is None and carries(value) is None:
            message = f"'{name.lstrip('-')}' looks like a secret, and its value ({len(value)} characters) stands here"
            yield RULE.at(
                document.path, found.line, found.column, message, "revoke it, and let the server read it where it runs"
            )


def _pair(found: Scalar, option: str) -> tuple[str, str]:
    """Name and value: a key and what stands under it, or an option of a command and the word after it."""
    if found.name != "command":
        return found.name, found.text
    if found.text.startswith("-"):
        name, _, value = found.text.partition("=")
        return name, value
    return option, found.text


_PATH = "models/digits/versions/2.0.0.yaml"
_ENV = 'env: {THREADS: "1"}'

RULE = Rule(
    id="likely-secret",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="file",
    bad=(
        Example(_PATH, "env: {STORE_PASSWORD: hunter2}", _ENV, at="hunter2"),
        Example(
            _PATH,
            'command: [serve, --api-key, 4f9Zq81LmT0xVb2c, "${TIDEGATE_ARTIFACT}"',
            'command: [serve, "${TIDEGATE_ARTIFACT}"',
            at="4f9Zq",
        ),
    ),
    good=(
        Example(_PATH, "env: {STORE_PASSWORD_FILE: /run/secrets/store}", _ENV),
        Example(_PATH, 'env: {EOS_TOKEN: "<|endoftext|>", STORE_TOKEN: "${STORE_TOKEN}"}', _ENV),
    ),
)
