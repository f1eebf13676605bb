"""A container has a memory limit.

Without one, a leak or one large request takes the memory of the whole machine, and the kernel ends whatever it likes:
the stable release, as likely as not. To mend, write `resources: {memory: 512Mi}` with what the server needs at its
peak; a version that is merged keeps what it has, so it takes a new one.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.documents import in_use
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Look at the runtimes with an image, of versions in use."""
    for _, version in in_use(context):
        runtime = version.value.runtime
        if runtime is not None and runtime.image is not None and runtime.resources.memory is None:
            message = "no memory limit: it can take that of the whole machine"
            fix = "add 'resources: {memory: 512Mi}', or what it needs"
            loc = ("runtime", "resources") if version.source.raw(("runtime", "resources")) else ("runtime",)
            yield RULE.finding(version, loc, message, fix, key=True)


_PATH = "models/digits/versions/2.0.0.yaml"

RULE = Rule(
    id="missing-memory-limit",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, "resources: {cpus: 1}", "resources: {cpus: 1, memory: 512Mi}", at="resources: "),
        Example(_PATH, "", "  resources: {cpus: 1, memory: 512Mi}\n", at="runtime:"),
    ),
    good=(Example(_PATH, "resources: {memory: 2Gi}", "resources: {cpus: 1, memory: 512Mi}"),),
)
