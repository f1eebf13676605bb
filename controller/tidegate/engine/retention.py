"""Artifacts that nobody needs any more leave the cache, as the policies' `retire` says; what is needed is marked as such.

Two controllers may share a cache: what one of them needs was marked lately, so the other leaves it alone.
Neighbours: rollout/retention.py says what stays, artifacts/store.py removes, loop.py has this run now and then.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from tidegate.artifacts.store import Removed, Store
from tidegate.engine.catalog import Catalog
from tidegate.engine.workers import Done, Workers
from tidegate.rollout.retention import kept
from tidegate.rollout.state import Desired, RouteState
from tidegate.spec.release import Release

log = logging.getLogger(__name__)

KEY = ("retention",)
FIRST = 60.0
EVERY = 3600.0


class Retention:
    """Sweeps the cache once an hour while any policy says `retire`. Called by the loop alone; the sweep is a job."""

    def __init__(self, catalog: Catalog, store: Store) -> None:
        self._catalog = catalog
        self._store = store
        self._next: float | None = None

    def due(self, clock: float) -> bool:
        """Whether it is time for a sweep; told once. `clock` in seconds, of any clock that nobody sets.

        Not right after a start, when there is enough to do.
        """
        if self._next is None:
            self._next = clock + FIRST
        if clock < self._next:
            return False
        self._next = clock + EVERY
        return True

    def submit(self, states: Mapping[str, RouteState], wishes: Mapping[str, Desired | None], workers: Workers) -> None:
        """Start a sweep, if any policy wants one. What nobody keeps stays as long as the most patient of them says."""
        policies = {route: wish.policy for route, wish in wishes.items() if wish is not None}
        times = [policy.retire.after for policy in policies.values() if policy.retire is not None]
        if not times:
            return
        releases = [release for route, state in states.items() for release in kept(state, policies.get(route))]
        after = max(times)
        workers.submit(KEY, lambda: self._sweep(releases, after), slow=True)

    def took(self, done: Done) -> bool:
        """Take in a sweep that ended. True when it was one."""
        if done.key != KEY:
            return False
        if done.error is not None:
            log.warning("the artifact cache is not swept: %s", done.error)
        for gone in done.value or ():
            log.info("artifact %s left the cache: nobody needs it any more (%d bytes)", gone.sha256[:12], gone.size)
        return True

    def _sweep(self, releases: list[Release], after: float) -> list[Removed]:
        """Nothing goes while any declaration cannot be read: that would be a guess. Raises what the catalog raises."""
        keep: set[str] = set()
        for release in releases:
            version = self._catalog.entry(release).version
            keep |= {version.artifact.sha256} if version.artifact is not None else set()
            keep |= {adapter.sha256 for adapter in version.adapters}
        self._store.mark(keep)
        return self._store.collect(keep, unused_for=after)
