"""What the table wants, a page a model, kept from call to call so that a change costs the models that it touches. Pure.

check.py says which pages Envoy would refuse; applying.py makes the others true.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from tidegate.gateway import check, names
from tidegate.gateway.model import Arm, Route, Table, Upstream

STABLE: Final = "stable"
"""The role of an arm that everybody gets who is on no trial."""


@dataclass(frozen=True, slots=True)
class Page:
    """One model: its routes, and the upstreams that their arms use. An upstream that the table lacks is one without endpoints."""

    routes: tuple[Route, ...]
    upstreams: Mapping[str, Upstream]

    def only(self, routes: Iterable[Route]) -> Page:
        """These of its routes, with the upstreams that they use."""
        kept = tuple(routes)
        return Page(kept, {arm.upstream: self.upstreams[arm.upstream] for route in kept for arm in _arms(route)})

    @property
    def clusters(self) -> dict[str, Upstream]:
        """Every cluster of a server that the routes need."""
        served = {names.cluster_name(arm): self.upstreams[arm.upstream] for route in self.routes for arm in route.arms}
        shadows = {
            names.shadow_name(route, route.shadow): self.upstreams[route.shadow.upstream]
            for route in self.routes
            if route.shadow is not None
        }
        return served | shadows

    @property
    def proven(self) -> set[str]:
        """Those of them that serve as the stable release wherever they serve."""
        arms = [(names.cluster_name(arm), arm.role) for route in self.routes for arm in route.arms]
        return {name for name, _ in arms} - {name for name, role in arms if role != STABLE}

    @property
    def inner(self) -> dict[str, tuple[Route, Arm]]:
        """Every internal listener that the routes need, and the clusters that lead there, by their common name."""
        mirroring = [(route, route.shadow) for route in self.routes if route.shadow is not None]
        arms = {names.inner_name(route, arm): (route, arm) for route, _ in mirroring for arm in route.arms}
        return arms | {names.mirror_name(route, shadow): (route, shadow) for route, shadow in mirroring}

    @property
    def named(self) -> set[str]:
        """The names of all of these clusters."""
        return self.clusters.keys() | self.inner.keys()

    @property
    def shares(self) -> dict[str, dict[str, int]]:
        """The weights of every entry that somebody serves."""
        return {key: entry for route in self.routes for key, entry in names.route_shares(route).items()}

    @property
    def timeouts(self) -> dict[str, float]:
        """Seconds, by upstream."""
        return {name: upstream.timeout for name, upstream in self.upstreams.items()}


def salvaged(page: Page, refused: Collection[str], before: Page | None) -> Page:
    """What of a page can be made true: its sound routes, and in place of the refused ones what was there `before`.

    Their servers are the old ones at today's addresses: a server that was started again has another one.
    """
    sound = page.only(route for route in page.routes if route.name not in refused)
    old = before.only(route for route in before.routes if route.name in refused) if before is not None else Page((), {})
    routes = sorted((*sound.routes, *old.routes), key=lambda route: route.name)
    moved = {
        name: replace(upstream, endpoints=page.upstreams[name].endpoints)
        for name, upstream in old.upstreams.items()
        if name in page.upstreams and plain(upstream) and plain(page.upstreams[name])
    }
    return Page(tuple(routes), {**old.upstreams, **moved, **sound.upstreams})


def plain(upstream: Upstream) -> bool:
    """Whether Envoy takes its cluster for sure, whatever it refuses of a route: servers of ours, at addresses that are some."""
    return upstream.link is None and check.problem((), (upstream,)) is None


def _arms(route: Route) -> tuple[Arm, ...]:
    return (*route.arms, *filter(None, [route.shadow]))


@dataclass(slots=True)
class Book:
    """All pages, and what is summed up over them.

    `shares` by model; `moving`: the entries whose weights live in the runtime layer, by model; `users`: the models that name a
    cluster; `refused`: why a route cannot be made true, by model and route. Whoever finds that out writes it in.
    """

    pages: dict[str, Page] = field(default_factory=dict)
    shares: dict[str, names.Shares] = field(default_factory=dict)
    moving: dict[str, frozenset[str]] = field(default_factory=dict)
    users: dict[str, set[str]] = field(default_factory=dict)
    refused: dict[str, dict[str, str]] = field(default_factory=dict)

    def turn(self, table: Table, changed: frozenset[str] | None) -> set[str]:
        """Take over the table as far as `changed` says (None: all of it); the models that differ."""
        looked = self.pages.keys() | {route.model for route in table.routes} if changed is None else changed
        routes: dict[str, list[Route]] = {}
        for route in table.routes:
            if route.model in looked:
                routes.setdefault(route.model, []).append(route)
        upstreams = {upstream.name: upstream for upstream in table.upstreams} if looked else {}
        return {model for model in looked if self._turn(model, routes.get(model, ()), upstreams)}

    def _turn(self, model: str, routes: Iterable[Route], upstreams: Mapping[str, Upstream]) -> bool:
        ordered = tuple(sorted(routes, key=lambda route: route.name))
        used = {
            arm.upstream: upstreams.get(arm.upstream) or Upstream(arm.upstream, ())
            for route in ordered
            for arm in _arms(route)
        }
        page, before = Page(ordered, used), self.pages.pop(model, None)
        if page == before:
            self.pages[model] = page
            return False
        for name in before.named if before else ():
            self.users[name].discard(model)
            if not self.users[name]:
                del self.users[name]
        for known in (self.shares, self.moving, self.refused):
            known.pop(model, None)
        if ordered:
            self._add(model, page)
        return True

    def _add(self, model: str, page: Page) -> None:
        self.pages[model] = page
        for name in page.named:
            self.users.setdefault(name, set()).add(model)
        weightless = {route.name: why for route in page.routes if (why := check.weights((route,)))}
        self.shares[model] = page.only(route for route in page.routes if route.name not in weightless).shares
        for route in page.routes:
            used = page.only((route,)).upstreams.values()
            why = weightless.get(route.name) or check.problem((route,), used)
            if why is not None:
                self.refused.setdefault(model, {})[route.name] = why
        prefixes = {
            names.prefix(route, segment) for route in page.routes if route.moving for segment in names.segments(route)
        }
        moving = frozenset(prefixes & self.shares[model].keys())
        if moving:
            self.moving[model] = moving

    def words(self) -> dict[str, str]:
        """Why a route is not as the table wants it, by route."""
        return {route: why for found in self.refused.values() for route, why in found.items()}
