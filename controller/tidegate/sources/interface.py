"""What every source that is asked gives: readings for each release, or why there are none. Plain values, no I/O.

prometheus.py and webhook.py make readings, ask.py chooses between them; the engine turns readings into evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.spec.errors import NeedsPerson, RetryLater

Arm = str
"""`stable` or `candidate`."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One release at one moment (epoch seconds): its `value`, or its counters `(events, total)` as they stood."""

    at: float
    value: float = 0.0
    counts: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a source at the moment `at`. Three causes for having nothing, each with an action of its own.

    `missing`: by arm, why there is no value where the source itself answered (no data). `down`: the source could not be
    asked. `broken`: what it answers, or what it was asked, is wrong, and stays so until a person mends it.
    """

    at: float
    readings: Mapping[Arm, tuple[Reading, ...]] = field(default_factory=dict)
    missing: Mapping[Arm, str] = field(default_factory=dict)
    down: RetryLater | None = None
    broken: NeedsPerson | None = None
