"""Keeps the gateway on what was decided: alive, weights by the fast way at once, the whole table when it changed.

Weights go through the runtime layer in milliseconds; clusters and routes through files, in the safe order, which may take
several passes. Neighbours: gateway/ makes it real, table.py builds the table, loop.py calls this each pass.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.engine.catalog import Catalog
from tidegate.engine.table import Endpoints, build_route, build_table
from tidegate.gateway.model import Route, Table
from tidegate.gateway.supervisor import Gateway
from tidegate.rollout.traffic import Traffic
from tidegate.spec.errors import RetryLater, TidegateError
from tidegate.spec.model import Model
from tidegate.spec.release import split_route

APPLY_EVERY = 50
"""Passes after which an unchanged table is looked at again."""
RECORD_BYTES = 256 * 1024 * 1024
"""A record file's size at which the next one begins: about 700,000 lines."""


class Steering:
    """What the gateway was told last, and what it has yet to be told. Called by the loop alone."""

    def __init__(self, gateway: Gateway, catalog: Catalog) -> None:
        self._gateway = gateway
        self._catalog = catalog
        self._steered: dict[str, Traffic] = {}
        self._routes: dict[str, tuple[Traffic, Model, Route]] = {}
        self._table: Table | None = None
        self._settled = False
        self._looks = 0
        self.waiting = ""
        self.unreadable: dict[str, TidegateError] = {}

    @property
    def settled(self) -> bool:
        """True when the gateway serves the last table as it was meant."""
        return self._settled

    def check(self) -> None:
        """See that Envoy runs; start it again when it died. Raises RetryLater or NeedsPerson when that fails."""
        if not self._gateway.alive():
            self._settled = False
            self._gateway.start()

    def keep_record_short(self) -> None:
        """Begin a new record file when the present one has grown large; the reader finds its way by itself."""
        record = self._gateway.record
        if record.exists() and record.stat().st_size > RECORD_BYTES:
            self._gateway.rotate_record()

    def weights(self, traffic: Mapping[str, Traffic], models: Mapping[str, Model], *, safer_only: bool) -> list[str]:
        """Make changed weights live by the fast way; returns the routes whose weights changed.

        `safer_only`: only changes that take traffic from a candidate: nothing else may act before it is durable.
        An arm that is not live yet is left to `table`. Raises RetryLater when Envoy does not confirm.
        """
        changed = [
            route
            for route, split in traffic.items()
            if (before := self._steered.get(route)) is not None
            and _weights(before) != _weights(split)
            and not (safer_only and not _safer(before, split))
        ]
        urgent = [found for route in changed if (found := self._route(route, traffic[route], models)) is not None]
        for route, split in traffic.items():
            if route in changed or (route not in self._steered and not safer_only):
                self._steered[route] = split
        for route in [route for route in self._steered if route not in traffic]:
            del self._steered[route]
        if urgent:
            self._settled = False
            try:
                self._gateway.set_weights(urgent)
            except RetryLater as error:
                self.waiting = error.message
        return changed

    def table(self, traffic: Mapping[str, Traffic], models: Mapping[str, Model], endpoints: Endpoints) -> None:
        """Bring the gateway to the whole table, as far as it goes in this pass. Raises what the gateway raises."""
        routes = [found for route, split in traffic.items() if (found := self._route(route, split, models)) is not None]
        for route in [route for route in self._routes if route not in traffic]:
            del self._routes[route]
        for route in [route for route in self.unreadable if route not in traffic]:
            del self.unreadable[route]
        for route, error in self.unreadable.items():
            if route not in self._routes:
                raise error  # the gateway may serve it from the controller before this one: it must not lose it
        table = build_table(routes, {route.name: self._routes[route.name][0] for route in routes}, endpoints)
        self._looks += 1
        if table == self._table and self._settled and self._looks % APPLY_EVERY:
            return  # now and then all the same: clusters that nobody names any more drain, and then go
        self._table, self._settled = table, False
        applied = self._gateway.apply(table)
        self._settled, self.waiting = applied.done, applied.waiting

    def _route(self, name: str, split: Traffic, models: Mapping[str, Model]) -> Route | None:
        """The route as it should be; as it was last, when its declaration cannot be read; None when it never was."""
        known = self._routes.get(name)
        model = models.get(split_route(name)[0])
        if known is not None and known[0] == split and known[1] == model:
            return known[2]
        try:
            if model is None and split.arms:
                model = self._catalog.entry(split.arms[0].release).model
            if model is None:
                return None
            route = build_route(name, split, model, self._catalog.entry)
        except TidegateError as error:
            self.unreadable[name] = error
            return known[2] if known else None
        self.unreadable.pop(name, None)
        self._routes[name] = (split, model, route)
        return route


def _weights(split: Traffic) -> dict[str, tuple[int, tuple[tuple[str, int], ...]]]:
    return {arm.release.digest: (arm.weight, tuple(sorted(arm.segments.items()))) for arm in split.arms}


def _safer(old: Traffic, new: Traffic) -> bool:
    """True when no candidate gets more than it had, in the rest or in any segment."""
    names = {name for arm in (*old.arms, *new.arms) for name in arm.segments}
    return all(
        new.share(arm.release.digest, name) <= old.share(arm.release.digest, name)
        for arm in new.arms
        if arm.role == "candidate"
        for name in (None, *names)
    )
