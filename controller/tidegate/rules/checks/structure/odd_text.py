"""Text that names something is written without spaces around it, and with composed letters.

`"internal "` is another value than `internal`: a header never matches it, and nobody sees why. Two ways to write an `é`
look alike and are not equal; Unicode's composed form (NFC) is the one that keyboards write. Texts for people and for
models (reasons, cards, prompts, parameters) are left alone. To mend, retype the text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.documents import documents, scalars, texts
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule

_FREE = frozenset({
    "reason", "summary", "card", "system_prompt", "few_shot", "tools", "parameters", "response_format", "hyperparameters",
    "snapshot", "stores",
})  # fmt: skip
"""Fields whose text is read by people, or handed on as it is."""


def check(context: Context) -> Iterator[Finding]:
    """Look at every key and value that is no free text."""
    for document in documents(context):
        if not any(map(_odd, texts(document.source))):
            continue
        for found in scalars(document.source):
            text = found.text
            if not _odd(text):
                continue
            if not _FREE.isdisjoint(part for part in found.loc if isinstance(part, str)):
                continue
            shown = repr(text if len(text) <= 40 else f"{text[:37]}...")
            if text != text.strip():
                message, fix = f"{shown} begins or ends with a space", "take the space out"
            elif not unicodedata.is_normalized("NFC", text):
                message, fix = f"{shown} holds letters with separate accents", "retype it, which composes them"
            elif any(character.isspace() and character != " " for character in text):
                message, fix = f"{shown} holds a space that is none", "put a plain space there"
            else:
                continue
            yield RULE.at(document.path, found.line, found.column, message, fix)


def _odd(text: str) -> bool:
    return not text.isascii() or text != text.strip()


RULE = Rule(
    id="odd-text",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="file",
    bad=(
        Example(
            "models/digits/model.yaml", 'values: ["internal ", beta]', "values: [internal, beta]", at='"internal "'
        ),
        Example("models/digits/model.yaml", "owners: [e\u0301quipe]", "owners: [vision-platform]", at="e\u0301quipe"),
    ),
    good=(
        Example("models/digits/configs/default.yaml", 'parameters: {stop: " END "}', "parameters: {threshold: 0.5}"),
    ),
)
