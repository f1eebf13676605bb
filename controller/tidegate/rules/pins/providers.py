"""What `provider.name` of a ModelVersion means: which kind its model ids are. Neighbour: checks/pins/ judges by it."""

from __future__ import annotations

from typing import Final

from tidegate.rules.pins.families import owner

_NAMES: Final = {
    "openai": "openai",
    "azure-openai": "azure-openai", "azure": "azure-openai",
    "anthropic": "anthropic",
    "gemini": "gemini", "google": "gemini", "google-ai": "gemini",
    "bedrock": "bedrock", "aws-bedrock": "bedrock", "amazon-bedrock": "bedrock",
    "mistral": "mistral", "mistralai": "mistral",
    "cohere": "cohere",
    "xai": "xai", "x-ai": "xai",
    "deepseek": "deepseek",
    "ollama": "ollama",
}  # fmt: skip
_BY_MODEL: Final = frozenset({"vertex", "vertex-ai", "vertexai", "google-vertex"})
KNOWN: Final = tuple(sorted({*_NAMES, *_BY_MODEL}))


def kind_of(provider: str, model: str) -> str | None:
    """The kind of this provider's model ids, None for one that is not known. Vertex AI has those of several makers."""
    name = provider.strip().lower().replace("_", "-").replace(" ", "-")
    if name in _BY_MODEL:
        return owner(model)
    return _NAMES.get(name)
