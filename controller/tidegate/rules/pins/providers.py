"""What `provider.name` of a ModelVersion means: which kind its model ids are. Neighbour: checks/pins/ judges by it."""

from __future__ import annotations

from tidegate.rules.pins.families import owner
from tidegate.spec.providers import kind_named


def kind_of(provider: str, model: str) -> str | None:
    """The kind of this provider's model ids, None for one that is not known. Vertex AI has those of several makers."""
    kind = kind_named(provider)
    if kind == "vertex":
        return owner(model)
    return None if kind == "openai-compatible" else kind
