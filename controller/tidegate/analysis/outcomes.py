"""What one prediction record says: which arm it belongs to, and whether the release failed it.

Neighbours: batches.py asks it of every record; the gateway writes the records (DESIGN section 6).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

ArmOf = Callable[[Mapping[str, Any]], bool | None]
"""Which arm a record belongs to: True the candidate, False the stable release, None neither."""

ERROR_FLAGS = frozenset({"UF", "UH", "UO", "UT", "UR", "UC", "URX", "UPE", "LR", "UMSDR", "DT"})
"""Envoy's response flags that say the upstream failed, whatever the status (a stream may break after its 200)."""


def by_release(stable: str | None, candidate: str | None) -> ArmOf:
    """Arms told apart by release digest, as the gateway writes it. A shadow's records belong to no arm."""

    def arm(record: Mapping[str, Any]) -> bool | None:
        release = record.get("release")
        if release is None or record.get("role") == "shadow":
            return None
        return True if release == candidate else False if release == stable else None

    return arm


def by_role(record: Mapping[str, Any]) -> bool | None:
    """Arms told apart by the record's own `role`, for logs that stand alone."""
    role = record.get("role")
    return True if role == "candidate" else False if role == "stable" else None


def is_error(record: Mapping[str, Any]) -> bool:
    """Did the release fail this request? Status 500 and above, or a flag that names an upstream failure.

    A client's mistake (4xx; 429 too: a quota is not a defect of the model) and a client that hung up (`DC`) are not
    its errors. No status at all is one, unless the client hung up. Raises TypeError on a status that is no number.
    """
    status = record.get("status") or 0
    if status >= 500:
        return True
    flags = record.get("flags")
    if not flags or flags == "-":
        return bool(status == 0)
    words = flags.split(",") if isinstance(flags, str) else flags
    return not ERROR_FLAGS.isdisjoint(words) or (status == 0 and "DC" not in words)


def score(value: object) -> float:
    """A metric's value as a number; NaN (an invalid output, see scores.py) where it is none."""
    return float(value) if isinstance(value, int | float) else math.nan
