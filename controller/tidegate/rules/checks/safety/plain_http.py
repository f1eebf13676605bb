"""What is fetched or asked over the network is fetched or asked by https.

Over plain http everybody on the way reads the credential and the users' questions, and can put other answers in their
place. Addresses of the same machine (127.0.0.1, localhost) are fine. To mend, write https, or put a proxy that speaks it
before the service.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tidegate.rules.addresses import is_plain
from tidegate.rules.context import Context
from tidegate.rules.documents import in_use
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.rules.weights import weights
from tidegate.spec.declared import Loaded
from tidegate.spec.source import Loc


def check(context: Context) -> Iterator[Finding]:
    """Judge providers' endpoints, artifacts and adapters of versions in use, and evaluation sets."""
    asked: list[tuple[Loaded[Any], Loc, str, str]] = [
        (one.file, (*one.loc, "uri"), one.uri, "the file is fetched") for one in weights(context)
    ]
    for _, version in in_use(context):
        provider = version.value.provider
        if provider is not None:
            asked.append((version, ("provider", "endpoint"), provider.endpoint, "the credential and all answers go"))
    for file, loc, address, what in asked:
        if is_plain(address):
            message = f"{what} over plain http: everybody on the way can read and change it"
            yield RULE.finding(file, loc, message, f"write https{address[4:]}")


RULE = Rule(
    id="plain-http",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(
            "models/assistant/versions/1.0.0.yaml", "http://api.example.com", "https://api.example.com", at="http://"
        ),
        Example(
            "models/digits/versions/2.0.0.yaml",
            "http://files.example.com/model.onnx",
            "s3://models/digits/2.0.0/model.onnx",
            at="http://",
            mended="https://files.example.com/model.onnx",
        ),
    ),
    good=(Example("models/assistant/versions/1.0.0.yaml", "http://127.0.0.1:8000/v1", "https://api.example.com/v1"),),
)
