"""A provider's credential goes only where tidegate.yaml says that it may go.

A version comes with a pull request, and it names a secret and an address. If the controller sent every secret to every
address, one merge could send any of its secrets anywhere. So it keeps a credential back, and the release waits, unless
`providers.credentials` in tidegate.yaml has both; without that list the usual keys go to their owners' own hosts, such as
OPENAI_API_KEY to https://api.openai.com, and variables named ..._API_KEY to addresses of the controller's own machine.

What counts is the file that the controller reads, which may be another than the one in this repository: hence a warning.
To mend, have whoever runs the controller add the entry that the finding names, or correct the version before it is merged.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.documents import in_use
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.providers import problem, withheld


def check(context: Context) -> Iterator[Finding]:
    """Judge the credential and endpoint of every version in use; silent where no tidegate.yaml is to be seen."""
    controller = context.declared.controller
    if controller is None:
        return
    for _, version in in_use(context):
        provider = version.value.provider
        if provider is None or problem(provider) is not None:
            continue
        if (provider.credential.env is None) == (provider.credential.file is None):
            continue  # secret-reference tells
        found = withheld(provider, controller.value.providers)
        if found is not None:
            yield RULE.finding(version, ("provider", found.field), found.message, found.fix)


_PATH = "models/assistant/versions/1.0.0.yaml"
_KEY = "{env: ASSISTANT_API_KEY}"

RULE = Rule(
    id="withheld-credential",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_PATH, "{env: AWS_SECRET_ACCESS_KEY}", _KEY, at="{env: AWS_SECRET_ACCESS_KEY}"),
        Example(_PATH, "{file: ../secrets/other}", _KEY, at="{file: ../secrets/other}"),
        Example(_PATH, "https://elsewhere.example.com/v1", "https://api.example.com/v1", at=_KEY),
        Example(
            "tidegate.yaml",
            "credentials: []",
            "credentials: [{address: https://api.example.com, env: ASSISTANT_API_KEY}]",
            at=_KEY,
        ),
    ),
    good=(
        Example("tidegate.yaml", "https://api.example.com/v1/, env", "https://api.example.com, env"),
        Example(_PATH, "https://api.example.com:443/v1", "https://api.example.com/v1"),
    ),
)
