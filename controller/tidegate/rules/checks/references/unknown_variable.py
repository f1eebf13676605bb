"""A placeholder in `command` or `env` must be one that Tidegate fills in.

`${TIDEGATE_ARTIFACT}` becomes the verified file's path, `${TIDEGATE_PORT}` the port, and `${TIDEGATE_CONFIGS}` the folder of
inference configs, which servers of `protocol: http` have. Anything else that begins with `${TIDEGATE_` reaches the server as
it stands, and so does the artifact's name when the version has none: it starts, or rather does not, and the candidate is
rejected without a hint. To mend, write one of the three names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.documents import in_use, scalars
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.vocabulary import similar

KNOWN = ("TIDEGATE_ARTIFACT", "TIDEGATE_CONFIGS", "TIDEGATE_PORT")
_PLACEHOLDER = re.compile(r"\$\{?(TIDE_?GATE_\w+)\}?", re.IGNORECASE)


def check(context: Context) -> Iterator[Finding]:
    """Look for placeholders in the commands and variables of versions in use."""
    for _, version in in_use(context):
        for loc in (("runtime", "command"), ("runtime", "env")):
            for found in scalars(version.source, loc):
                for match in _PLACEHOLDER.finditer(found.text) if not found.key else ():
                    fault = _fault(match[0], match[1], version.value.artifact is not None)
                    if fault is not None:
                        yield RULE.at(version.path, found.line, found.column, *fault)


def _fault(text: str, name: str, artifact: bool) -> tuple[str, str] | None:
    if name not in KNOWN:
        meant = similar(name.upper(), KNOWN)
        fix = (
            f"did you mean ${{{meant}}}?"
            if meant
            else "write ${TIDEGATE_ARTIFACT}, ${TIDEGATE_CONFIGS} or ${TIDEGATE_PORT}"
        )
        return f"'{text}' is filled in by nobody", fix
    if name == KNOWN[0] and not artifact and text.startswith("${"):
        return f"'{text}' is asked for, and the version has no artifact", "add 'artifact:', or take the placeholder out"
    return None


_PATH = "models/digits/versions/2.0.0.yaml"

RULE = Rule(
    id="unknown-variable",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, "${TIDEGATE_ARTEFACT}", "${TIDEGATE_ARTIFACT}", at='"${TIDEGATE_ARTEFACT}"'),
        Example(_PATH, "${TIDEGATE_MODEL_PORT}", "${TIDEGATE_PORT}", at='"${TIDEGATE_MODEL_PORT}"'),
    ),
    good=(Example(_PATH, "${TIDEGATE_PORT}0", "${TIDEGATE_PORT}"),),
)
