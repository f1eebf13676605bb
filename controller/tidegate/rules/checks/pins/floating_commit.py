"""A commit must be named in full: 40 or 64 lower-case hex digits.

Short hashes become ambiguous as a repository grows; branches and tags move. `git rev-parse REF` prints the full commit,
and `tidegate validate --unsafe-fixes` asks the repository and writes it, with what stood there before in a comment.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.pins import floats
from tidegate.rules.pins.mends import pin_commit
from tidegate.rules.rule import Example, Mend, Rule


def check(context: Context) -> Iterator[Finding]:
    """Judge `code.commit` and `preprocessing.commit` of every version."""
    for _, version in context.versions():
        for field, part in (("code", version.value.code), ("preprocessing", version.value.preprocessing)):
            why = floats("git", part.commit) if part is not None else None
            if why is not None and part is not None:
                message = f"'{part.commit}' is not a full commit: {why}"
                yield RULE.finding(
                    version, (field, "commit"), message, f"write what 'git rev-parse {part.commit}' prints"
                )


_COMMIT = "6cb5bdfd0bf15f484881fb9f1ab6d7c840fddde9"
_PATH = "models/digits/versions/2.0.0.yaml"

RULE = Rule(
    id="floating-commit",
    severity="error",
    since="0.1.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, "main", _COMMIT, at='"main"'),
        Example(_PATH, "6cb5bdf", _COMMIT, at='"6cb5bdf"'),
        Example(_PATH, "v2.0.0", _COMMIT, at='"v2.0.0"'),
    ),
    good=(Example(_PATH, _COMMIT[::-1], _COMMIT),),
    mend=Mend(pin_commit, safe=False),
)
