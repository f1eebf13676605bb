"""The controller reads its repository over a protected connection.

What stands in the repository is what runs: whoever is on the way of a plain `http://` or `git://` can have anything
deployed. To mend, write `https://` or `ssh://`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.addresses import is_plain
from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def check(context: Context) -> Iterator[Finding]:
    """Judge the repository in tidegate.yaml."""
    controller = context.declared.controller
    if controller is not None and is_plain(controller.value.repository):
        message = "whoever is on the way of this connection can have anything deployed"
        address = controller.value.repository.partition("://")[2]
        yield RULE.finding(controller, ("repository",), message, f"write https://{address}, or an ssh address")


RULE = Rule(
    id="plain-repository",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="general",
    bad=(Example("tidegate.yaml", "http://git.example.com", "https://git.example.com", at="http://git"),),
    good=(Example("tidegate.yaml", "repository: ssh://git@git.example.com", "repository: https://git.example.com"),),
)
