"""Values of Tidegate's own classes as plain tuples, and back: for `marshal`, which knows nothing but plain values.

Neighbours: store.py keeps them on the disk, pool.py sends them from one process to another. Never pickle: what is read
back makes values of classes below tidegate, and runs nothing.
"""

from __future__ import annotations

import marshal
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any, Final

_MARK: Final = "\0tidegate"
_PLAIN: Final = (str, int, float, bool, bytes, type(None))


def packed(value: Any) -> bytes:
    """Any nesting of plain values, tuples, lists, sets, dictionaries, and of Tidegate's dataclasses and kinds.

    Raises TypeError for anything else.
    """
    return marshal.dumps(_plain(value))


def unpacked(data: bytes | memoryview) -> Any:
    """What was packed. Raises ValueError, EOFError or TypeError where it was not."""
    return _own(marshal.loads(data))  # noqa: S302 the data is our own, its digest was checked, and nothing in it is run


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind in (tuple, list, set, frozenset):
        return kind(_plain(part) for part in value)
    if kind is dict:
        return {_plain(key): _plain(part) for key, part in value.items()}
    if is_dataclass(value) and kind.__module__.startswith("tidegate."):
        return (_MARK, kind.__module__, kind.__name__, *(_plain(getattr(value, one.name)) for one in fields(value)))
    if hasattr(kind, "model_construct") and kind.__module__.startswith("tidegate."):
        return (_MARK, kind.__module__, kind.__name__, _plain(dict(value)))
    raise TypeError(f"{kind.__module__}.{kind.__name__} cannot be packed")


def _own(value: Any) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict:
        return {_own(key): _own(part) for key, part in value.items()}
    if kind is tuple and value and value[0] == _MARK:
        _, module, name, *parts = value
        if not module.startswith("tidegate."):
            raise ValueError(f"'{module}' is none of Tidegate's modules")
        made: Any = getattr(import_module(module), name)
        if hasattr(made, "model_construct"):
            return made.model_construct(**_own(parts[0]))
        return made(*(_own(part) for part in parts))
    return kind(_own(part) for part in value)
