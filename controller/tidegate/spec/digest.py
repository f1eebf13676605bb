"""Digests of what was declared, taken from the parsed source text: tags and raw scalars, never re-serialised objects.

An upgrade of Tidegate that adds a field or a default must start no rollout (docs/design/yaml-and-digests.md).
Neighbours: source.py parses, release.py names what the digests identify.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from typing import Final

from tidegate.spec.source import Node, Source

PREFIX: Final = b"tidegate-digest-1\n"
"""Version of the encoding below. Another encoding is another digest for everything: it would be a migration."""

NOT_SERVED: Final = frozenset({"reason", "evaluation", "training", "card"})
"""Fields of a ModelVersion that say something about it and change nothing that runs. Unknown fields count."""
NOT_CONFIGURED: Final = frozenset({"reason", "evaluation"})


def workload_digest(version: Source) -> str:
    """64 hex over what has to run for a ModelVersion: all but `reason`, `evaluation`, `training` and `card`."""
    return _digest(b"workload", version, NOT_SERVED)


def config_digest(config: Source) -> str:
    """64 hex over an InferenceConfig: all but `reason` and `evaluation`."""
    return _digest(b"config", config, NOT_CONFIGURED)


def release_digest(model: str, workload: str, config: str | None) -> str:
    """64 hex over the whole behaviour: the model's name, its workload digest, its config digest or None."""
    parts = [_text(model), _text(workload), b"n" if config is None else _text(config)]
    return hashlib.sha256(PREFIX + b"release\n" + b"".join(parts)).hexdigest()


def document_digest(source: Source) -> str:
    """64 hex over a whole file: equal when two texts declare the same, whatever their comments and layout."""
    return _digest(b"document", source, ())


def field_digest(source: Source, name: str) -> str | None:
    """64 hex over one field at the top of a file; None when it is not there."""
    tree = source.tree
    found = next((entry[1] for entry in tree[1] if entry[0] == name), None) if tree and tree[0] == "map" else None
    return hashlib.sha256(PREFIX + b"field\n" + _encode(found)).hexdigest() if found is not None else None


def _digest(domain: bytes, source: Source, without: Collection[str]) -> str:
    known = source.digests.get(domain)
    if known is not None:
        return known
    tree = source.tree
    if tree is None or tree[0] != "map":
        raise ValueError(f"{source.path} holds no mapping: there is nothing to take a digest of")
    kept = tuple(entry for entry in tree[1] if entry[0] not in without)
    content = _encode(("map", kept, 0, 0))
    found = source.digests[domain] = hashlib.sha256(PREFIX + domain + b"\n" + content).hexdigest()
    return found


def _text(text: str) -> bytes:
    raw = text.encode()
    return b"s%d:%s" % (len(raw), raw)


def _encode(node: Node) -> bytes:
    """Unambiguous: each value begins with its type and its length (bytes of a scalar, number of members).

    Strings by their value, so quoting style is layout; numbers by their text, so 1, 1.0 and "1" stay apart;
    `null` and the booleans by what they mean, since their spellings mean the same. Keys in order of their bytes.
    """
    return _ENCODERS[node[0]](node)


def _number(node: Node) -> bytes:
    raw = node[1].encode()
    return b"%s%d:%s" % (node[0][:1].encode(), len(raw), raw)


def _mapping(node: Node) -> bytes:
    entries = sorted((key.encode(), child) for key, child, *_ in node[1])
    return b"m%d:" % len(entries) + b"".join(b"s%d:%s%s" % (len(key), key, _encode(child)) for key, child in entries)


_ENCODERS: Final[dict[str, Callable[[Node], bytes]]] = {
    "str": lambda node: _text(node[1]),
    "int": _number,
    "float": _number,
    "bool": lambda node: b"t" if node[1].lower() == "true" else b"F",
    "null": lambda _: b"n",
    "seq": lambda node: b"l%d:" % len(node[1]) + b"".join(_encode(child) for child in node[1]),
    "map": _mapping,
}
