"""The prediction record, read once and used twice: batches for the rollouts under way, meters for the status.

Exactly once over restarts: the cursor and the batchers' state are journaled together with the route states they led to.
Neighbours: gateway/record.py reads lines, analysis/batches.py makes batches, loop.py journals and decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from tidegate.analysis.batches import SETTLE, Batcher, by_release, is_error
from tidegate.analysis.model import Batch
from tidegate.engine.arrivals import Arrivals
from tidegate.engine.catalog import Blob
from tidegate.engine.figures import WRONG_MODEL, Declarations, Stranger, figures, no_blob
from tidegate.engine.meter import Meter
from tidegate.gateway.record import Cursor, RecordReader
from tidegate.rollout.state import RouteState
from tidegate.rollout.traffic import Traffic
from tidegate.spec.errors import RetryLater
from tidegate.spec.policy import PolicyFields

LINES_A_PASS = 50_000
METER_KEPT = 3600.0
"""Seconds that a release is shown after its last answer."""
ROUNDING = 1e-9

Shares = dict[str | None, float | None]


class Evidence:
    """What the gateway's record says. Called by the loop alone."""

    def __init__(
        self,
        reader: RecordReader,
        cursor: Mapping[str, Any] | None,
        flush: float,
        now: Callable[[], float],
        blob: Blob = no_blob,
    ) -> None:
        self._reader = reader
        self._now = now
        self._flush = flush
        self._cursor = Cursor.from_json(cursor["log"]) if cursor else reader.end()
        self._saved: Mapping[str, Any] = cursor.get("batchers", {}) if cursor else {}
        self._batchers: dict[str, Batcher] = {}
        self._arrivals: dict[str, Arrivals] = {}
        self._trials: dict[str, str] = {}
        self._declared: dict[str, Shares] = {}
        self._meters: dict[str, dict[str, Meter]] = {}
        self._strangers: dict[tuple[str, str], Stranger] = {}
        self.declarations = Declarations(blob)
        self.strays = 0
        self.lines = 0
        self.read_to: float | None = None
        self._known_to = float("-inf")

    def read(self) -> bool:
        """Take in the lines that are new. True when there may be more at once. Raises RetryLater when it cannot be read."""
        try:
            records, self._cursor = self._reader.read(self._cursor, LINES_A_PASS)
        except OSError as error:
            raise RetryLater(f"the prediction record cannot be read: {error}", where=str(self._reader.path)) from error
        self.lines += sum(record.get("role") != "shadow" for record in records)
        now = self._now()
        if records and isinstance(records[-1].get("time"), str):
            self.read_to = datetime.fromisoformat(records[-1]["time"]).timestamp()
        by_route: dict[str, list[dict[str, Any]]] = {}
        for record in records:
            route = record.get("route")
            if not isinstance(route, str):
                self.strays += 1
                continue
            by_route.setdefault(route, []).append(record)
            release = record.get("release")
            if isinstance(release, str):
                meter = self._meters.setdefault(route, {}).setdefault(release, Meter())
                meter.add(now, is_error(record), record.get("duration_ms"))
                if "served_model" in record or "prompt_tokens" in record or "completion_tokens" in record:
                    meter.tell(self._figures(route, release, record))
        for route, lines in by_route.items():
            batcher = self._batchers.get(route)
            if batcher is not None:
                batcher.add_many(lines)
        more = len(records) == LINES_A_PASS
        self._known_to = self.read_to if more and self.read_to is not None else now
        return more

    def _figures(self, route: str, release: str, record: dict[str, Any]) -> Mapping[str, float]:
        """What the answer says of itself, put among the record's metrics."""
        terms = self.declarations.of(record.get("model"), record.get("version"), record.get("commit"))
        found = figures(record, terms)
        if found:
            record["metrics"] = {**found, **(record.get("metrics") or {})}
        if found.get(WRONG_MODEL) and terms.served_as is not None:
            before = self._strangers.get((route, release))
            self._strangers[(route, release)] = Stranger(
                route,
                release,
                str(record.get("version")),
                str(record.get("commit")),
                str(record["served_model"]),
                terms.served_as,
                1 + (before.answers if before is not None else 0),
            )
        return found

    def strangers(self) -> list[Stranger]:
        """The releases that are shown in the status and whose answers named another model than theirs."""
        return [one for one in self._strangers.values() if one.release in self._meters.get(one.route, {})]

    @property
    def cursor(self) -> Cursor:
        """How far the record was read. `lines`: how many answers to users stood there, since this controller began."""
        return self._cursor

    def resume(self, state: RouteState) -> None:
        """Go on with the batches of a trial where the journal left them: before the first read, or lines would be missed."""
        trial = trial_of(state)
        saved = self._saved.get(state.route)
        if trial is None or not saved or saved["trial"] != trial.name:
            return
        self._batchers[state.route] = Batcher.from_doc(saved["doc"], by_release(trial.stable, trial.candidate))
        self._trials[state.route] = trial.name
        self._declared[state.route] = dict(saved["doc"]["eras"][-1][1])
        since = saved["doc"]["warm_up_until"]
        arrivals = saved.get("arrivals")  # of a journal that an earlier Tidegate wrote, none
        self._arrivals[state.route] = (
            Arrivals.from_doc(arrivals) if arrivals is not None else Arrivals(since, trial.policy.batch, [{}])
        )

    def follow(self, state: RouteState, traffic: Traffic, *, random: bool, longest: float = SETTLE) -> None:
        """Have a batcher for this route's trial while its candidate gets traffic, or while its stable release is watched.

        `random` False: the split goes by user, so the arms' counts need not follow the declared weights. `longest`: seconds that
        an answer may take; until then requests end that began under other weights.
        """
        trial = trial_of(state)
        if trial is None:
            self._drop(state.route)
            return
        if self._trials.get(state.route) == trial.name:
            self._batchers[state.route].settle = max(SETTLE, longest)
            return
        declared = _shares(state, traffic, random)
        batcher = Batcher(
            by_release(trial.stable, trial.candidate),
            length=trial.policy.batch,
            opened_at=self._now(),
            share=declared[None],
            shares=_of_segments(declared),
            warm_up_until=self._now() + (trial.policy.warm_up if trial.stable is not None else 0.0),
            grace=2 * self._flush + 0.2,
            settle=max(SETTLE, longest),
            sessions=trial.policy.unit == "session",
        )
        self._batchers[state.route] = batcher
        self._arrivals[state.route] = Arrivals(batcher.warm_up_until, trial.policy.batch, [_steered(state, traffic)])
        self._trials[state.route] = trial.name
        self._declared[state.route] = declared

    def restorer(self, route: str) -> Callable[[], None]:
        """Takes up again what is gathered for this route now: for a decision that turns out not to hold."""
        if route not in self._batchers:
            return lambda: self._drop(route)
        batcher, arrivals = self._batchers[route], self._arrivals[route]
        trial, declared = self._trials[route], self._declared[route]

        def restore() -> None:
            self._batchers[route], self._arrivals[route] = batcher, arrivals
            self._trials[route], self._declared[route] = trial, declared

        return restore

    def _drop(self, route: str) -> None:
        self._batchers.pop(route, None)
        self._arrivals.pop(route, None)
        self._trials.pop(route, None)
        self._declared.pop(route, None)

    def cut(self, state: RouteState, traffic: Traffic, *, random: bool) -> None:
        """The gateway has been told of these weights: what comes under others falls into windows of its own.

        `random`: as for `follow`.
        """
        batcher = self._batchers.get(state.route)
        if batcher is None or state.stable is None:
            return
        declared = _shares(state, traffic, random)
        if declared != self._declared[state.route]:
            self._declared[state.route] = declared
            batcher.cut(self._now(), share=declared[None], shares=_of_segments(declared))
        self._arrivals[state.route].steer(self._now(), _steered(state, traffic))

    def shift(self, by: float) -> None:
        """The wall clock was set back (`by` negative, seconds): the windows move along, and so do the requests to come."""
        self._known_to += by  # the record may be out of reach just now: else its windows would close an hour too early
        self.read_to = self.read_to + by if self.read_to is not None else None
        for route, batcher in list(self._batchers.items()):
            doc = batcher.to_doc()
            for name in ("warm_up_until", "closed_until"):
                doc[name] += by
            doc["eras"] = [[origin + by, shares] for origin, shares in doc["eras"]]
            doc["windows"] = [[start + by, end + by, *rest] for start, end, *rest in doc["windows"]]
            self._batchers[route] = Batcher.from_doc(doc, batcher.arm_of)
            self._arrivals[route].shift(by)

    def renamed(self, before: RouteState, after: RouteState) -> None:
        """A state was moved along with the clock: its trial has another name, and is the same."""
        old, new = trial_of(before), trial_of(after)
        if old is not None and new is not None and self._trials.get(after.route) == old.name:
            self._trials[after.route] = new.name

    def closed(self, route: str) -> tuple[Batch, ...]:
        """The windows of this route that are over, and what other sources brought meanwhile."""
        batcher = self._batchers.get(route)
        if batcher is None:
            return ()
        windows = batcher.close(self._read_until())
        others = self._arrivals[route].take(self._now(), batcher.closed_until, batcher.next_id)
        batcher.next_id += len(others)
        return (*windows, *others)

    def arrivals(self, route: str) -> Arrivals | None:
        """Where to put what other sources say of this route's trial; None while nobody is judged."""
        return self._arrivals.get(route)

    def open(self, route: str) -> tuple[Batch, ...]:
        """The windows of this route that still run."""
        batcher = self._batchers.get(route)
        return batcher.open() if batcher else ()

    def _read_until(self) -> float:
        """Up to when the record is known: the last look, or the last line while there are more to read."""
        return self._known_to

    def to_doc(self) -> dict[str, Any]:
        """The cursor and the batchers, JSON-safe, as of the last read."""
        return {
            "log": self._cursor.to_json(),
            "batchers": {
                route: {
                    "trial": self._trials[route],
                    "doc": batcher.to_doc(),
                    "arrivals": self._arrivals[route].to_doc(),
                }
                for route, batcher in self._batchers.items()
            },
        }

    def meters(self, route: str) -> dict[str, Mapping[str, Any]]:
        """What each release of this route answered lately, by short release id."""
        now = self._now()
        kept = {name: meter for name, meter in self._meters.get(route, {}).items() if meter.idle(now) < METER_KEPT}
        self._meters[route] = kept
        return {release: meter.show(now, self.declarations.currency) for release, meter in kept.items()}

    def forget(self, route: str) -> None:
        """The route is no more."""
        self._meters.pop(route, None)
        self._strangers = {key: one for key, one in self._strangers.items() if one.route != route}

    def lost(self) -> dict[str, int]:
        """Lines that could not be used, by cause."""
        batchers = self._batchers.values()
        return {
            "malformed": self._cursor.malformed + sum(batcher.malformed for batcher in batchers),
            "gaps": self._cursor.losses,
            "unrouted": self.strays,
            "late": sum(batcher.late for batcher in batchers),
        }


