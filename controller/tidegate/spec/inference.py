"""Kind InferenceConfig: parameters, prompt and tools of a model's answers. Edited in place; git is its history."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from tidegate.spec.base import Document, Name, Text
from tidegate.spec.version import Evaluation


class InferenceConfig(Document):
    """models/<model>/configs/<name>.yaml"""

    kind: Literal["InferenceConfig"]
    model: Name
    name: Name
    parameters: dict[Text, Any] = Field(default_factory=dict)
    system_prompt: Text | None = None
    tools: tuple[Any, ...] = ()
    few_shot: tuple[dict[Text, Any], ...] = ()
    response_format: Any = None
    client_override: Literal["reject", "clamp", "allow"] = "clamp"
    evaluation: Evaluation | None = None
    reason: Text | None = None

    @field_validator("few_shot")
    @classmethod
    def _messages(cls, value: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        for example in value:
            if "role" not in example and example.keys() != {"user", "assistant"}:
                raise ValueError("an example is a message with 'role' and 'content', or {user: ..., assistant: ...}")
        return value

    @property
    def examples(self) -> tuple[dict[str, Any], ...]:
        """`few_shot` as messages."""
        found: list[dict[str, Any]] = []
        for one in self.few_shot:
            pair = [{"role": role, "content": one[role]} for role in ("user", "assistant") if role in one]
            found += [dict(one)] if "role" in one else pair
        return tuple(found)
