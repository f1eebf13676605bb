"""The gateway as the engine sees it: keep Envoy running, make a `Table` true, move weights in milliseconds.

Level-triggered: every call looks at what is and does the next thing; nothing waits for long. render.py and weights.py
say what the files should be, files.py writes them, lifecycle.py starts Envoy, admin.py asks it what is live.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.gateway import files, names, render, weights
from tidegate.gateway.lifecycle import Lifecycle
from tidegate.gateway.model import Route, Table, Upstream
from tidegate.spec.controller import GatewaySettings
from tidegate.spec.errors import InternalError, RetryLater

_CLUSTERS = "cluster_manager.cds"
_ROUTES = "http.tidegate.rds.tidegate"
_ENDED = "^http[.]tidegate[.]downstream_rq_(total|active)$"
_LIVE = rf"^({_CLUSTERS.replace('.', '[.]')}|{_ROUTES.replace('.', '[.]')})[.](version_text|update_rejected|update_failure)$"


@dataclass(frozen=True, slots=True)
class Applied:
    """`done`: everything in the table is live. Otherwise `waiting` says for what; call `apply` again.

    `refused`: routes that are not as the table wants them, and why; they serve as they did last.
    """

    done: bool
    waiting: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ended:
    """How many requests an Envoy has ended since its start: as many lines it owes the record. `pid` and `started` name it.

    `epoch` above 0: it relieved another one, which has written all of its lines.
    """

    pid: int
    started: int
    epoch: int
    requests: int


@dataclass(slots=True)
class _File:
    """One of the two files as it is on disk; the last content that Envoy took; what it refused, and why."""

    path: Path
    counter: str
    version: str
    content: bytes
    good: tuple[str, bytes]
    live: bool = False
    rejected: int = 0
    refused: dict[str, str] = field(default_factory=dict)


class Gateway:
    """One Envoy and its folder `state/gateway`. Not thread-safe: the control loop owns it.

    `drain`: seconds that a cluster stays after no route names it. `patience`: the longest that one call waits for Envoy
    to take a file; what takes longer is reported as waiting. `clock` and `sleep` in seconds, monotonic.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        state: Path,
        *,
        drain: float = 30.0,
        patience: float = 0.04,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._lifecycle = Lifecycle(settings, state / "gateway", clock, sleep)
        self._folder = self._lifecycle.folder
        self._admin = self._lifecycle.admin
        self._drain = drain
        self._patience = patience
        self._clock = clock
        self._sleep = sleep
        self._pid = 0
        self._settled: Table | None = None
        self._files: dict[str, _File] = {}
        self._clusters: dict[str, bytes] = {}
        self._models: dict[str, bytes] = {}
        self._rendered_clusters: dict[str, tuple[Upstream, bytes]] = {}
        self._rendered_models: dict[str, tuple[object, bytes]] = {}
        # Shares of the routes file on disk; of the one that Envoy took last; of any that may be live, and where these differ.
        self._filed: dict[str, Mapping[str, int]] = {}
        self._served: dict[str, Mapping[str, int]] = {}
        self._maybe: dict[str, Mapping[str, int]] = {}
        self._unsure: set[str] = set()
        self._keys: dict[str, int] = {}
        self._keys_confirmed = False
        self._gone: dict[str, float] = {}

    @property
    def record(self) -> Path:
        """The prediction record; `RecordReader` reads it."""
        return self._folder.record

    @property
    def log(self) -> Path:
        """What Envoy says."""
        return self._folder.log

    def start(self) -> None:
        """Make Envoy run: adopt it, start it, or hand over to a new one when its fixed configuration has changed.

        Raises NeedsPerson (address in use, no such program, a configuration that Envoy refuses) or RetryLater (it ends again
        and again, or needs longer to start).
        """
        self._lifecycle.start()

    def alive(self) -> bool:
        """Whether the process runs. Costs microseconds."""
        return self._lifecycle.running() is not None

    def ready(self) -> bool:
        """Whether Envoy takes requests."""
        return self.alive() and self._admin.ready()

    def stop(self, grace: float = 5.0) -> None:
        """End Envoy, with up to `grace` seconds for the requests under way. A controller that ends does not do this."""
        self._lifecycle.stop(grace)

    def _load(self) -> None:
        """What is applied, from the files: the controller before this one may have written them."""
        clusters, routes = self._folder.clusters.read_bytes(), self._folder.routes.read_bytes()
        clusters_version, self._clusters = render.parse_clusters(clusters)
        routes_version, self._models, shares = render.parse_routes(routes)
        self._filed, self._served, self._maybe = dict(shares), dict(shares), dict(shares)
        self._keys = self._folder.read_layer()
        self._files = {
            name: _File(path, counter, version, content, (version, content))
            for name, path, counter, version, content in (
                ("clusters", self._folder.clusters, _CLUSTERS, clusters_version, clusters),
                ("routes", self._folder.routes, _ROUTES, routes_version, routes),
            )
        }

    def _need_envoy(self) -> None:
        running = self._lifecycle.running()
        if running is None:
            raise RetryLater("Envoy does not run", where="gateway", fix="start it with `start()`", delay=0.1)
        if not self._files:
            self._load()
        if running.pid != self._pid:  # another Envoy counts from zero, and has to be asked again
            self._pid = running.pid
            self._keys_confirmed = False
            self._settled = None
            for file in self._files.values():
                file.live, file.rejected = False, self._ask(file)[1]

    def apply(self, table: Table, changed: frozenset[str] | None = None) -> Applied:
        """Make `table` true, in the order in which no request is lost: weights, clusters, routes, then what is no longer needed.

        `changed`: the models whose routes or upstreams may differ from the last call; None: look at all.
        Quick, and to be called again until `done`; also later, since clusters drain. Raises RetryLater when Envoy does not run,
        InternalError with Envoy's own words when it refuses a file: the old state keeps serving.
        """
        self._need_envoy()
        if table == self._settled and not any(self._clock() >= until for until in self._gone.values()):
            return Applied(True)
        self._settled = None
        shares = {route.name: names.route_shares(route) for route in table.routes}
        wanted = {key: entry for found in shares.values() for key, entry in found.items()}
        moving = {key for route in table.routes if route.moving for key in shares[route.name]}
        # Weights first: the share of a bad release falls at once, whatever else has to be loaded.
        self._write_keys(weights.layer(self._maybe, wanted, moving | self._unsure, self._keys))
        if not self._keys_live():
            return Applied(False, "weights are loading")

        clusters = render.clusters(table)
        self._write_clusters(clusters)
        if not self._taken("clusters"):
            return Applied(False, "clusters are loading")

        self._write_routes(table, shares, weights.file_shares(self._filed, wanted, moving))
        if not self._taken("routes"):
            return Applied(False, "routes are loading")
        self._served, self._maybe, self._unsure = dict(self._filed), dict(self._filed), set()

        self._write_keys(weights.layer(self._filed, wanted, moving, self._keys))
        if not self._keys_live():
            return Applied(False, "weights are loading")
        self._folder.sweep_layers()
        until = self._clock() + self._drain
        self._gone = {name: self._gone.get(name, until) for name in self._clusters if name not in clusters}
        self._settled = table
        return Applied(True)

    def set_weights(self, routes: Iterable[Route]) -> float:
        """The fast path: give the arms of these routes the weights that they carry here, now. Seconds until Envoy confirmed.

        Only arms that are live already; arms left out get nothing. `apply` with the same routes keeps it so. Raises RetryLater
        when an arm is not live yet, or when Envoy does not confirm within a second: the weights are on disk all the same.
        """
        self._need_envoy()
        began = self._clock()
        keys = dict(self._keys)
        for route in routes:
            for key, wanted in names.route_shares(route).items():
                live = self._maybe.get(key, {})
                missing = [
                    name for name, weight in wanted.items() if weight > 0 and name not in self._served.get(key, {})
                ]
                if missing:
                    raise RetryLater(f"{missing[0]} is not live on route {route.name} yet", where="gateway", delay=0.05)
                keys |= {f"{key}.{name}": wanted.get(name, 0) for name in live}
        self._settled = None
        self._write_keys(keys)
        if not self._keys_live(patience=1.0):
            raise RetryLater("Envoy has not confirmed the new weights", where="gateway", delay=0.05)
        return self._clock() - began

    def serves(self, route: Route) -> bool:
        """Whether the arms of this route have the weights that they carry here. Right after a start, those left by the last one.

        Raises RetryLater when Envoy does not run.
        """
        self._need_envoy()
        for key, wanted in names.route_shares(route).items():
            live = self._served.get(key, {})
            given = {name: self._keys.get(f"{key}.{name}", weight) for name, weight in live.items()}
            if {name: weight for name, weight in given.items() if weight} != {n: w for n, w in wanted.items() if w}:
                return False
        return self._keys_live()

    def active(self) -> dict[str, int]:
        """Requests under way, by upstream name as Envoy knows it (`names.cluster_name` without the release)."""
        found: dict[str, int] = {}
        for name, value in self._admin.stats(r"^cluster[.].*[.]upstream_rq_active$").items():
            upstream = name.removeprefix("cluster.").removesuffix(".upstream_rq_active").rpartition("~")[0]
            found[upstream] = found.get(upstream, 0) + int(value)
        return found

    def ended(self) -> Ended:
        """Envoy's own count of what it answered. Raises RetryLater when it does not run, or does not say."""
        running = self._lifecycle.running()
        if running is None:
            raise RetryLater("Envoy does not run", where="gateway", fix="start it with `start()`", delay=0.1)
        stats = self._admin.stats(_ENDED)
        requests = int(stats.get("http.tidegate.downstream_rq_total", 0)) - int(
            stats.get("http.tidegate.downstream_rq_active", 0)
        )
        return Ended(running.pid, running.started, running.epoch, requests)

    def told_to_end(self, pid: int) -> bool:
        """Whether the log says that this Envoy was asked to end: then it has written all of its lines."""
        return self._lifecycle.told_to_end(pid)

    def rotate_record(self) -> Path | None:
        """Begin a new record file; the old one keeps its lines under the returned name. Nothing is lost to a reader."""
        self._need_envoy()
        rotated = self._folder.rotate_record()
        self._admin.call("POST", "/reopen_logs")
        return rotated

    def _write_clusters(self, wanted: Mapping[str, Upstream]) -> None:
        """Add and change what is wanted. What is not stays while a route may name it, and then until it has drained."""
        known, self._rendered_clusters = self._rendered_clusters, {}
        for name, upstream in wanted.items():
            self._gone.pop(name, None)
            seen = known.get(name)
            self._rendered_clusters[name] = (
                seen if seen and seen[0] == upstream else (upstream, render.cluster(name, upstream))
            )
        clusters = {name: text for name, (_, text) in self._rendered_clusters.items()}
        named = {name for entry in self._maybe.values() for name in entry}
        now = self._clock()
        for name, text in self._clusters.items():
            if name not in clusters and (name in named or now < self._gone.get(name, now + 1)):
                clusters[name] = text
        if clusters != self._clusters:
            version, content = render.cluster_file(clusters)
            self._write("clusters", version, content)
            self._clusters = clusters

    def _write_routes(self, table: Table, shares: Mapping[str, names.Shares], filed: names.Shares) -> None:
        timeouts = {upstream.name: upstream.timeout for upstream in table.upstreams}
        known, self._rendered_models = self._rendered_models, {}
        for model, routes in render.by_model(table.routes).items():
            used = {arm.upstream: timeouts.get(arm.upstream) for route in routes for arm in route.arms}
            mine = {key: filed[key] for route in routes for key in shares[route.name]}
            source = ([_still(route) for route in routes], used, mine)
            seen = known.get(model)
            self._rendered_models[model] = (
                seen if seen and seen[0] == source else (source, render.model_routes(routes, timeouts, mine))
            )
        models = {model: text for model, (_, text) in self._rendered_models.items()}
        if models == self._models:
            return
        version, content = render.route_file(models)
        self._write("routes", version, content)
        self._models = models
        self._unsure |= {key for key, entry in filed.items() if self._maybe.get(key, entry) != entry}
        self._maybe = {
            key: {**self._maybe.get(key, {}), **filed.get(key, {})} for key in self._maybe.keys() | filed.keys()
        }
        self._filed = dict(filed)

    def _write(self, name: str, version: str, content: bytes) -> None:
        file = self._files[name]
        if version in file.refused:
            raise _refusal(name, file.refused[version])
        if version == file.version:
            return
        files.replace(file.path, content)
        file.version, file.content, file.live = version, content, False

    def _ask(self, file: _File, timeout: float | None = None) -> tuple[str, int]:
        """The version that Envoy serves from, and how many it has refused. Raises RetryLater without an answer in time."""
        stats = self._admin.stats(_LIVE, timeout)
        refused = sum(int(stats.get(f"{file.counter}.{reason}", 0)) for reason in ("update_rejected", "update_failure"))
        return str(stats.get(f"{file.counter}.version_text", "")), refused

    def _taken(self, name: str) -> bool:
        """Whether Envoy serves from the file as it is on disk. Raises InternalError when it refuses it."""
        file = self._files[name]

        def look(timeout: float) -> bool:
            version, rejected = self._ask(file, timeout)
            if version == file.version:
                file.live, file.good = True, (version, file.content)
            elif rejected > file.rejected:
                file.rejected = rejected
                self._take_back(name, file)
            return file.live

        return file.live or self._poll(look, self._patience, 0.001)

    def _poll(self, look: Callable[[float], bool], patience: float, pause: float) -> bool:
        """Whether `look` comes true within `patience` seconds. While Envoy reads a large file it does not answer: not yet."""
        until = self._clock() + patience
        while True:
            try:
                if look(max(until - self._clock(), 0.001)):
                    return True
            except RetryLater:
                if self._lifecycle.running() is None:
                    raise
            if self._clock() >= until:
                return False
            self._sleep(pause)

    def _take_back(self, name: str, file: _File) -> None:
        """A refused file must not be what Envoy finds when it starts again: the last good one goes back."""
        reason = self._lifecycle.complaint() or "nothing"
        file.refused[file.version] = reason
        file.version, file.content = file.good
        files.replace(file.path, file.content)
        if name == "clusters":
            self._clusters = render.parse_clusters(file.content)[1]
        else:
            _, self._models, shares = render.parse_routes(file.content)
            self._filed = dict(shares)
        raise _refusal(name, reason)

    def _write_keys(self, keys: dict[str, int]) -> None:
        if keys != self._keys:
            self._folder.write_layer(keys)
            self._keys = keys
            self._keys_confirmed = False

    def _keys_live(self, patience: float | None = None) -> bool:
        """Whether Envoy uses the layer as it is on disk."""
        if not self._keys_confirmed:
            generation = str(self._folder.generation())

            def look(timeout: float) -> bool:
                return self._admin.runtime(timeout).get(files.GENERATION) == generation

            self._keys_confirmed = self._poll(look, self._patience if patience is None else patience, 0.0005)
        return self._keys_confirmed


def _still(route: Route) -> tuple[object, ...]:
    """A route without its weights: what the file says of it besides them."""
    arms = [(arm.release, arm.role, arm.version, arm.config, arm.commit, arm.upstream, arm.body) for arm in route.arms]
    return route.name, arms, dict(route.segments), route.sticky


def _refusal(name: str, reason: str) -> InternalError:
    return InternalError(
        f"Envoy refuses the new {name}; the old ones keep serving. It says: {reason}",
        where="gateway",
        fix="this is a defect of Tidegate: please report it with this message",
    )
