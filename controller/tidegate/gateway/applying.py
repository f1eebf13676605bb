"""One `Table` after another made true: what to write, in which order, and what to wait for.

supervisor.py hands on what the engine asks. book.py keeps what is wanted; cluster.py, render.py, mirror.py and weights.py say
what the files should be; live.py writes them and learns what Envoy took; blame.py finds what it refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from tidegate.gateway import cluster, mirror, names, render, weights
from tidegate.gateway.blame import Trial, culprits
from tidegate.gateway.book import Book, Page, plain, salvaged
from tidegate.gateway.files import Folder
from tidegate.gateway.live import Live, RefusedError
from tidegate.gateway.model import Route, Table
from tidegate.spec.errors import RetryLater


@dataclass(frozen=True, slots=True)
class Applied:
    """`done`: everything in the table is live. Otherwise `waiting` says for what; call `apply` again.

    `refused`: routes that are not as the table wants them, and why; they serve as they did last.
    """

    done: bool
    waiting: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)


class Applying:
    """What an Envoy's files and weights are, and what they shall be.

    `trial` asks an Envoy that only checks; `drain` as `Gateway` has it.
    """

    def __init__(self, live: Live, folder: Folder, trial: Trial, drain: float, clock: Callable[[], float]) -> None:
        self._live = live
        self._folder = folder
        self._trial = trial
        self._drain = drain
        self._clock = clock
        self._book = Book()
        self._looked = False
        self._done = False
        self._pending = set(live.shares)
        # Shares by model: of the routes file on disk; of the one that Envoy took last; of any that may be live. The last may
        # name an arm twice over: `_unsure` are the entries in which it matters which file is live.
        self._filed = dict(live.shares)
        self._served = dict(live.shares)
        self._maybe = dict(live.shares)
        self._unsure: set[str] = set()
        self._made: dict[str, Page] = {}  # what of each model was made true last
        self._gone: dict[str, float] = {}

    def doubt(self) -> None:
        """Another Envoy runs: it has to be asked what it serves from."""
        self._live.doubt()
        self._done = False

    def apply(self, table: Table, changed: frozenset[str] | None = None) -> Applied:
        """See `Gateway.apply`."""
        live = self._live
        self._pending |= self._book.turn(table, changed if self._looked else None)
        self._looked = True
        if self._done and not self._pending and not any(self._clock() >= until for until in self._gone.values()):
            return Applied(True, refused=self._book.words())
        self._done = False
        try:
            waiting = self._advance(live)
        except RefusedError:
            if live.routes.version == live.routes.good[0]:  # it is back on disk: no arm that it does not name is live
                for known in (self._filed, self._maybe):
                    for model in self._pending:
                        _set(known, model, self._served.get(model))
            sound = {model: page for model, page in self._sound(live).items() if page is not None}
            found, refused = culprits(self._trial, sound, sound), self._book.refused
            if all(why.keys() <= refused.get(model, {}).keys() for model, why in found.items()):
                raise
            for model, why in found.items():
                refused[model] = refused.get(model, {}) | why
            waiting = "what Envoy refuses is left out"
        self._done = not waiting
        return Applied(self._done, waiting, self._book.words())

    def _advance(self, live: Live) -> str:
        """The next steps as far as they go; what is waited for, or nothing when all is live."""
        book = self._book
        looked = self._pending | book.moving.keys() | book.refused.keys()
        wanted = _entries(book.shares, looked)
        moving = {key for keys in book.moving.values() for key in keys} | _entries(book.shares, book.refused).keys()
        sound = self._sound(live)
        early = self._early(
            live, wanted, looked, (sound.get(model) or book.pages.get(model) for model in self._pending)
        )
        # Weights first: the share of a bad release falls at once, whatever else has to be loaded.
        for later in (early, set()) if early else (early,):
            shares = {key: entry for key, entry in wanted.items() if key not in later}
            live.write_keys(weights.layer(_entries(self._maybe, looked), shares, moving | self._unsure, live.keys))
            if not live.keys_live():
                return "weights are loading"
            self._write_clusters(live, sound)
            if not live.taken(live.clusters):
                return "clusters are loading"

        self._write_listeners(live, sound)
        if not live.taken(live.listeners):
            return "listeners are loading"

        self._write_routes(live, sound, moving)
        if not live.taken(live.routes):
            return "routes are loading"
        for known in (self._served, self._maybe):
            for model in self._pending:
                _set(known, model, self._filed.get(model))
        for model, page in sound.items():
            self._made.pop(model, None)
            if page is not None:
                self._made[model] = page
        self._unsure.clear()

        live.write_keys(weights.layer(_entries(self._filed, looked), wanted, moving, live.keys))
        if not live.keys_live():
            return "weights are loading"
        self._folder.sweep_layers()
        until = self._clock() + self._drain
        self._gone = {name: self._gone.get(name, until) for name in self._spare(live)}
        self._pending.clear()
        return ""

    def set_weights(self, routes: Iterable[Route]) -> float:
        """See `Gateway.set_weights`."""
        live = self._live
        began = self._clock()
        keys = dict(live.keys)
        told = [(route, names.route_shares(route)) for route in routes]
        models = {route.model for route, _ in told}
        shares = {key: entry for _, entries in told for key, entry in entries.items()}
        early = self._early(live, shares, models, (self._book.pages.get(model) for model in models))
        if early:
            late = min(route.name for route, entries in told if early & entries.keys())
            raise RetryLater(f"servers of {late} have other addresses, which load first", where="gateway", delay=0.05)
        for route, entries in told:
            for key, wanted in entries.items():
                served = self._served.get(route.model, {}).get(key, {})
                missing = [name for name, weight in wanted.items() if weight > 0 and name not in served]
                if missing:
                    raise RetryLater(f"{missing[0]} is not live on route {route.name} yet", where="gateway", delay=0.05)
                named = self._maybe.get(route.model, {}).get(key, {})
                keys |= {f"{key}.{name}": wanted.get(name, 0) for name in named}
            self._pending.add(route.model)
        self._done = False
        live.write_keys(keys)
        if not live.keys_live(patience=1.0):
            raise RetryLater("Envoy has not confirmed the new weights", where="gateway", delay=0.05)
        return self._clock() - began

    def serves(self, route: Route) -> bool:
        """See `Gateway.serves`."""
        live = self._live
        for key, wanted in names.route_shares(route).items():
            served = self._served.get(route.model, {}).get(key, {})
            given = {name: live.keys.get(f"{key}.{name}", weight) for name, weight in served.items()}
            if {name: weight for name, weight in given.items() if weight} != {n: w for n, w in wanted.items() if w}:
                return False
        return live.keys_live()

    def _early(self, live: Live, wanted: names.Shares, models: Iterable[str], pages: Iterable[Page | None]) -> set[str]:
        """The entries in which an arm that has nothing would get requests before Envoy knows where its servers are by now.

        A server that was started again has another address: its cluster leads nowhere until Envoy has taken the new file.
        """
        taken, named = live.clusters.good[1], _entries(self._maybe, models)
        present = {name: upstream for page in pages if page is not None for name, upstream in page.clusters.items()}
        found = set()
        for key, entry in wanted.items():
            before = named.get(key, {})
            rising = (name for name in entry if entry[name] and not live.keys.get(f"{key}.{name}", before.get(name, 0)))
            for name in map(names.behind, rising):
                if name in taken and name in present and not cluster.leads(taken[name], name, present[name]):
                    found.add(key)
        return found

    def _spare(self, live: Live) -> set[str]:
        """The clusters that nobody wants and no route that may be live names."""
        spare = live.clusters.fragments.keys() - self._book.users.keys()
        if spare:  # a model that is neither in change nor refused names what it wants, and nothing else
            models = self._pending | self._book.refused.keys()
            named = {name for entry in _entries(self._maybe, models).values() for name in entry}
            spare -= named | set(map(names.behind, named))
            spare -= {name for model in self._book.refused if model in self._made for name in self._made[model].named}
        return spare

    def _sound(self, live: Live) -> dict[str, Page | None]:
        """The pages in change, as far as they can be made true; None: the model goes.

        A model with a refused route of which it is not known what it was, since another controller wrote it, stays as it is.
        """
        found: dict[str, Page | None] = {}
        for model in self._pending:
            page, refused = self._book.pages.get(model), self._book.refused.get(model)
            if page is None or not refused:
                found[model] = page
            elif model in self._made or model not in live.routes.fragments:
                page = salvaged(page, refused, self._made.get(model))
                if page.routes:
                    found[model] = page
        return found

    def _write_clusters(self, live: Live, pages: Mapping[str, Page | None]) -> None:
        """Add and change what these models want. What nobody wants any more stays until it has drained.

        Of the models in change that are not among them, since they stay as they are, the servers are brought up to date.
        """
        clusters = dict(live.clusters.fragments)
        for model in self._pending - pages.keys():
            page = self._book.pages[model]
            known = {name: one for name, one in page.clusters.items() if name in clusters and plain(one)}
            clusters |= {
                name: cluster.of_upstream(name, one, proven=name in page.proven) for name, one in known.items()
            }
        for found in pages.values():
            wanted = cluster.of_page(found) if found else {}
            clusters |= wanted
            for name in wanted:
                self._gone.pop(name, None)
        now = self._clock()
        for name in self._spare(live):
            if now >= self._gone.get(name, now + 1):
                del clusters[name]
        live.clusters.write(clusters)

    def _write_listeners(self, live: Live, pages: Mapping[str, Page | None]) -> None:
        """The internal listeners of routes that mirror. One goes when the cluster that leads to it has gone."""
        listeners = {name: text for name, text in live.listeners.fragments.items() if name in live.clusters.fragments}
        for page in pages.values():
            if page is not None:
                listeners |= mirror.listeners(page, self._folder.record, self._folder.answers)
        live.listeners.write(listeners)

    def _write_routes(self, live: Live, pages: Mapping[str, Page | None], moving: Collection[str]) -> None:
        fragments, filed = dict(live.routes.fragments), {}
        for model, page in pages.items():
            wanted = page.shares if page is not None else {}
            filed[model] = weights.file_shares(self._filed.get(model, {}), wanted, moving)
            if page is None:
                fragments.pop(model, None)
            else:
                fragments[model] = render.model_routes(page.routes, page.timeouts, filed[model])
        if not live.routes.write(fragments):
            return
        for model, entries in filed.items():
            maybe = self._maybe.get(model, {})
            self._unsure |= {key for key, entry in entries.items() if maybe.get(key, entry) != entry}
            both = {key: {**maybe.get(key, {}), **entries.get(key, {})} for key in maybe.keys() | entries.keys()}
            _set(self._maybe, model, both)
            _set(self._filed, model, entries)


def _entries(shares: Mapping[str, names.Shares], models: Iterable[str]) -> dict[str, Mapping[str, int]]:
    """The entries of these models, of all that have any."""
    return {key: entry for model in models for key, entry in shares.get(model, {}).items()}


def _set(known: dict[str, names.Shares], model: str, entries: names.Shares | None) -> None:
    if entries:
        known[model] = entries
    else:
        known.pop(model, None)