class Trial(NamedTuple):
    """Whose answers are told apart: short ids of the stable release (None: nobody beside the other), and of the judged."""

    name: str
    stable: str | None
    candidate: str
    policy: PolicyFields


def trial_of(state: RouteState) -> Trial | None:
    """The candidate's trial once it has begun, else the stable release's watch; None when nobody is judged."""
    candidate, stable, watch = state.candidate, state.stable, state.watch
    if stable is not None and candidate is not None and candidate.step >= 0:
        name = f"{candidate.release.digest}:{candidate.started_at}"
        return Trial(name, stable.id, candidate.release.id, candidate.policy)
    if watch is not None:
        return Trial(f"watch:{watch.release.digest}:{watch.since}", None, watch.release.id, watch.policy)
    return None


def _shares(state: RouteState, traffic: Traffic, random: bool) -> Shares:
    """The candidate's share of the unsegmented traffic (None), and of each segment that is split otherwise.

    No share where the counts of both arms need not follow it: split by user, the rest goes to a standby, or nobody is
    on trial.
    """
    candidate, stable = state.candidate, state.stable
    if candidate is None or candidate.step < 0 or stable is None:
        return {None: None}
    digest = candidate.release.digest
    if not random or abs(traffic.share(digest) + traffic.share(stable.digest) - 1.0) > ROUNDING:
        return {None: None}
    named: set[str | None] = {None, *(name for arm in traffic.arms for name in arm.segments)}
    return {name: traffic.share(digest, name) for name in named}


def _steered(state: RouteState, traffic: Traffic) -> dict[str, float]:
    """The candidate's share by segment, '' for the traffic in none; a watched release has all of it."""
    candidate = state.candidate
    if candidate is None or candidate.step < 0 or state.stable is None:
        return {"": 1.0}
    named = sorted({name for arm in traffic.arms for name in arm.segments})
    digest = candidate.release.digest
    return {"": traffic.share(digest), **{name: traffic.share(digest, name) for name in named}}


def _of_segments(declared: Shares) -> dict[str, float]:
    return {name: share for name, share in declared.items() if name is not None and share is not None}
