"""Kind InferenceConfig: parameters, prompt and tools of a model's answers. Edited in place; git is its history."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

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
    few_shot: tuple[Any, ...] = ()
    response_format: Any = None
    client_override: Literal["reject", "clamp", "allow"] = "allow"
    evaluation: Evaluation | None = None
    reason: Text | None = None
