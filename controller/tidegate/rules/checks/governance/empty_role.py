"""A role in governance names paths and who answers for them.

A role without owners asks nobody, and one without paths asks for nothing; both look as if somebody were watching. A
path is a pattern from the root of the repository, such as `models/*/deployment.yaml`, without `/` or `./` before it.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look at every role."""
    governance = context.declared.governance
    for name, role in governance.value.roles.items() if governance is not None else ():
        assert governance is not None
        if not any(owner.strip() for owner in role.owners):
            message = f"nobody has the role '{name}'"
            yield RULE.finding(governance, ("roles", name, "owners"), message, "write who answers for these paths")
        if not role.paths:
            message = f"the role '{name}' is about no file"
            yield RULE.finding(governance, ("roles", name, "paths"), message, 'write its paths, like "policies/*.yaml"')
        for index, path in enumerate(role.paths):
            bare = path.strip().removeprefix("./").lstrip("/")
            if bare != path:
                message = f"'{path}' matches no path of the repository"
                yield RULE.finding(governance, ("roles", name, "paths", index), message, f'write "{bare}"')


_PATH = "policies/governance.yaml"
_RELEASE = (
    'release: {paths: ["models/*/deployment.yaml", "policies/*.yaml"], owners: [vision-platform, support-platform]}'
)

RULE = Rule(
    id="empty-role",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example(_PATH, _RELEASE.replace("[vision-platform, support-platform]", "[]"), _RELEASE, at="[]}"),
        Example(_PATH, _RELEASE.replace('"policies/', '"/policies/'), _RELEASE, at='"/policies/'),
    ),
    good=(Example(_PATH, _RELEASE.replace("vision-platform, ", ""), _RELEASE),),
)
