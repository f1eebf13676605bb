"""One source of one route under way: when it is asked next, what its counters stood at, and how it is.

Neighbours: sources.py has one for each source of a trial's guardrails, and asks; sources/ask.py answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from tidegate.rollout.state import Hold, Trouble
from tidegate.sources.interface import Arm, Look, Reading
from tidegate.spec.errors import TidegateError
from tidegate.spec.policy import Guardrail
from tidegate.spec.sources import PrometheusSource, SourceSpec, WebhookSource

MOST_POINTS: Final = 120
"""Values that one look asks for after an absence; what is older is left out."""
RETRY: Final = 10.0
"""Seconds until a source that gave nothing is asked again, where its interval is longer."""

Increase = tuple[int, int]
"""(total, events) since the look before."""


@dataclass(slots=True)
class Poll:
    """One source and metric. Times in epoch seconds.

    `began`: the first answer. `read_to`: what it showed up to then is known. `bases`: where its counters stood at the last
    look, by arm. `cause` and `since`: what is wrong with it; None: nothing. `answered`: its last answer, `shown` its value.
    """

    metric: str
    kind: str
    source: PrometheusSource | WebhookSource
    place: str = ""
    next_at: float = 0.0
    began: float | None = None
    read_to: float | None = None
    bases: dict[Arm, tuple[float, int, int]] = field(default_factory=dict)
    cause: Hold | None = None
    since: float = 0.0
    why: str = ""
    fix: str = ""
    answered: float | None = None
    shown: dict[Arm, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As people call it."""
        return f"{self.kind} ({self.metric})"

    def moments(self, now: float) -> tuple[float, ...]:
        """What to ask for now: the present, or all values since the last look where the source can tell of them."""
        source = self.source
        if not isinstance(source, PrometheusSource) or source.counts or self.read_to is None:
            return (now,)
        spacing = source.spacing
        number = int((now - self.read_to) / spacing + 1e-9)
        first = max(1, number - MOST_POINTS + 1)
        return tuple(self.read_to + k * spacing for k in range(first, number + 1)) or (now,)

    def took(self, look: Look, now: float) -> None:
        """Take in how a look went. Readings are the caller's."""
        error: TidegateError | None = look.broken or look.down
        missing = look.missing.get("candidate")
        if error is not None:
            self._wrong(Hold.CHECKER_BROKEN if look.broken else Hold.SOURCE_DOWN, _told(error), error.fix or "", now)
            self.next_at = now + min(self.source.every, RETRY)
            return
        self.answered = now
        self.began = now if self.began is None else self.began
        self.read_to = look.at
        self.next_at = look.at + self.source.every
        if missing is not None:
            self.next_at = min(self.next_at, now + RETRY)
            if "candidate" in self.bases or now - self.began >= self.source.freshness:
                self._wrong(Hold.NO_DATA, missing, "", now)
                return
            # The figures of a release that has just begun are on their way: a scrape takes its time.
            self.cause, self.why, self.fix = None, missing, ""
            return
        self.cause, self.why, self.fix = None, look.missing.get("stable", ""), ""

    def _wrong(self, cause: Hold, why: str, fix: str, now: float) -> None:
        if self.cause is None:
            self.since = now
        self.cause, self.why, self.fix = cause, why, fix

    def increase(self, arm: Arm, reading: Reading) -> tuple[float, Increase | None]:
        """Since when, and by how much the counters of an arm grew: None at the first look, and where one was set back:
        how much was counted before that is not known."""
        events, total = reading.counts or (0, 0)
        before = self.bases.get(arm)
        self.bases[arm] = (reading.at, events, total)
        if before is None:
            return reading.at, None
        at, had_events, had_total = before
        grown = (total - had_total, events - had_events)
        return at, grown if 0 <= grown[1] <= grown[0] and grown[0] else None

    def trouble(self) -> Trouble | None:
        """What is wrong with it, for the rollout."""
        if self.cause is None:
            return None
        fix = f"; fix: {self.fix}" if self.fix else ""
        words = {Hold.NO_DATA: "has no data", Hold.SOURCE_DOWN: "is down"}.get(self.cause, "is broken")
        return Trouble(self.cause, self.since, f"{self.name} {words}: {self.why}{fix}")

    def status(self, now: float) -> dict[str, Any]:
        """For people: `state` is up, no_data, source_down or checker_broken; `answered` is seconds ago."""
        return {
            "source": self.kind,
            "metric": self.metric,
            "state": str(self.cause) if self.cause is not None else "up" if "candidate" in self.bases else "asked",
            "for": round(now - self.since, 1) if self.cause is not None else None,
            "answered": round(now - self.answered, 1) if self.answered is not None else None,
            "why": self.why or None,
            "fix": self.fix or None,
            "values": dict(self.shown),
        }

    def shift(self, by: float) -> None:
        """The wall clock was set back (`by` negative, seconds)."""
        self.next_at += by
        self.since += by
        self.read_to = self.read_to + by if self.read_to is not None else None
        self.answered = self.answered + by if self.answered is not None else None
        self.began = self.began + by if self.began is not None else None
        self.bases = {arm: (at + by, events, total) for arm, (at, events, total) in self.bases.items()}

    def to_doc(self) -> dict[str, Any]:
        """What has to outlive the controller, as JSON-safe values."""
        cause = str(self.cause) if self.cause is not None else None
        return {
            "began": self.began, "read_to": self.read_to, "bases": {arm: list(base) for arm, base in self.bases.items()},
            "cause": cause, "since": self.since, "why": self.why, "fix": self.fix, "answered": self.answered,
        }  # fmt: skip

    def resume(self, doc: Mapping[str, Any]) -> None:
        """Go on where the journal left it."""
        self.began, self.read_to = doc["began"], doc["read_to"]
        self.since, self.answered = doc["since"], doc["answered"]
        self.bases = {arm: (base[0], base[1], base[2]) for arm, base in doc["bases"].items()}
        self.cause = Hold(doc["cause"]) if doc["cause"] is not None else None
        self.why, self.fix = doc["why"], doc["fix"]
        if self.read_to is not None:
            self.next_at = self.read_to + self.source.every


def polls_of(guardrails: tuple[Guardrail, ...], prometheus: str | None = None) -> dict[str, Poll]:
    """One for each source and metric that is asked for, by a key that says both. `prometheus`: where it is by default."""
    found: dict[str, Poll] = {}
    for guardrail in guardrails:
        spec = guardrail.source
        if isinstance(spec, SourceSpec):
            declared = spec.model_dump(mode="json", exclude_none=True)
            key = f"{guardrail.metric} {json.dumps(declared, sort_keys=True)}"
            found.setdefault(key, Poll(guardrail.metric, spec.kind, spec.asked, _place(spec.asked, prometheus)))
    return found


def _place(source: PrometheusSource | WebhookSource, prometheus: str | None) -> str:
    """Scheme, host and port of what is asked."""
    url = urlsplit(source.url if isinstance(source, WebhookSource) else source.address or prometheus or "")
    return f"{url.scheme}://{url.netloc}"


def _told(error: TidegateError) -> str:
    return f"{error.where}: {error.message}" if error.where else error.message
