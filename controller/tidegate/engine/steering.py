"""Keeps the gateway on what was decided: alive, weights by the fast way at once, the whole table when it changed.

Weights go through the runtime layer in milliseconds; clusters and routes through files, in the safe order, which may take
several passes. Only what `note` named since is looked at. Neighbours: gateway/ makes it real, table.py keeps the table,
loop.py calls this each pass.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from tidegate.engine.catalog import Catalog
from tidegate.engine.configs import Files, no_file
from tidegate.engine.table import Endpoints, Links, Tables, build_route, no_link
from tidegate.gateway.model import Route
from tidegate.gateway.record import grown
from tidegate.gateway.supervisor import Ended, Gateway
from tidegate.rollout.traffic import Traffic
from tidegate.spec.controller import RotateSettings
from tidegate.spec.errors import NeedsPerson, RetryLater, TidegateError
from tidegate.spec.model import Model
from tidegate.spec.release import split_route

log = logging.getLogger(__name__)

APPLY_EVERY = 50
"""Passes after which an unchanged table is looked at again."""
MENDED = 20
"""Routes in a pass whose configs' files are looked at."""
SOON = 50
"""Passes in which the gateway is asked at once again whether it has taken what it was given; then it is no hurry any more."""
Models: TypeAlias = Callable[[str], Model | None]
"""A model's name to how it is declared now, None when it is not."""


class Steering:
    """What the gateway was told last, and what it has yet to be told. Called by the loop alone."""

    def __init__(
        self,
        gateway: Gateway,
        catalog: Catalog,
        rotate: RotateSettings | None = None,
        link: Links = no_link,
        file: Files = no_file,
    ) -> None:
        self._gateway = gateway
        self._rotate = rotate or RotateSettings()
        self._catalog = catalog
        self._link = link
        self._file = file
        self._steered: dict[str, Traffic] = {}
        self._routes: dict[str, tuple[Traffic, Model, Route]] = {}
        self._live: dict[str, tuple[object, float]] = {}
        self._tables = Tables()
        self._behind: dict[str, None] = {}  # routes whose weights may be others than those that were told last
        self._stale: dict[str, None] = {}  # routes that may be another entry of the table than they are
        self._learnt: set[str] = set()  # workloads whose addresses may be others than those in the table
        self._changed: set[str] = set()  # models that differ from what the gateway took last
        self._unseen: list[str] = []  # routes whose configs' files were not looked at lately
        self._settled = False
        self._begun = False
        self._given = False  # whether the gateway took a table from this controller
        self._looks = 0
        self._asked = 0  # passes since the gateway was given something that it has not taken yet
        self.waiting = ""
        self.unreadable: dict[str, TidegateError] = {}
        self.refused: dict[str, TidegateError] = {}

    @property
    def settled(self) -> bool:
        """True when the gateway serves the last table as it was meant."""
        return self._settled

    @property
    def loading(self) -> bool:
        """Whether the gateway takes something in just now: it is a matter of a tenth of a second, and then comes the next."""
        return 0 < self._asked <= SOON

    def start(self) -> None:
        """Start Envoy, adopt it, or hand over to one with new settings. Raises RetryLater or NeedsPerson."""
        with _disk():
            self._gateway.start()
        self._begun = True

    def check(self) -> None:
        """See that Envoy runs, with today's settings; start it again when it died. Raises RetryLater or NeedsPerson."""
        if not self._begun or not self._gateway.alive():
            self._settled = False
            self.start()

    def renew(self, now: float) -> None:
        """Take over callers' keys and certificates as they are on disk now. Raises NeedsPerson for what is wrong with them."""
        with _disk():
            self._gateway.renew(now)

    def keep_record_short(self, now: float) -> None:
        """Begin a new record file when the present one is large or old; the reader finds its way by itself."""
        record = self._gateway.record
        with _disk():
            if record.exists() and grown(record, self._rotate.size, self._rotate.after, now):
                self._gateway.rotate_record()

    def ended(self) -> Ended | None:
        """Envoy's own count of what it answered; None when it cannot be asked just now."""
        try:
            return self._gateway.ended()
        except RetryLater:
            return None

    def told_to_end(self, pid: int) -> bool:
        """Whether an Envoy that is gone was asked to end, and so has written all of its lines."""
        return self._gateway.told_to_end(pid)

    def note(self, routes: Iterable[str], workloads: Iterable[str]) -> None:
        """The traffic or the declaration of these routes, or the addresses of these workloads, may be others than before."""
        noted = dict.fromkeys(routes)
        self._behind |= noted
        self._stale |= noted
        self._learnt.update(workloads)

    def forget(self, route: str) -> None:
        """The route is no more."""
        self._steered.pop(route, None)
        self._live.pop(route, None)
        self._behind.pop(route, None)
        self._stale.pop(route, None)
        self._routes.pop(route, None)
        self.unreadable.pop(route, None)
        self._drop(route)

    def weights(self, traffic: Mapping[str, Traffic], models: Models) -> None:
        """Make changed weights live by the fast way. An arm that is not live yet is left to `table`, and holds up nobody.

        What could not be told is told again in the next pass.
        """
        urgent: dict[str, Route] = {}
        for route in list(self._behind):
            split = traffic[route]
            before = self._steered.setdefault(route, split)
            if _risen(before, split) & self._learnt:
                continue  # its servers may have other addresses by now: `table` brings both, in the right order
            if before is not split and _weights(before) != _weights(split):
                found = self._route(route, split, models)
                if found is not None and not self._serves(found):  # the table may have brought them
                    urgent[route] = found
                    continue
            self._told(route, split)
        if not urgent:
            return
        self._settled = False
        live = {route: found for route, found in urgent.items() if _known(self._steered[route], traffic[route])}
        for routes in (urgent, live) if len(live) < len(urgent) else (urgent,):
            try:
                with _disk():
                    self._gateway.set_weights(routes.values())
            except RetryLater as error:
                self.waiting = error.message
            else:
                for route in routes:
                    self._told(route, traffic[route])
                return

    def _serves(self, route: Route) -> bool:
        try:
            return self._gateway.serves(route)
        except RetryLater:
            return False

    def _told(self, route: str, split: Traffic) -> None:
        self._steered[route] = split
        del self._behind[route]

    def live_since(self, name: str, split: Traffic, models: Models, now: float) -> float:
        """Since when users get these weights (epoch seconds); infinity while they do not yet. `now`: the present moment.

        0 when it was so at the first look: then the controller before this one has seen to it.
        """
        wanted, known = _weights(split), self._live.get(name)
        if known is not None and known[0] == wanted and known[1] <= now:
            return known[1]
        route = self._route(name, split, models)
        try:
            served = route is not None and self._gateway.serves(route)
        except RetryLater:
            return math.inf
        since = math.inf if not served else 0.0 if known is None else now
        self._live[name] = (wanted, since)
        return since

    def shift(self, by: float) -> None:
        """The wall clock was set back (`by` negative, seconds)."""
        self._live = {name: (weights, since + by) for name, (weights, since) in self._live.items()}

    def table(self, traffic: Mapping[str, Traffic], models: Models, endpoints: Endpoints) -> None:
        """Bring the gateway to the whole table, as far as it goes in this pass. Raises what the gateway raises."""
        asked, self._asked = self._asked, 0
        for route in [*self._stale, *self.unreadable]:
            found = self._route(route, traffic[route], models)
            if found is None:
                self._drop(route)
            else:
                self._changed |= self._tables.put(found, self._routes[route][0], endpoints)
        self._changed |= self._tables.learnt(self._learnt, endpoints)
        self._stale.clear()
        self._learnt.clear()
        for route, error in self.unreadable.items():
            if route not in self._routes:
                raise error  # the gateway may serve it from the controller before this one: it must not lose it
        self._looks += 1
        self._mend()
        if not self._changed and self._settled and self._looks % APPLY_EVERY:
            return  # now and then all the same: clusters that nobody names any more drain, and then go
        self._settled = False
        self._asked = 1 if self._changed else asked + 1
        with _disk():
            applied = self._gateway.apply(self._tables.table(), frozenset(self._changed) if self._given else None)
        self._changed.clear()
        self._given = True
        self._settled, self.waiting = applied.done, applied.waiting
        if applied.done:
            self._asked = 0
        self.refused = {route: _refusal(route, why) for route, why in applied.refused.items()}

    def _mend(self) -> None:
        """See that the files are there that requests name, of some routes in a pass: whoever removes them means no release."""
        if self._looks % APPLY_EVERY == 0:
            self._unseen = [name for name, (*_, route) in self._routes.items() if any(arm.file for arm in route.arms)]
        some, self._unseen = self._unseen[:MENDED], self._unseen[MENDED:]
        for split in (self._routes[name][0] for name in some if name in self._routes):
            for arm in split.arms:
                try:
                    with _disk():
                        self._file(self._catalog.entry(arm.release))
                except TidegateError as error:  # it holds up no table: what is looked at next time is seen next time
                    log.warning("the inference config of %s may be missing: %s", arm.release.label, error)

    def _drop(self, route: str) -> None:
        if self._tables.drop(route):
            self._changed.add(split_route(route)[0])

    def _route(self, name: str, split: Traffic, models: Models) -> Route | None:
        """The route as it should be; as it was last, when its declaration cannot be read; None when it never was."""
        known = self._routes.get(name)
        model = models(split_route(name)[0])
        if known is not None and known[0] == split and known[1] == model:
            return known[2]
        try:
            if model is None and split.arms:
                model = self._catalog.entry(split.arms[0].release).model
            if model is None:
                return None
            with _disk():  # a config's file is there before any request names it
                route = build_route(name, split, model, self._catalog.entry, self._link, self._file)
        except TidegateError as error:
            self.unreadable[name] = error
            return known[2] if known else None
        self.unreadable.pop(name, None)
        self._routes[name] = (split, model, route)
        return route


