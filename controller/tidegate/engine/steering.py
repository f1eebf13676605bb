"""Keeps the gateway on what was decided: alive, weights by the fast way at once, the whole table when it changed.

Weights of routes in motion go through the runtime layer; clusters and routes through files, in the safe order, which may
take several passes. Neighbours: gateway/ makes it real, table.py builds the table, loop.py calls this each pass.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from tidegate.engine.catalog import Catalog
from tidegate.engine.table import Endpoints, build_table
from tidegate.gateway.model import Table
from tidegate.gateway.supervisor import Gateway
from tidegate.rollout.traffic import Traffic
from tidegate.spec.errors import TidegateError
from tidegate.spec.inference import InferenceConfig
from tidegate.spec.model import Model

log = logging.getLogger(__name__)


class Steering:
    """What the gateway was told last, and what it has yet to be told. Called by the loop alone."""

    def __init__(self, gateway: Gateway, catalog: Catalog) -> None:
        self._gateway = gateway
        self._catalog = catalog
        self._steered: dict[str, Traffic] = {}
        self._wanted: Table | None = None
        self._done = False
        self.waiting = ""

    @property
    def settled(self) -> bool:
        """True when the gateway serves the last table as it was meant."""
        return self._done

    def check(self) -> None:
        """See that the gateway runs. Raises RetryLater or NeedsPerson when it does not and cannot be started."""
        self._gateway.ensure()

    def weights(self, traffic: Mapping[str, Traffic], *, safer_only: bool) -> list[str]:
        """Make changed weights live by the fast way; returns the routes whose weights changed.

        `safer_only`: only changes that take traffic from a candidate: nothing else may act before it is durable.
        """
        changed = [
            route
            for route, split in traffic.items()
            if route in self._steered
            and _weights(self._steered[route]) != _weights(split)
            and not (safer_only and not _safer(self._steered[route], split))
        ]
        if changed:
            self._gateway.set_weights({route: _arm_weights(traffic[route]) for route in changed})
        for route, split in traffic.items():
            if route in changed or (route not in self._steered and not safer_only):
                self._steered[route] = split
        for route in [route for route in self._steered if route not in traffic]:
            del self._steered[route]
        return changed

    def table(
        self,
        traffic: Mapping[str, Traffic],
        models: Mapping[str, Model],
        endpoints: Endpoints,
    ) -> None:
        """Bring the gateway to the whole table, as far as it goes in this pass. Raises when Envoy rejects it."""
        configs: dict[str, InferenceConfig | None] = {}
        known = dict(models)
        readable = {}
        for route, split in traffic.items():
            try:
                for arm in split.arms:
                    entry = self._catalog.entry(arm.release)
                    configs[arm.release.digest] = entry.config
                    known.setdefault(arm.release.model, entry.model)
            except TidegateError as error:
                log.debug("%s stays as it is in the gateway: %s", route, error)
            else:
                readable[route] = split
        table = build_table(readable, known, configs, endpoints)
        if table == self._wanted and self._done:
            return
        self._wanted = table
        applied = self._gateway.apply(table)
        self._done, self.waiting = applied.done, applied.waiting


def _weights(split: Traffic) -> dict[str, tuple[int, tuple[tuple[str, int], ...]]]:
    return {arm.release.digest: (arm.weight, tuple(sorted(arm.segments.items()))) for arm in split.arms}


def _arm_weights(split: Traffic) -> dict[str, tuple[int, dict[str, int]]]:
    return {arm.release.id: (arm.weight, dict(arm.segments)) for arm in split.arms}


def _safer(old: Traffic, new: Traffic) -> bool:
    """True when no candidate gets more than it had, in the rest or in any segment."""
    names = {name for arm in (*old.arms, *new.arms) for name in arm.segments}
    return all(
        new.share(arm.release.digest, name) <= old.share(arm.release.digest, name)
        for arm in new.arms
        if arm.role == "candidate"
        for name in (None, *names)
    )
