"""CODEOWNERS asks those for a review who have the role in governance.

The roles say who answers for a path; the forge asks whom its own file names. When the two drift apart, a change is
merged without the people who have to answer for it. Judged where there is a CODEOWNERS file (in .github/, at the root,
in docs/ or .gitlab/). A team may stand there with its organisation: `@example/vision-platform`. To mend, change one of
the two.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.owners import PLACES, is_owner, owning, read_codeowners
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Compare the owners of every role with those of its paths in CODEOWNERS."""
    governance, around = context.declared.governance, context.surroundings
    if governance is None or around is None or not governance.value.roles:
        return
    place, content = next(((p, found) for p in PLACES if (found := around.text(p)) is not None), ("", b""))
    if not place:
        return
    text = content.decode("utf-8", "replace")
    lines = read_codeowners(text)
    # Only a model that CODEOWNERS names can be treated unlike the others: 'x' stands for those.
    models = ["x", *(name for name in sorted(context.facts) if name in text)]
    policies = ["x", *(name for name in sorted(context.declared.policies) if name in text)]
    for name, role in governance.value.roles.items():
        paths = [path for pattern in role.paths for path in _paths(pattern, models, policies)]
        for index, owner in enumerate(role.owners):
            for path in paths:
                line = owning(lines, path)
                if line is None or not is_owner(owner, line.owners):
                    where = f"{place}:{line.number}" if line is not None else place
                    asked = " ".join(line.owners) if line is not None and line.owners else "nobody"
                    message = f"'{owner}' has the role '{name}' for {path}, and {where} asks {asked}"
                    fix = (
                        f"add the owner to that line, or to a later one for the path; or take '{owner}' out of the role"
                    )
                    yield RULE.finding(governance, ("roles", name, "owners", index), message, fix)
                    break


def _paths(pattern: str, models: list[str], policies: list[str]) -> Iterator[str]:
    """Paths that a role's pattern is about, of those that CODEOWNERS may treat differently."""
    names = policies if pattern.startswith("policies/") else models
    for name in names if "*" in pattern else ("x",):
        yield pattern.replace("**", "x/x").replace("*", name, 1).replace("*", "x").rstrip("/")


_PATH = ".github/CODEOWNERS"
_POLICIES = "/policies/  @example/vision-platform @example/support-platform"

RULE = Rule(
    id="codeowners",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example(_PATH, "/policies/  @example/vision-platform", _POLICIES, at="support-platform]"),
        Example(
            _PATH, f"{_POLICIES}\n/models/assistant/  @example/support-platform", _POLICIES, at="vision-platform, "
        ),
    ),
    good=(Example(_PATH, _POLICIES.replace("@example/", "@"), _POLICIES),),
)
