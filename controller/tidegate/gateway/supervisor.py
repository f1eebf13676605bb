"""The gateway as the engine sees it: keep Envoy running, make a `Table` true, move weights in milliseconds.

Level-triggered: every call looks at what is and does the next thing; nothing waits for long. lifecycle.py starts Envoy,
applying.py brings it to a table, live.py learns what it took.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tidegate.gateway import names
from tidegate.gateway.applying import Applied, Applying
from tidegate.gateway.lifecycle import Lifecycle
from tidegate.gateway.live import Live
from tidegate.gateway.model import Route, Table
from tidegate.spec.controller import GatewaySettings
from tidegate.spec.errors import RetryLater

_ENDED = "^http[.]tidegate[.]downstream_rq_(total|active)$"


@dataclass(frozen=True, slots=True)
class Ended:
    """How many requests an Envoy has ended since its start: as many lines it owes the record. `pid` and `started` name it.

    `epoch` above 0: it relieved another one, which has written all of its lines.
    """

    pid: int
    started: int
    epoch: int
    requests: int


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
        self._applying: Applying | None = None

    @property
    def record(self) -> Path:
        """The prediction record; `RecordReader` reads it."""
        return self._folder.record

    @property
    def answers(self) -> Path:
        """The answers of the routes that mirror, a JSON line each."""
        return self._folder.answers

    @property
    def log(self) -> Path:
        """What Envoy says."""
        return self._folder.log

    def start(self) -> None:
        """Make Envoy run: adopt it, start it, or hand over to a new one when its program or fixed configuration has changed.

        While the one before still finishes requests (up to 90 s) a second change waits: `renew` makes it.

        Raises NeedsPerson (address in use, no such program, a configuration that Envoy refuses) or RetryLater (it ends again
        and again, or needs longer to start).
        """
        self._lifecycle.start()

    def renew(self, now: float) -> None:
        """Take over callers' files that changed: certificates, keys, limits. `now`: epoch seconds. Costs microseconds.

        Also new settings that had to wait for an Envoy to finish. Raises NeedsPerson for a file that is wrong, or a certificate
        that ends soon; what it had goes on serving.
        """
        self._lifecycle.follow()
        self._lifecycle.renewal.look(now)

    @property
    def certificate_ends(self) -> float | None:
        """When the first of the certificates for callers ends (epoch seconds); None without TLS."""
        return min(self._lifecycle.renewal.ends.values(), default=None)

    def alive(self) -> bool:
        """Whether the process runs. Costs microseconds."""
        return self._lifecycle.running() is not None

    def ready(self) -> bool:
        """Whether Envoy takes requests."""
        return self.alive() and self._admin.ready()

    def stop(self, grace: float = 5.0) -> None:
        """End Envoy, with up to `grace` seconds for the requests under way. A controller that ends does not do this."""
        self._lifecycle.stop(grace)

    def _need_envoy(self) -> Applying:
        running = self._lifecycle.running()
        if running is None:
            raise RetryLater("Envoy does not run", where="gateway", fix="start it with `start()`", delay=0.1)
        if self._applying is None:
            live = Live(
                self._folder,
                self._admin,
                lambda: self._lifecycle.running() is not None,
                self._lifecycle.complaint,
                self._patience,
                self._clock,
                self._sleep,
            )
            self._applying = Applying(live, self._folder, self._lifecycle.trial, self._drain, self._clock)
        if running.pid != self._pid:
            self._applying.doubt()
            self._pid = running.pid
        return self._applying

    def apply(self, table: Table, changed: frozenset[str] | None = None) -> Applied:
        """Make `table` true, in the order in which no request is lost: weights, clusters, routes, then what is no longer needed.

        `changed`: the models whose routes or upstreams may differ from the last call; None: look at all. What Envoy would not
        take is left out and told in `refused`. Quick, and to be called again until `done`; also later, since clusters drain.
        Raises RetryLater when Envoy does not run, InternalError with Envoy's own words when it refuses a file and no route of
        the table is to blame: the old state keeps serving.
        """
        return self._need_envoy().apply(table, changed)

    def set_weights(self, routes: Iterable[Route]) -> float:
        """The fast path: give the arms of these routes the weights that they carry here, now. Seconds until Envoy confirmed.

        Only arms that are live already; arms left out get nothing. `apply` with the same routes keeps it so. Raises RetryLater
        when an arm is not live yet, or not with its servers' present addresses, or when Envoy does not confirm within a second:
        then the weights are on disk all the same.
        """
        return self._need_envoy().set_weights(routes)

    def serves(self, route: Route) -> bool:
        """Whether the arms of this route have the weights that they carry here. Right after a start, those left by the last one.

        Raises RetryLater when Envoy does not run.
        """
        return self._need_envoy().serves(route)

    def active(self) -> dict[str, int]:
        """Requests under way at the present instances, by upstream name as Envoy knows it (`names.cluster_name` without the
        release)."""
        found: dict[str, int] = {}
        for one in self._admin.get("/clusters?format=json").get("cluster_statuses", ()):
            upstream, *rest = one["name"].split("~")
            if len(rest) == 1 or rest[-1] == names.SHADOW:  # the others lead to an internal listener
                stats = (stat for host in one.get("host_statuses", ()) for stat in host["stats"])
                under_way = sum(int(stat.get("value", 0)) for stat in stats if stat["name"] == "rq_active")
                found[upstream] = found.get(upstream, 0) + under_way
        return found

    def ended(self) -> Ended:
        """Envoy's own count of what it answered. Raises RetryLater when it does not run, or does not say."""
        running = self._lifecycle.running()
        if running is None:
            raise RetryLater("Envoy does not run", where="gateway", fix="start it with `start()`", delay=0.1)
        stats = self._admin.stats(_ENDED)
        requests = int(stats.get("http_downstream_rq_total", 0)) - int(stats.get("http_downstream_rq_active", 0))
        return Ended(running.pid, running.started, running.epoch, requests)

    def told_to_end(self, pid: int) -> bool:
        """Whether the log says that this Envoy was asked to end: then it has written all of its lines."""
        return self._lifecycle.told_to_end(pid)

    def rotate_record(self) -> Path | None:
        """Begin a new record file; the old one keeps its lines under the returned name. Nothing is lost to a reader."""
        return self._rotate(self.record)

    def rotate_answers(self) -> Path | None:
        """The same for the answers of the routes that mirror."""
        return self._rotate(self.answers)

    def _rotate(self, path: Path) -> Path | None:
        self._need_envoy()
        rotated = self._folder.rotate(path)
        self._admin.call("POST", "/reopen_logs")
        return rotated
