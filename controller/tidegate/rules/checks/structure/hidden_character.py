"""No character in a file may be invisible, or turn the order of what is read.

A reviewer approves what is shown. A zero-width space makes two equal names differ, and marks that turn the direction of
writing show another text than the one that is served. Emoji and every script are fine; only these marks are not. Retype
the line, or take the named character out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Mend, Resolver, Rule
from tidegate.spec.source import MAX_BYTES

_MARKS = "\u00ad\u115f\u180e\u200b\u2028\u2029\u202a-\u202e\u2060-\u2064\u2066-\u2069\u3164\ufeff\uffa0\ufff9-\ufffb"
_HIDDEN = re.compile(f"[{_MARKS}\U000e0000-\U000e007f]")
_TAGGED = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")
"""A flag such as Scotland's: a black flag and letters out of the block of tags, which alone would be hidden text."""


def check(context: Context) -> Iterator[Finding]:
    """Look at every line that is not plain ASCII."""
    for path, content in context.files.items():
        if content.isascii() or len(content) > MAX_BYTES:
            continue
        text = content.decode("utf-8-sig", "replace")
        for number, line in enumerate(text.split("\n"), 1) if _HIDDEN.search(text) else ():
            found = _HIDDEN.search(_TAGGED.sub(lambda flag: "." * len(flag[0]), line))
            if found is not None:
                name = f"U+{ord(found[0]):04X} {unicodedata.name(found[0], 'a control character').lower()}"
                message = f"an invisible character ({name}): what is read here is not what a reviewer sees"
                yield RULE.at(path, number, found.start() + 1, message, "take it out, or retype the line")


def mend(text: str, finding: Finding, _: Resolver | None) -> str | None:
    """The text without the character that was found."""
    lines = text.split("\n")
    line, at = lines[finding.line - 1], finding.column - 1
    if not _HIDDEN.fullmatch(line[at : at + 1]):
        return None
    lines[finding.line - 1] = line[:at] + line[at + 1 :]
    return "\n".join(lines)


RULE = Rule(
    id="hidden-character",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="file",
    mend=Mend(mend, safe=False),
    bad=(
        Example(
            "models/digits/model.yaml", "values: [internal\u200b, beta]", "values: [internal, beta]", at="\u200b, beta"
        ),
        Example("models/digits/model.yaml", "8x8 \u202eyerg image.", "8x8 grey image.", at="\u202eyerg"),
    ),
    good=(Example("models/digits/model.yaml", "8x8 grey image \U0001f441\ufe0f.", "8x8 grey image."),),
)