def _weights(split: Traffic) -> dict[str, tuple[int, tuple[tuple[str, int], ...]]]:
    return {arm.release.digest: (arm.weight, tuple(sorted(arm.segments.items()))) for arm in split.arms}


def _risen(old: Traffic, new: Traffic) -> set[str]:
    """The workloads that get something and had nothing."""
    before, now = (
        {arm.release.workload for arm in one.arms if arm.weight or any(arm.segments.values())} for one in (old, new)
    )
    return now - before


def _known(old: Traffic, new: Traffic) -> bool:
    """Whether everybody who gets something had a place before: such weights can be live at once."""
    named = {arm.release.digest for arm in old.arms}
    return all(arm.release.digest in named for arm in new.arms if arm.weight or any(arm.segments.values()))


def _refusal(route: str, why: str) -> NeedsPerson:
    return NeedsPerson(
        f"the gateway cannot serve {route} as it is declared, and serves it as it did last: {why}",
        where=f"models/{split_route(route)[0]}",
        fix="mend what the reason names; all other routes are up to date",
    )


@contextlib.contextmanager
def _disk() -> Iterator[None]:
    """A full disk, or one that fails, is no defect: what serves goes on, and it is tried again."""
    try:
        yield
    except OSError as error:
        raise RetryLater(
            f"the gateway's files cannot be written: {error.strerror or error}",
            where=error.filename,
            fix="free some space on that disk: the old state goes on serving meanwhile",
        ) from error
