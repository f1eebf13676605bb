"""A variable that chooses what is served names one fixed thing.

`MODEL_REVISION: latest` makes the server fetch whatever is there when it starts: the container that is tested and the
one that starts after the next reboot may differ, and no digest of Tidegate's would. To mend, write a commit, a digest or
an exact version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.documents import in_use
from tidegate.rules.finding import Finding
from tidegate.rules.pins.launch import read
from tidegate.rules.rule import Example, Rule

_CHOOSES = re.compile(
    r"(^|[_-])(revision|version|tag|ref|branch|checkpoint|snapshot|release|channel|stage|alias)$", re.I
)
_MOVES = frozenset({
    "latest", "main", "master", "head", "trunk", "dev", "develop", "nightly", "edge", "stable", "current", "newest",
    "champion", "production", "staging", "default", "next", "canary",
})  # fmt: skip


def check(context: Context) -> Iterator[Finding]:
    """Look at the variables of versions in use."""
    for _, version in in_use(context):
        runtime = version.value.runtime
        if runtime is None:
            continue
        launch = read(runtime)  # what a server that is known fetches by name is told by floating-revision
        given = [*(fetch.revision for fetch in launch.fetches), launch.code_revision, launch.tokenizer_revision]
        told = {one[1] for one in given if one is not None}
        for name, value in runtime.env.items():
            if ("runtime", "env", name) not in told and _CHOOSES.search(name) and value.strip().lower() in _MOVES:
                message = f"'{name}' is '{value}': whatever that is when the server starts"
                fix = "write a commit, a digest or an exact version"
                yield RULE.finding(version, ("runtime", "env", name), message, fix)


_PATH = "models/digits/versions/2.0.0.yaml"
_ENV = 'env: {THREADS: "1"}'

RULE = Rule(
    id="floating-env",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(Example(_PATH, "env: {LABELS_VERSION: latest}", _ENV, at="latest}"),),
    good=(Example(_PATH, 'env: {LABELS_VERSION: "2026-08-30"}', _ENV),),
)
