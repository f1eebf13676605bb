"""What differs between two files by meaning: the fields, with what they were and what they are. Layout is no difference.

Neighbours: source.py has the trees; `plan` tells reviewers by this what a change declares.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tidegate.spec.source import Node, Source

SHOWN: Final = 40
"""Characters of a value that are shown."""
_HEX = re.compile(r"((?:sha256:)?[0-9a-f]{8})[0-9a-f]{24,}")


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs. `file`: where it is declared. `field`: its path, such as `runtime.resources.memory`.

    `before` and `after`: the value as people write it, digests and long texts cut; None where there is none.
    `told`: it says something about the release and is no part of what serves (a reason, an evaluation).
    """

    file: str
    field: str
    before: str | None
    after: str | None
    told: bool = False


def differences(
    before: Source | None, after: Source | None, *, without: Collection[str] = (), told: Collection[str] = ()
) -> tuple[Difference, ...]:
    """Every field that differs, in the order of the newer file. `without`: fields at the top that are left out.

    A list of parts with names is compared by name, another one by position; one of scalars as a whole.
    """
    file = after.path if after is not None else before.path if before is not None else ""
    old, new = (source.tree if source is not None else None for source in (before, after))
    found = _of(old if old and old[0] == "map" else None, new if new and new[0] == "map" else None, "")
    tops = ((path, path.partition(".")[0].partition("[")[0], was, now) for path, was, now in found)
    return tuple(
        Difference(file, path, was, now, told=top in told) for path, top, was, now in tops if top not in without
    )


def _of(old: Node | None, new: Node | None, path: str) -> Iterator[tuple[str, str | None, str | None]]:
    if _plain(old) == _plain(new):
        return
    parts_old, parts_new = _parts(old), _parts(new)
    if path and (old is None or new is None or old[0] != new[0] or not parts_old or not parts_new):
        yield path, *_both(old, new)
        return
    parts_old, parts_new = parts_old or {}, parts_new or {}
    if path and old is not None and old[0] == "seq" and parts_old.keys().isdisjoint(parts_new):
        yield path, _shown(old), _shown(new)
        return
    for name in (*parts_new, *(name for name in parts_old if name not in parts_new)):
        below = name if not path else f"{path}{name}" if name.startswith("[") else f"{path}.{name}"
        yield from _of(parts_old.get(name), parts_new.get(name), below)


def _parts(node: Node | None) -> dict[str, Node] | None:
    """What a node consists of, by the word that its path goes on with; None for one that is compared as a whole."""
    if node is None:
        return {}
    if node[0] == "map":
        return {key: child for key, child, *_ in node[1]}
    if node[0] != "seq" or not node[1] or any(child[0] != "map" for child in node[1]):
        return None
    names = [next((value[1] for key, value, *_ in child[1] if key == "name"), None) for child in node[1]]
    if all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
        return {f"[{name}]": child for name, child in zip(names, node[1], strict=True)}
    return {f"[{index}]": child for index, child in enumerate(node[1], 1)}


def _plain(node: Node | None) -> object:
    """The node without its places, so that it compares by what it says."""
    if node is None:
        return None
    if node[0] == "map":
        return {key: _plain(child) for key, child, *_ in node[1]}
    if node[0] == "seq":
        return [_plain(child) for child in node[1]]
    return node[0], node[1]


def _both(old: Node | None, new: Node | None) -> tuple[str | None, str | None]:
    """Both as people write them; of what is too long to be shown whole, the part that differs."""
    was, now = _shown(old), _shown(new)
    if old is None or new is None or old[0] != new[0]:
        return was, now
    if old[0] == "seq" and old[1] and new[1] and not (str(was).startswith("[") and str(now).startswith("[")):
        return _middle(old[1], new[1])
    if old[0] == "str" and was == now:
        one, other = (" ".join(str(node[1]).split()) for node in (old, new))
        alike = next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0)
        start = max(alike - SHOWN // 2, 0)
        return _cut(one, start), _cut(other, start)
    return was, now


def _middle(old: Sequence[Node], new: Sequence[Node]) -> tuple[str, str]:
    """Two lists without the entries that both begin and end with."""
    one, other = [_plain(node) for node in old], [_plain(node) for node in new]
    shortest = min(len(one), len(other))
    head = next((at for at in range(shortest) if one[at] != other[at]), shortest)
    tail = next((at for at in range(shortest - head) if one[-1 - at] != other[-1 - at]), shortest - head)

    def shown(nodes: Sequence[Node]) -> str:
        inner = ", ".join(_shown(node) or "" for node in nodes[head : len(nodes) - tail])
        inner = inner if len(inner) <= SHOWN else f"{inner[: SHOWN - 1].rstrip()}…"
        return f"[{', '.join(part for part in ('…' if head else '', inner, '…' if tail else '') if part)}]"

    return shown(old), shown(new)


def _cut(text: str, start: int) -> str:
    part = text[start : start + SHOWN - 2].strip()
    return f"{'…' if start else ''}{part}{'…' if start + SHOWN - 2 < len(text) else ''}"


def _shown(node: Node | None) -> str | None:
    """One node as people write it, in a few words."""
    if node is None:
        return None
    if node[0] == "seq":
        inner = ", ".join(_shown(child) or "" for child in node[1])
        return f"[{inner}]" if len(inner) <= SHOWN else f"{len(node[1])} entries"
    if node[0] == "map":
        inner = ", ".join(f"{key}: {_shown(child)}" for key, child, *_ in node[1])
        return f"{{{inner}}}" if len(inner) <= SHOWN else f"{len(node[1])} fields"
    text = " ".join(str(node[1]).split())
    text = _HEX.sub(r"\1…", text)
    if len(text) > SHOWN:
        return f"{text[: SHOWN - 1].rstrip()}…"
    return text if text or node[0] != "str" else "''"
