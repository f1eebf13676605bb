"""A system prompt must be the prompt itself, not the name of one in a registry.

The text is sent as it stands here: nobody looks the name up, and if somebody did, the prompt could change without a
commit. Write the prompt into the config: git is its history, and a change of it rolls out like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.pins import judge
from tidegate.rules.rule import Example, Rule

_REFERENCE = re.compile(r"\s*(prompts:/[^\s]+|arn:aws[a-z-]*:bedrock:[^\s]*:prompt/[^\s]+)\s*", re.ASCII)


def check(context: Context) -> Iterator[Finding]:
    """Look for prompts that are nothing but a reference."""
    for folder in context.declared.models.values():
        for config in folder.configs.values():
            found = _REFERENCE.fullmatch(config.value.system_prompt or "")
            if found is not None:
                why = judge("mlflow-prompt", found[1]).why if found[1].startswith("prompts:") else "nobody looks it up"
                message = f"'{found[1]}' is sent to the model as it stands here; as a reference it would float: {why}"
                yield RULE.finding(config, ("system_prompt",), message, "write the text of the prompt in its place")


_PATH = "models/assistant/configs/default.yaml"

RULE = Rule(
    id="prompt-reference",
    severity="warning",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(Example(_PATH, "system_prompt: prompts:/orders@production\n",
                 "system_prompt: |\n  You answer in one sentence.\n", at="prompts:/orders@production"),),
    good=(Example(_PATH, "Answer in the manner of prompts:/orders@production.", "You answer in one sentence."),),
)  # fmt: skip
