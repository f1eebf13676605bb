"""A comment that silences a finding names rules that there are, and says why.

`# tidegate: ignore[rule-id] reason` at the end of a line silences that rule there; on a line of its own, in the line
below. `# tidegate: ignore-file[rule-id] reason`, above the first field, silences it in the whole file. Several rules
stand in the brackets with commas between them.

The reason is for whoever reads the file next, so without one nothing is silenced. A comment that silences nothing any
more is told too: take it out, or it will hide the next finding. What makes a file unreadable cannot be silenced.
A comment changes no digest: it may be written into a version file that is merged already.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.rules.suppress import RULE_ID, excuses, problems


def check(context: Context) -> Iterator[Finding]:
    """Look at every comment; those without a finding are told where the findings are known (rules/suppress.py)."""
    for path, text in context.files.items():
        for line, column, message, fix in problems(excuses(text)):
            yield RULE.at(path, line, column, message, fix)


_VERSION = "models/digits/versions/1.0.0.yaml"
_OLD = 'version: "1.0.0"'

RULE = Rule(
    id=RULE_ID,
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="file",
    bad=(
        Example(
            _VERSION,
            f"{_OLD}  # tidegate: ignore[artifact-digest]",
            _OLD,
            at="# tidegate:",
            mended=_OLD,
        ),
        Example(
            _VERSION,
            f"# tidegate: ignore[artefact-digest] the store keeps no digests\n{_OLD}",
            _OLD,
            at="artefact-digest",
            mended=_OLD,
        ),
        Example(
            _VERSION,
            f"{_OLD}  # tidegate: ignore[duplicate-key] one of them is enough",
            _OLD,
            at="duplicate-key",
            mended=_OLD,
        ),
    ),
    good=(Example(_VERSION, f"{_OLD}  # tidegate: the first one that was served", _OLD),),
)
