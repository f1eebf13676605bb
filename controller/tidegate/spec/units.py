"""Quantities as people write them in YAML: durations (`1h30m`), shares (`5%`), sizes (`512Mi`).

Each is an annotated type for the kinds: parsed to a plain number, described in the JSON Schema as the string it is.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")
_SECONDS = (86400.0, 3600.0, 60.0, 1.0, 0.001)
_SIZE = re.compile(r"(\d+)(Ki|Mi|Gi|Ti|k|M|G|T)?")
_FACTOR = {
    None: 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40,
}  # fmt: skip


def parse_duration(text: object) -> float:
    """Seconds of `90s`, `10m30s`, `2h`, `14d`, `250ms`. Raises ValueError on anything else, bare numbers too."""
    if not isinstance(text, str):
        raise ValueError(f"a duration needs a unit: write '{text}s', '{text}m' or '{text}h'")  # noqa: TRY004 pydantic
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise ValueError(f"'{text}' is not a duration: write it like '90s', '10m30s', '2h' or '14d'")
    return sum(float(part) * unit for part, unit in zip(match.groups(), _SECONDS, strict=True) if part)


def format_duration(seconds: float) -> str:
    """The shortest such text: 90.0 -> `1m30s`. Below a second in ms; fractions of a second only below a minute."""
    if seconds < 0:
        return f"-{format_duration(-seconds)}"
    if seconds < 1:
        return f"{round(seconds * 1000)}ms" if seconds else "0s"
    if seconds < 60:
        return f"{seconds:.3g}s"
    rest = round(seconds)
    parts = []
    for unit, name in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        count, rest = divmod(rest, unit)
        if count:
            parts.append(f"{count}{name}")
    return "".join(parts)


def parse_share(text: object) -> float:
    """The share of `5%` or `0.5%` as a number in [0, 1]. Raises ValueError on bare numbers and outside 0-100 %."""
    if not isinstance(text, str) or not re.fullmatch(r"\d+(\.\d+)?%", text):
        raise ValueError(f"'{text}' is not a share: write a percentage like '5%' or '0.5%'")
    share = float(text[:-1]) / 100
    if share > 1:
        raise ValueError(f"'{text}' is more than everything: a share ends at '100%'")
    return share


def format_share(share: float) -> str:
    """0.05 -> `5%`, 0.005 -> `0.5%`."""
    return f"{share * 100:.6g}%"


def parse_limit(value: object) -> float:
    """A limit as a number, or as a percentage of one (`10%` -> 0.1). Raises ValueError on anything else."""
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?%", value):
        return float(value[:-1]) / 100
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"'{value}' is not a limit: write a number like 0.2 or a share like '10%'")  # noqa: TRY004 pydantic
    return float(value)


def parse_size(text: object) -> int:
    """Bytes of `512Mi`, `2G` or a whole number. Raises ValueError on anything else."""
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    match = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"'{text}' is not a size: write it like '512Mi' or '2Gi'")
    return int(match[1]) * _FACTOR[match[2]]


DURATION_PATTERN = r"^(\d+d)?(\d+h)?(\d+m)?(\d+(\.\d+)?s)?(\d+ms)?$"
Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": ["90s", "2h"]}),
]
Share = Annotated[
    float,
    BeforeValidator(parse_share),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?%$", "examples": ["5%", "0.5%"]}),
]
Limit = Annotated[
    float,
    BeforeValidator(parse_limit),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\d+(\.\d+)?%$"}]}),
]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^\d+(Ki|Mi|Gi|Ti|k|M|G|T)?$"}]}),
]
