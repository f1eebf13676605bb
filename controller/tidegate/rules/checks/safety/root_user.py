"""Containers do not run as root.

Tidegate runs them as `65534:65534` unless `runtime: {user: ...}` in tidegate.yaml says otherwise. Root in a container is
one fault of the kernel or of a mount away from root on the machine. To mend, name
a user above 0, and give it the folders that the server writes to.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Judge the user of the controller's runtime."""
    controller = context.declared.controller
    if controller is not None:
        user, _, group = controller.value.runtime.user.strip().partition(":")
        if user.lower() in ("", "root") or not user.strip("0"):
            message = "every container would run as root"
        elif group and (group.lower() == "root" or not group.strip("0")):
            message = "every container would be in root's group"
        else:
            return
        yield RULE.finding(controller, ("runtime", "user"), message, 'write a user above 0, like "65534:65534"')


_OLD = "poll: 60s"

RULE = Rule(
    id="root-user",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(
        Example("tidegate.yaml", 'poll: 60s\nruntime: {user: "0:0"}', _OLD, at='"0:0"'),
        Example("tidegate.yaml", "poll: 60s\nruntime: {user: root}", _OLD, at="root}"),
    ),
    good=(Example("tidegate.yaml", 'poll: 60s\nruntime: {user: "1000:1000"}', _OLD),),
)
