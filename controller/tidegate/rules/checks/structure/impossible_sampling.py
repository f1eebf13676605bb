"""Sampling parameters must be ones that a server of OpenAI's protocol can take.

A temperature below 0 or a `top_p` of 1.5 is refused for each request, after the merge: every answer of the candidate is an
error. Some servers cut such a value to the next possible one instead, and then the release is not what git says. To mend,
write a value within the bounds that the message names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from tidegate.rules.context import Context
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule


def _between(low: float, high: float, *, above: bool = False) -> Callable[[Any], bool]:
    def fits(value: Any) -> bool:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and (low < value if above else low <= value) and value <= high

    return fits


def _whole(low: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= low


def _texts(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list | tuple) and all(isinstance(one, str) for one in value))


def _length(value: Any) -> bool:
    return value == -1 or _whole(1)(value)  # -1: as much as fits, where servers of one's own are asked


_PENALTY: Final = (_between(-2, 2), "a number from -2 to 2")

POSSIBLE: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "temperature": (_between(0, math.inf), "a number of 0 or more"),
    "top_p": (_between(0, 1, above=True), "a number above 0, at most 1"),
    "min_p": (_between(0, 1), "a number from 0 to 1"),
    "typical_p": (_between(0, 1, above=True), "a number above 0, at most 1"),
    "top_k": (_whole(-1), "a whole number: 1 or more, or 0 or -1 for all"),
    "max_tokens": (_length, "a whole number of 1 or more"),
    "max_completion_tokens": (_length, "a whole number of 1 or more"),
    "min_tokens": (_whole(0), "a whole number of 0 or more"),
    "n": (_whole(1), "a whole number of 1 or more"),
    "frequency_penalty": _PENALTY,
    "presence_penalty": _PENALTY,
    "repetition_penalty": (_between(0, math.inf, above=True), "a number above 0"),
    "repeat_penalty": (_between(0, math.inf, above=True), "a number above 0"),
    "seed": (_whole(-(2**63)), "a whole number"),
    "stop": (_texts, "a text or a list of texts"),
    "top_logprobs": (_whole(0), "a whole number of 0 or more"),
}
"""By parameter: whether a value is possible, and what is."""


def check(context: Context) -> Iterator[Finding]:
    """Judge the parameters of every config of a model in OpenAI's protocol; null is left to the server."""
    for folder in context.declared.models.values():
        if folder.model is None or folder.model.value.protocol != "openai":
            continue
        for config in folder.configs.values():
            for name, value in config.value.parameters.items():
                fits, possible = POSSIBLE.get(name, (None, ""))
                if fits is not None and value is not None and not fits(value):
                    message = f"{name}: {value!r} is no value that a server can sample by"
                    yield RULE.finding(config, ("parameters", name), message, f"write {possible}")


_CONFIG = "models/assistant/configs/default.yaml"

RULE = Rule(
    id="impossible-sampling",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_CONFIG, "temperature: -0.1", "temperature: 0.2", at="-0.1"),
        Example(_CONFIG, "temperature: warm", "temperature: 0.2", at="warm"),
        Example(_CONFIG, "top_p: 1.5", "top_p: 0.9", at="1.5"),
        Example(_CONFIG, "top_p: 0,", "top_p: 0.9,", at="0,"),
        Example(_CONFIG, "max_tokens: 0", "max_tokens: 256", at="0"),
        Example(_CONFIG, "seed: 7.5", "seed: 7", at="7.5"),
        Example(_CONFIG, "presence_penalty: 3, seed: 7", "seed: 7", at="3"),
        Example(_CONFIG, "stop: [7]", 'stop: ["\\n\\n"]', at="[7]"),
    ),
    good=(
        Example(_CONFIG, "temperature: 0", "temperature: 0.2"),
        Example(_CONFIG, "top_k: -1, min_p: 0, seed: 7", "seed: 7"),
        Example(_CONFIG, "stop: END", 'stop: ["\\n\\n"]'),
    ),
)
