"""What a shadow step has found, for people: figures of both arms side by side, and a bounded sample of what differs.

A file a route, written anew with each window; what it shows of an answer is redacted by the model's `comparison`.
Neighbours: shadowing.py counts, cli/shadow.py shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import orjson

from tidegate.analysis.agreement import Answer, Opinion, shown
from tidegate.analysis.latency import add, histogram, quantile
from tidegate.analysis.outcomes import is_error
from tidegate.engine.figures import Declarations, Sums, figures, told
from tidegate.spec.comparison import Comparison
from tidegate.spec.release import Release

FOLDER: Final = "shadow"
"""Below the controller's state."""
_KEPT_SECONDS: Final = 200


def report_file(folder: Path, route: str) -> Path:
    """Where the report of a route is."""
    return folder / f"{route.replace('/', '+')}.json"


class Report:
    """The counts of one shadow step since `since` (epoch seconds). `share` of the requests is copied, in [0, 1].

    `declarations`: what tokens cost, and which model has to have answered.
    """

    def __init__(
        self,
        folder: Path,
        route: str,
        stable: Release,
        shadow: Release,
        share: float,
        since: float,
        declarations: Declarations,
    ) -> None:
        self._declarations = declarations
        self.stable, self.shadow = stable, shadow
        self.pairs = self.agreed = self.failed = self.unreadable = 0
        self._file = report_file(folder, route)
        self._route, self._share, self._since = route, share, since
        self._lonely = self._strays = 0
        self._why_unread = ""
        self._errors = {"stable": 0, "shadow": 0}
        self._times: dict[str, list[float]] = {"stable": [], "shadow": []}
        self._cells: dict[str, tuple[int, ...]] = {"stable": (), "shadow": ()}
        self._sums = {"stable": Sums(), "shadow": Sums()}
        self._samples: dict[int, dict[str, Any]] = {}
        self._saved: tuple[int, ...] = ()

    def alone(self, *, shadow: bool) -> None:
        """An answer whose other half did not come in time."""
        if shadow:
            self._strays += 1
        else:
            self._lonely += 1

    def figures(self, line: Mapping[str, Any]) -> Mapping[str, float]:
        """What one of its answers says of itself: tokens, cost, another model (figures.py)."""
        release = self.shadow if line.get("role") == "shadow" else self.stable
        terms = self._declarations.of(release.model, release.version, release.commit)
        return figures(told(line.get("usage")), terms)

    def seen(self, stable: Mapping[str, Any], shadow: Mapping[str, Any], *said: Mapping[str, float]) -> None:
        """Both halves are there, whatever they say; `said`: the figures of both."""
        for arm, line, of_it in zip(("stable", "shadow"), (stable, shadow), said, strict=True):
            self._errors[arm] += is_error(line)
            self._sums[arm].add(of_it)
            taken = line.get("duration_ms")
            if isinstance(taken, int | float) and taken >= 0:
                self._times[arm].append(float(taken))
            if len(self._times[arm]) >= _KEPT_SECONDS:
                self._fold(arm)

    def _fold(self, arm: str) -> None:
        self._cells[arm] = add(self._cells[arm], histogram(self._times[arm]))
        self._times[arm] = []

    def unread(self, why: str) -> None:
        """A pair that cannot be compared."""
        self.unreadable += 1
        self._why_unread = why

    def pair(
        self,
        opinion: Opinion,
        stable: Mapping[str, Any],
        shadow: Mapping[str, Any],
        answers: tuple[Answer, Answer],
        way: Comparison,
    ) -> None:
        """One pair that was compared. Of those that disagree a sample is kept, each as likely as any other."""
        self.pairs += 1
        self.agreed += opinion.agree
        if opinion.agree or not way.samples:
            return
        request = str(stable.get("request_id"))
        rank = int.from_bytes(blake2b(request.encode(), digest_size=8).digest(), "big")
        if len(self._samples) >= way.samples:
            last = max(self._samples)
            if rank >= last:
                return
            del self._samples[last]
        halves = zip(("stable", "shadow"), (stable, shadow), answers, strict=True)
        self._samples[rank] = {
            "time": stable.get("time"),
            "request_id": request,
            "why": opinion.why if not way.redact else opinion.why.partition(" is ")[0],
            **{
                arm: {
                    "status": answer.status,
                    "duration_ms": line.get("duration_ms"),
                    "answer": shown(answer, way.redact),
                }
                for arm, line, answer in halves
            },
        }

    @property
    def missing(self) -> int:
        """Copies that were lost: requests without the shadow's answer, beyond those of which none was made."""
        return self._missing(self._lonely)

    def lost(self, overdue: int) -> int:
        """Copies without a pair of answers that can be compared; `overdue` requests still wait for the shadow's."""
        return self._missing(self._lonely + overdue) + self.unreadable

    def _missing(self, lonely: int) -> int:
        settled = self.pairs + self.failed + self.unreadable + lonely
        return max(0, round(lonely - settled * (1 - self._share)))

    def to_doc(self, now: float) -> dict[str, Any]:
        """JSON-safe. Latencies in milliseconds, shares in [0, 1], times in epoch seconds."""
        return {
            "version": 1,
            "route": self._route,
            "since": self._since,
            "until": now,
            "share": self._share,
            "pairs": self.pairs,
            "agreed": self.agreed,
            "agreement": self.agreed / self.pairs if self.pairs else None,
            "missing": self.missing,
            "unreadable": self.unreadable,
            "why_unreadable": self._why_unread or None,
            "stable_failed": self.failed,
            "stable": self._arm("stable", self.stable),
            "shadow": self._arm("shadow", self.shadow),
            "samples": sorted(self._samples.values(), key=lambda sample: str(sample["time"])),
        }

    def _arm(self, arm: str, release: Release) -> dict[str, Any]:
        self._fold(arm)
        return {
            "release": release.id,
            "version": release.version,
            "config": release.config,
            "answers": sum(self._cells[arm]),
            "errors": self._errors[arm],
            "latency_p50_ms": quantile(self._cells[arm], 0.5),
            "latency_p95_ms": quantile(self._cells[arm], 0.95),
            **self._sums[arm].show(self._declarations.currency),
        }

    def save(self, now: float) -> None:
        """Write it, when there is anything new. Raises OSError."""
        counts = (self.pairs, self.failed, self.unreadable, self._lonely, self._strays)
        if counts == self._saved:
            return
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._file.with_suffix(".new")
        fresh.write_bytes(orjson.dumps(self.to_doc(now)))
        fresh.replace(self._file)
        self._saved = counts
