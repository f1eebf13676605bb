"""Every file carries the comment that tells an editor its schema.

With it, editors that speak the YAML language server complete fields and mark mistakes while typing. `tidegate schema`
writes the schemas to `schemas/`. A schema at an address of your own is fine too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Mend, Resolver, Rule
from tidegate.spec.layout import modeline

_LINE = re.compile(rb"^(?:\xef\xbb\xbf)?#\s*yaml-language-server:\s*\$schema=(\S+)", re.MULTILINE)


def check(context: Context) -> Iterator[Finding]:
    """Look for the comment at the top of every file that Tidegate reads."""
    for path, text in context.files.items():
        wanted = modeline(path)
        if wanted is None:
            continue
        found = _LINE.search(text)
        if found is None:
            yield RULE.at(path, 1, 1, "the editor's modeline is missing", f"make this the first line: {wanted}")
            continue
        schema = found[1].decode("utf-8", "replace")
        if "://" not in schema and schema != wanted.partition("=")[2]:
            line = text.count(b"\n", 0, found.start()) + 1
            yield RULE.at(
                path, line, 1, f"the modeline names '{schema}', not the schema of this kind", f"write {wanted}"
            )


def mend(text: str, finding: Finding, _: Resolver | None) -> str | None:
    """Write the comment above everything else, or in the place of the one that names another schema."""
    wanted = modeline(finding.path)
    if wanted is None:
        return None
    if "missing" in finding.message:
        return f"{wanted}\n{text}"
    lines = text.split("\n")
    lines[finding.line - 1] = wanted
    return "\n".join(lines)


_DEPLOYMENT = "models/digits/deployment.yaml"
_GOOD = "# yaml-language-server: $schema=../../schemas/deployment.json\n"

RULE = Rule(
    id="modeline",
    severity="warning",
    since="0.1.0",
    manual=__doc__ or "",
    check=check,
    scope="file",
    mend=Mend(mend),
    bad=(
        Example(_DEPLOYMENT, "", _GOOD),
        Example(_DEPLOYMENT, _GOOD.replace("deployment.json", "model.json"), _GOOD),
    ),
    good=(
        Example(_DEPLOYMENT, "# yaml-language-server: $schema=https://schemas.example.com/deployment.json\n", _GOOD),
    ),
)
