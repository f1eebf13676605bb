"""Artifacts that nobody needs any more leave the cache, as the policies' `retire` says; what is needed is marked as such.

Two controllers may share a cache: what one of them needs was marked lately, so the other leaves it alone. Neighbours:
rollout/retention.py says what stays, artifacts/store.py removes, loop.py has this run now and then, `tidegate gc` by hand.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Sweep:
    """What the policies want: these releases stay, and what none of them needs goes `after` so many seconds unused."""

    releases: tuple[Release, ...]
    after: float


@dataclass(frozen=True, slots=True)
class Needed:
    """What releases are made of: artifacts by sha256, and images."""

    artifacts: frozenset[str]
    images: frozenset[str]


def sweep_of(states: Mapping[str, RouteState], wishes: Mapping[str, Desired | None]) -> Sweep | None:
    """What the policies want; None where none says `retire`. What nobody keeps stays as long as the most patient says."""
    policies = {route: wish.policy for route, wish in wishes.items() if wish is not None}
    times = [policy.retire.after for policy in policies.values() if policy.retire is not None]
    if not times:
        return None
    releases = [release for route, state in states.items() for release in kept(state, policies.get(route))]
    return Sweep(tuple(releases), max(times))


def needed(catalog: Catalog, releases: Iterable[Release]) -> Needed:
    """What these releases are made of. Raises what the catalog raises: with one unread, what goes would be a guess."""
    artifacts: set[str] = set()
    images: set[str] = set()
    for release in releases:
        version = catalog.entry(release).version
        artifacts |= {version.artifact.sha256} if version.artifact is not None else set()
        artifacts |= {adapter.sha256 for adapter in version.adapters}
        images |= {version.runtime.image} if version.runtime is not None and version.runtime.image else set()
    return Needed(frozenset(artifacts), frozenset(images))


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
        """Start a sweep, if any policy wants one."""
        sweep = sweep_of(states, wishes)
        if sweep is not None:
            workers.submit(KEY, lambda: self._sweep(sweep), slow=True)

    def took(self, done: Done) -> bool:
        """Take in a sweep that ended. True when it was one."""
        if done.key != KEY:
            return False
        if done.error is not None:
            log.warning("the artifact cache is not swept: %s", done.error)
        for gone in done.value or ():
            log.info("artifact %s left the cache: nobody needs it any more (%d bytes)", gone.sha256[:12], gone.size)
        return True

    def _sweep(self, sweep: Sweep) -> list[Removed]:
        """Nothing goes while any declaration cannot be read. Raises what the catalog raises."""
        keep = needed(self._catalog, sweep.releases).artifacts
        self._store.mark(keep)
        return self._store.collect(keep, unused_for=sweep.after)
