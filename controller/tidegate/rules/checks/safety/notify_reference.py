"""Where alerts go stands in a secret: an address in git is a key in git.

Addresses of chats, mail and pagers carry the token or the password that they are reached with: whoever reads the repository could
write to your channel in Tidegate's name. To mend, put the address (one, as Apprise writes it) into an environment variable
or a file of the controller, and write `env:NAME` or `file:PATH` here. What is written out is not used.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.documents import documents
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.base import reference
from tidegate.spec.controller import Controller
from tidegate.spec.policy import RolloutPolicy


def check(context: Context) -> Iterator[Finding]:
    """Look at `notify` in policies and in tidegate.yaml."""
    for document in documents(context):
        match document.value:
            case RolloutPolicy(notify=targets) | Controller(notify=targets):
                for index, target in enumerate(targets):
                    if reference(target) is None:
                        message = "this is no reference to a secret, so nobody is told there"
                        fix = "put the address into a secret of the controller, and write env:NAME or file:PATH"
                        yield RULE.finding(document, ("notify", index), message, fix)


_PATH = "policies/progressive.yaml"
_BEFORE = "standby: 72h"

RULE = Rule(
    id="notify-reference",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="file",
    bad=(
        Example(_PATH, f'{_BEFORE}\nnotify: ["slack://alerts.example.com"]', _BEFORE, at='"slack:'),
        Example("tidegate.yaml", 'poll: 60s\nnotify: ["json://hooks.example.com/x"]', "poll: 60s", at='"json:'),
    ),
    good=(Example(_PATH, f'{_BEFORE}\nnotify: ["env:TEAM_CHAT", "file:/run/secrets/pager"]', _BEFORE),),
)
