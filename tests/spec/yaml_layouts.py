"""Strategies for property tests: plain data, and many YAML texts that all say the same."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff\ufffe\uffff\u2028\u2029"),
    max_size=12,
)
scalars = st.one_of(
    texts,
    st.sampled_from(
        ["1", "1.0", "true", "null", "~", "", "on", "no", "010", "22:22", "2024-01-01", "1e3", "plain", "a b"]
    ),
    st.integers(-(2**63), 2**63),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
)
documents = st.dictionaries(
    texts.filter(bool),
    st.recursive(
        scalars,
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts.filter(bool), inner, max_size=4)),
        max_leaves=12,
    ),
    min_size=1,
    max_size=5,
)


def canonical(value: Any) -> str:
    """Equal texts for equal data, with 1, 1.0, "1" and true apart and the order of keys left out."""
    return json.dumps(value, sort_keys=True)


@st.composite
def layouts(draw: st.DrawFn, data: Any) -> str:
    """One of the many ways to write `data` as YAML."""
    return "".join(_block(draw, data, 0))


def _comment(draw: st.DrawFn) -> str:
    return draw(st.sampled_from(["", "", "", " # a comment: {[", "  #"]))


def _between(draw: st.DrawFn) -> str:
    return draw(st.sampled_from(["", "", "", "\n", "# between\n", "   # indented: oddly\n"]))


def _scalar(draw: st.DrawFn, value: Any) -> str:
    if isinstance(value, str):
        escaped = draw(st.booleans()) and all(ord(character) < 0x10000 for character in value)  # YAML has no pairs
        quoted = json.dumps(value, ensure_ascii=escaped)
        plain = value.isascii() and value.isalpha() and value.lower() not in ("true", "false", "null")
        choices = [quoted]
        choices += [f"'{value.replace(chr(39), chr(39) * 2)}'"] if value.isprintable() else []
        return draw(st.sampled_from([*choices, value] if plain else choices))
    if value is None:
        return draw(st.sampled_from(["null", "~", "Null", "NULL"]))
    if isinstance(value, bool):
        return draw(st.sampled_from([str(value), str(value).lower(), str(value).upper()]))
    return repr(value)


def _flow(draw: st.DrawFn, value: Any) -> str:
    if isinstance(value, dict):
        items = draw(st.permutations(list(value.items())))
        return "{" + ", ".join(f"{_scalar(draw, key)}: {_flow(draw, item)}" for key, item in items) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(draw, item) for item in value) + "]"
    return _scalar(draw, value)


def _block(draw: st.DrawFn, value: Any, indent: int) -> list[str]:
    """Lines of a block mapping or list, each with its end."""
    pad = " " * indent
    step = draw(st.sampled_from([1, 2, 4]))
    lines: list[str] = []
    entries = (
        draw(st.permutations(list(value.items()))) if isinstance(value, dict) else [(None, item) for item in value]
    )
    for key, item in entries:
        head = f"{pad}-" if key is None else f"{pad}{_scalar(draw, key)}:"
        lines.append(_between(draw))
        if isinstance(item, dict | list) and item and draw(st.booleans()):
            lines.append(f"{head}{_comment(draw)}\n")
            lines += _block(draw, item, indent + step)
        else:
            gap = " " * draw(st.sampled_from([1, 1, 3]))
            lines.append(f"{head}{gap}{_flow(draw, item)}{_comment(draw)}\n")
    return lines
