"""An inference config may only say what reaches the model: with `open-inference` that is `parameters` alone.

A prompt, examples and tools are put into requests of the protocol `openai`, and with `http` the server reads the whole config
from a file. What is ignored looks like a change that was tested: it walks its steps, is promoted, and does nothing. To mend,
take the fields out, or put them where the server reads them: its artifact, its command or its environment.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.inference import InferenceConfig

CHAT: Final = ("system_prompt", "few_shot", "tools", "response_format")
"""The fields that requests of the open inference protocol have no place for."""


def check(context: Context) -> Iterator[Finding]:
    """Look for fields that the gateway has no place for in requests of the model's protocol."""
    for folder in context.declared.models.values():
        if folder.model is None or folder.model.value.protocol != "open-inference":
            continue
        for config in folder.configs.values():
            for field in CHAT:
                if _given(config.value, field):
                    yield RULE.finding(
                        config,
                        (field,),
                        f"'{field}' of '{config.value.name}' reaches nobody: requests of the protocol "
                        "'open-inference' have no place for it",
                        f"take '{field}' out; what the server reads by itself belongs into the version",
                        key=True,
                    )


def _given(config: InferenceConfig, field: str) -> bool:
    value = getattr(config, field)
    return value is not None and value not in ({}, ())


_CONFIG = "models/digits/configs/default.yaml"
_PARAMETERS = "parameters: {threshold: 0.5}\n"

RULE = Rule(
    id="ignored-config",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(
            _CONFIG,
            f"{_PARAMETERS}system_prompt: Be brief.\n",
            _PARAMETERS,
            at="system_prompt:",
        ),
        Example(
            _CONFIG,
            f"{_PARAMETERS}few_shot: [{{user: one, assistant: 1}}]\n",
            _PARAMETERS,
            at="few_shot:",
        ),
    ),
    good=(
        Example("models/assistant/configs/default.yaml", "few_shot: []\n", "client_override: reject\n"),
        Example("models/digits/model.yaml", "protocol: http\n", "protocol: open-inference\n"),
    ),
)
