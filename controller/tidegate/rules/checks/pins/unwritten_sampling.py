"""Every parameter that answers are sampled by should be written, since what a server takes in its absence is not pinned.

Servers differ in their defaults, and change them: one began to read them from a file beside the weights, another has 40 for
`top_k` where the rest has all. The release then answers otherwise after an upgrade or on another server, and no commit says
so. Asked for are `temperature`, `top_p` and a greatest length, and of a server of ours `top_k` and `min_p` too, which
providers do not take. At temperature 0 nothing is sampled: then only the length is. To mend, write the values that you
evaluated with.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tidegate.rules.context import Context
from tidegate.rules.documents import in_use
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule

EVERYWHERE: Final = {"temperature": "1", "top_p": "1"}
OURS: Final = {"top_k": "-1", "min_p": "0"}
"""With the values that change nothing."""
LENGTHS: Final = ("max_tokens", "max_completion_tokens")


def check(context: Context) -> Iterator[Finding]:
    """Look for configs of models in OpenAI's protocol that leave one out."""
    ours = {folder.name for folder, version in in_use(context) if version.value.provider is None}
    for folder in context.declared.models.values():
        if folder.model is None or folder.model.value.protocol != "openai":
            continue
        for config in folder.configs.values():
            written = config.value.parameters
            asked = EVERYWHERE | (OURS if folder.name in ours else {})
            missing = [name for name in asked if name not in written] if written.get("temperature") != 0 else []
            fix = [f"{name}: {asked[name]}" for name in missing]
            if not any(name in written for name in LENGTHS):
                missing.append("max_tokens")
                fix.append("max_tokens: 256")
            if missing:
                names = ", ".join(f"'{name}'" for name in missing)
                yield RULE.finding(
                    config,
                    ("parameters",) if "parameters" in config.source.data else (),
                    f"{names} {'is' if len(missing) == 1 else 'are'} left to the server's defaults, which nothing pins",
                    f"add what you evaluated with, such as {', '.join(fix)}",
                    key=True,
                )


_CONFIG = "models/assistant/configs/default.yaml"
_ALL = 'parameters: {temperature: 0.2, top_p: 0.9, max_tokens: 256, stop: ["\\n\\n"], seed: 7}\n'

RULE = Rule(
    id="unwritten-sampling",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(
            _CONFIG, "{temperature: 0.2, max_tokens", "{temperature: 0.2, top_p: 0.9, max_tokens", at="parameters:"
        ),
        Example(_CONFIG, "top_p: 0.9, stop", "top_p: 0.9, max_tokens: 256, stop", at="parameters:"),
        Example(_CONFIG, "parameters: {}\n", _ALL, at="parameters:"),
    ),
    good=(
        Example(_CONFIG, "parameters: {temperature: 0, max_completion_tokens: 256}\n", _ALL),
        Example(_CONFIG, "max_completion_tokens: 256", "max_tokens: 256"),
    ),
)
