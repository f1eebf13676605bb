"""What nobody needs any more, found and taken away by hand: the same plan as the controller's own retention, seen before it acts.

Nothing that is hot, on standby or within a rollback window, and nothing that is not this instance's own.
Neighbours: retention.py and audit/archive.py say what goes, `tidegate gc` shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from tidegate.artifacts.store import Store
from tidegate.audit.archive import Archive
from tidegate.audit.chain import days
from tidegate.engine.catalog import Catalog
from tidegate.engine.retention import Needed, needed, sweep_of
from tidegate.journal.journal import Journal
from tidegate.rollout.capacity import hot_releases
from tidegate.rollout.state import Desired, RouteState
from tidegate.runtime.interface import HoldsImages, Runtime
from tidegate.spec.controller import RecordSettings
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.units import format_duration

GRACE = 5.0


@dataclass(frozen=True, slots=True)
class Waste:
    """One thing that goes, and why. `size` in bytes, 0 where it is not known. `remove` takes it away."""

    kind: str
    name: str
    size: int
    why: str
    remove: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that goes, and in words what is left alone."""

    waste: tuple[Waste, ...]
    left: tuple[str, ...]


def forgotten(journal: Journal, states: Mapping[str, RouteState]) -> list[Waste]:
    """Verdicts on routes that are no more. Only who holds the journal can remove them."""

    def drop(route: str) -> None:
        with journal.transaction() as transaction:
            transaction.drop_verdicts(route)

    return [
        Waste(
            "journal", f"{number} verdicts on {route}", 0, "the route is no more; its events stay", partial(drop, route)
        )
        for route, number in sorted(journal.verdict_counts().items())
        if route not in states
    ]


def cleaning(
    states: Mapping[str, RouteState],
    wishes: Mapping[str, Desired | None],
    catalog: Catalog,
    store: Store,
    runtime: Runtime,
    archive: Archive,
    record: RecordSettings,
    now: float,
    *,
    journal: Journal | None,
) -> Plan:
    """Look at everything. `journal`: the controller's own, None while one runs: then it sees to its servers itself.

    Raises what the catalog raises: while a declaration cannot be read, what goes would be a guess.
    """
    waste: list[Waste] = []
    left: list[str] = []
    sweep = sweep_of(states, wishes)
    if sweep is None:
        left.append("artifacts and images: no policy says `retire`, so every release that was promoted keeps its own")
    else:
        keep = needed(catalog, sweep.releases)
        waste += _artifacts(store, keep, sweep.after)
        waste += _images(states, keep, catalog, runtime, left)
        left.append(
            f"{len(keep.artifacts)} artifacts and {len(keep.images)} images of {len(set(sweep.releases))} releases"
        )
    if journal is None:
        left.append("servers and the journal: the controller that runs here sees to them")
    else:
        waste += _servers(states, runtime) + forgotten(journal, states)
    waste += [
        Waste("record", f"{len(one.segments)} segments of {days(one.segments)}", sum(s.size for s in one.segments), one.why,
              partial(archive.remove, [one], now))
        for one in archive.overdue(record.keep, record.max_size, now)
    ]  # fmt: skip
    if record.keep is None and record.max_size is None:
        left.append(
            "the record: it is kept for ever, since `record` in tidegate.yaml sets neither `keep` nor `max_size`"
        )
    return Plan(tuple(waste), tuple(left))


def _artifacts(store: Store, keep: Needed, after: float) -> list[Waste]:
    why = f"no release that is kept needs it, and nobody did for {format_duration(after)}"
    return [
        Waste(
            "artifact", f"sha256 {one.sha256}", one.size, why,
            partial(_collect, store, keep, one.sha256, after),
        )
        for one in store.unused(keep.artifacts, unused_for=after)
    ]  # fmt: skip


def _collect(store: Store, keep: Needed, sha256: str, after: float) -> None:
    """Only this one: all others are kept."""
    others = {one.sha256 for one in store.unused(keep.artifacts, unused_for=after)} - {sha256}
    store.collect(keep.artifacts | others, unused_for=after)


def _images(
    states: Mapping[str, RouteState], keep: Needed, catalog: Catalog, runtime: Runtime, left: list[str]
) -> list[Waste]:
    """Images of releases that were promoted here once, and are not kept: this instance brought them."""
    if not isinstance(runtime, HoldsImages):
        return []
    former: set[str] = set()
    for state in states.values():
        for release in state.promoted:
            try:
                former |= needed(catalog, [release]).images
            except NeedsPerson as error:
                left.append(f"the image of {release.label}: {error.message}")
    why = "no release that is kept names it, and no container uses it"
    return [
        Waste("image", name, size, why, partial(runtime.drop_image, name))
        for name, size in runtime.idle_images(former - keep.images).items()
    ]


def _servers(states: Mapping[str, RouteState], runtime: Runtime) -> list[Waste]:
    """Servers of this instance that have ended, of releases that nobody needs hot."""
    hot = {release.workload for state in states.values() for release in hot_releases(state)}
    return [
        Waste("server", one.name, 0, "it has ended, and its release is not hot", partial(runtime.stop, one.name, GRACE))
        for one in runtime.observe()
        if not one.running and one.digest not in hot
    ]
