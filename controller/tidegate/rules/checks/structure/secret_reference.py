"""A credential says where the secret is: in an environment variable or in a file, one of the two.

With neither there is nothing to send, and every request to the provider fails; with both it is not said which counts.
Write `{env: NAME}` for a variable of the controller, or `{file: PATH}` for a file outside of git.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.documents import documents
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.base import Secret
from tidegate.spec.controller import Controller
from tidegate.spec.source import Loc
from tidegate.spec.version import ModelVersion


def check(context: Context) -> Iterator[Finding]:
    """Look at the credentials of providers, and at the controller's own secrets."""
    for document in documents(context):
        secrets: list[tuple[Loc, Secret]] = []
        match document.value:
            case ModelVersion(provider=provider) if provider is not None:
                secrets = [(("provider", "credential"), provider.credential)]
            case Controller(server=server, sources=sources, providers=providers):
                secrets = [(("server", "tokens", index), token) for index, token in enumerate(server.tokens)]
                if server.webhook_secret is not None:
                    secrets.append((("server", "webhook_secret"), server.webhook_secret))
                secrets += [
                    (("sources", "credentials", index, name), secret)
                    for index, credential in enumerate(sources.credentials)
                    for name in ("token", "password")
                    if (secret := getattr(credential, name)) is not None
                ]
                listed = providers.credentials if providers is not None else ()
                secrets += [(("providers", "credentials", index), one.secret) for index, one in enumerate(listed)]
        for loc, secret in secrets:
            given = [word for word in (secret.env, secret.file) if word]
            if len(given) != 1:
                message = "env and file are both given" if given else "it names neither a variable nor a file"
                fix = "keep one of the two" if given else "write {env: NAME} or {file: PATH}"
                yield RULE.finding(document, loc, f"the secret is not to be found: {message}", fix)


RULE = Rule(
    id="secret-reference",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    scope="file",
    bad=(
        Example(
            "models/assistant/versions/1.0.0.yaml",
            "credential: {}",
            "credential: {env: ASSISTANT_API_KEY}",
            at="{}",
        ),
        Example(
            "models/assistant/versions/1.0.0.yaml",
            "credential: {env: ASSISTANT_API_KEY, file: /run/key}",
            "credential: {env: ASSISTANT_API_KEY}",
            at="{env: ASSISTANT_API_KEY, file",
        ),
        Example(
            "tidegate.yaml",
            "{address: https://api.example.com}",
            "{address: https://api.example.com, env: ASSISTANT_API_KEY}",
            at="{address",
        ),
    ),
    good=(
        Example(
            "models/assistant/versions/1.0.0.yaml",
            "credential: {file: /run/secrets/assistant}",
            "credential: {env: ASSISTANT_API_KEY}",
        ),
    ),
)
