"""Which inference configs a change touches, in what they make a model do. Neighbours: checks/evidence/, spec/digest.py."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.spec.declared import DeclaredModel, Loaded
from tidegate.spec.digest import config_digest
from tidegate.spec.inference import InferenceConfig


def changed_configs(
    context: Context,
) -> Iterator[tuple[DeclaredModel, Loaded[InferenceConfig], Loaded[InferenceConfig]]]:
    """Folder, config in the base, config now: where they behave differently."""
    if context.history is None:
        return
    for folder in context.declared.models.values():
        base = context.history.declared.models.get(folder.name)
        for name, config in folder.configs.items():
            before = base.configs.get(name) if base is not None else None
            if before is not None and config_digest(before.source) != config_digest(config.source):
                yield folder, before, config
