"""The workloads: what has to run against what runs. Starts, probes, restarts and stops by jobs; says how ready each is.

Observed state comes from the runtime at each look. Neighbours: workers.py runs the jobs, health.py keeps what the probes
said, loop.py asks for readiness and endpoints, rollout/ decides what has to run.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidegate.engine.health import Crashes, Health
from tidegate.engine.workers import Done, Workers
from tidegate.rollout.state import Readiness
from tidegate.runtime.interface import Instance, Runtime, Workload
from tidegate.spec.errors import NeedsPerson, TidegateError
from tidegate.spec.units import format_duration
from tidegate.spec.version import Runtime as RuntimeSpec

log = logging.getLogger(__name__)

OBSERVE = ("observe",)
Probe = Callable[[tuple[str, int], str, float], tuple[bool, str]]
"""(address, path, seconds of patience) to whether it is ready, and the reason in words."""
PROBE_TIMEOUT = 2.0
CALM = 5.0
"""Seconds between two probes of an instance that is ready."""
PROBES_A_SECOND = 100.0
"""What a large fleet's ready instances are probed with at most, all together: an end is told by the runtime anyway."""
GIVE_UP_AFTER_EXITS = 3


@dataclass(frozen=True, slots=True)
class Need:
    """One workload that has to run, `replicas` times. `fetch` brings the verified artifact's path, None without one."""

    model: str
    version: str
    digest: str
    spec: RuntimeSpec
    replicas: int
    fetch: Callable[[], Path | None]

    def workload(self, replica: int, artifact: Path | None) -> Workload:
        """One replica of it, ready to start."""
        return Workload(self.model, self.version, self.digest, replica, self.spec, artifact)

    def name(self, replica: int) -> str:
        """The instance's name, known before its artifact is."""
        return self.workload(replica, None).name


class Fleet:
    """All instances of this controller. Called by the loop alone; its jobs run in the workers.

    `clock`: seconds that only go forward, from anywhere: pauses and budgets must not depend on the host's time of day.
    """

    def __init__(self, runtime: Runtime, workers: Workers, clock: Callable[[], float], probe: Probe) -> None:
        self._runtime = runtime
        self._probe = probe
        self._workers = workers
        self._now = clock
        self._instances: dict[str, Instance] = {}
        self._by_digest: dict[str, list[Instance]] = {}
        self._unknown: frozenset[str] = frozenset()
        self._needs: dict[str, Need] = {}
        self._health: dict[str, Health] = {}
        self._crashes: dict[str, Crashes] = {}
        self._failed: dict[str, str] = {}
        self._why: dict[str, str] = {}
        self._was_ready: set[str] = set()
        self._unneeded_since: dict[str, float] = {}
        self._stopping: set[str] = set()
        self.observed = False

    # -- looking ---------------------------------------------------------------------------------------------------

    def look(self) -> bool:
        """Have a job look at the runtime, however long that takes to answer. False while one looks already."""
        return self._workers.submit(OBSERVE, self._runtime.observe)

    def _saw(self, found: Iterable[Instance]) -> None:
        before = self._instances
        self._instances = {instance.name: instance for instance in found}
        self._by_digest = {}
        for instance in sorted(self._instances.values(), key=lambda instance: instance.replica):
            self._by_digest.setdefault(instance.digest, []).append(instance)
        self.observed = True
        for last in before.values():
            self._note_end(last, self._instances.get(last.name))
        for name in [name for name in self._health if name not in self._instances]:
            del self._health[name]
        for instance in self._instances.values():
            health = self._health.get(instance.name)
            if health is None or health.ref != instance.ref:
                self._health[instance.name] = Health(instance.ref, self._now())

    def _note_end(self, last: Instance, now: Instance | None) -> None:
        """Say at once why a needed instance that ran does so no more: readiness is told before it is started again."""
        if last.running and last.digest in self._needs and (now is None or not now.running):
            self._why[last.digest] = f"{last.name} is gone" if now is None else self._ending(now)

    def endpoints(self, digest: str) -> tuple[tuple[str, int], ...]:
        """Addresses of the instances of a workload that take requests, in order of replica.

        Those that are ready and needed; else those that are ready; else those that were and still run: a server that is
        too busy to answer a probe answers some requests, no server answers none.
        """
        running = [
            i for i in self._by_digest.get(digest, ()) if i.running and i.address and i.name not in self._stopping
        ]
        ready = [instance for instance in running if self._ready(instance)]
        staying = [instance for instance in ready if instance.name not in self._unneeded_since]
        were = [instance for instance in running if self._health[instance.name].ever_ready]
        return tuple(instance.address for instance in staying or ready or were if instance.address)

    def readiness(self) -> dict[str, Readiness]:
        """How ready each needed or running workload is. Once ready, it stays so while one replica answers."""
        answer = {}
        for digest in {*self._needs, *self._failed, *self._by_digest}:
            ready = self._answering(digest)
            need = self._needs.get(digest)
            wanted = need.replicas if need else 1
            if ready >= wanted or (ready and digest in self._was_ready):
                self._was_ready.add(digest)
                self._failed.pop(digest, None)
                answer[digest] = Readiness.READY
                continue
            self._was_ready.discard(digest)
            if digest in self._failed:
                answer[digest] = Readiness.FAILED
            elif self.running(digest):
                answer[digest] = Readiness.STARTING
            else:
                answer[digest] = Readiness.COLD
        return answer

    def why(self) -> dict[str, str]:
        """The last reason why a workload is not ready, by workload."""
        return {**self._why, **self._failed}

    def replicas(self) -> dict[str, int]:
        """How many instances of each needed or running workload answer."""
        return {digest: self._answering(digest) for digest in {*self._needs, *self._by_digest}}

    def running(self, digest: str) -> int:
        """How many instances of a workload run."""
        return sum(1 for instance in self._by_digest.get(digest, ()) if instance.running)

    def take_over(self, digests: Iterable[str]) -> None:
        """These workloads were ready when the controller before this one ended: one ready replica is enough for them."""
        self._was_ready.update(digests)

    def doubt(self) -> None:
        """What was seen is old: look again, and ask every server, before anything is decided by it."""
        self.observed = False
        for health in self._health.values():
            health.doubt(self._now())

    def undecided(self) -> list[str]:
        """Needed instances that run and whose readiness is not known: not answered yet, or badly once by one that was ready."""
        return [
            instance.name
            for instance in self._instances.values()
            if instance.running and instance.digest in self._needs and not self._known(instance)
        ]

    def _known(self, instance: Instance) -> bool:
        health = self._health[instance.name]
        return health.answered and (health.settled or instance.digest not in self._was_ready)

    def instances(self) -> tuple[Instance, ...]:
        """What was seen at the last look."""
        return tuple(self._instances.values())

    def _answering(self, digest: str) -> int:
        return sum(1 for instance in self._by_digest.get(digest, ()) if self._ready(instance))

    def _ready(self, instance: Instance) -> bool:
        """Whether it answers its probe. One that nobody knows how to probe is trusted while it runs."""
        if not instance.running or instance.name in self._stopping:
            return False
        return self._health[instance.name].ready or instance.digest in self._unknown

    # -- acting ----------------------------------------------------------------------------------------------------

    def reconcile(
        self,
        needs: Mapping[str, Need],
        known: set[str],
        drain: float,
        unknown: Mapping[str, TidegateError] | None = None,
        may_stop: bool = True,
    ) -> None:
        """Start what is needed and stop what is not, `drain` seconds after it was last needed.

        `known`: the models that have a route here; an instance of any other model is left alone. `unknown`: workloads
        that are needed too, and why nobody can tell how to run them: what runs of them is left alone, and one that
        needs a person has failed. `may_stop` False: the gateway may still send requests to what is not needed.
        """
        now = self._now()
        unread = {digest: error for digest, error in (unknown or {}).items() if digest not in needs}
        self._unknown = frozenset(unread)
        for digest in [digest for digest in self._failed if digest not in needs and digest not in unread]:
            del self._failed[digest]
        for digest in [digest for digest in self._why if digest not in needs and digest not in unread]:
            del self._why[digest]
        for digest, error in unread.items():
            self._why[digest] = str(error)
            if isinstance(error, NeedsPerson):
                self._failed[digest] = str(error)
        self._changed(needs)
        self._needs = dict(needs)
        wanted = {need.name(replica): (need, replica) for need in needs.values() for replica in range(need.replicas)}
        for name, (need, replica) in wanted.items():
            self._unneeded_since.pop(name, None)
            instance = self._instances.get(name)
            if instance is None or not instance.running:
                self._start(name, need, replica, instance)
            else:
                self._look_after(instance, need)
        for name, instance in self._instances.items():
            if name in wanted or instance.model not in known or instance.digest in unread:
                continue
            since = self._unneeded_since.get(name)
            if since is None or not self._replaced(instance, needs):
                self._unneeded_since[name] = math.inf  # it answers until those that stay can
            elif may_stop and since == math.inf:
                self._unneeded_since[name] = now  # the gateway was told after it was marked: its time begins
            elif may_stop and now - since >= drain:
                self._stop(name, grace=10.0)
        for name in [name for name in self._unneeded_since if name not in self._instances]:
            del self._unneeded_since[name]
        for name in [name for name in self._crashes if name not in wanted]:
            del self._crashes[name]

    def took(self, done: Done) -> bool:
        """Take in a job that ended. True when it was one of the fleet's."""
        match done.key:
            case ("start", str() as name, str() as digest):
                if done.error is not None:
                    self._why[digest] = str(done.error)
                    if isinstance(done.error, NeedsPerson):
                        self._failed[digest] = str(done.error)
                    log.warning("%s did not start: %s", name, done.error)
            case ("observe",):
                if done.error is None:
                    self._saw(done.value)
            case ("stop", str() as name):
                self._stopping.discard(name)
                if done.error is not None:
                    log.warning("%s was not stopped: %s", name, done.error)
            case ("probe", str() as name, str() as ref):
                self._probed(name, ref, done)
            case _:
                return False
        return True

    def _changed(self, needs: Mapping[str, Need]) -> None:
        """A workload that is needed again answers with all that runs of it; one that is no more has no failures to its name."""
        for digest in needs.keys() - self._needs.keys():
            for instance in self._by_digest.get(digest, ()):
                self._unneeded_since.pop(instance.name, None)
        for digest in self._needs.keys() - needs.keys():
            need = self._needs[digest]
            for replica in range(need.replicas):
                self._workers.forget(("start", need.name(replica), digest))

    def _replaced(self, instance: Instance, needs: Mapping[str, Need]) -> bool:
        """Whether the replicas that stay of a workload are all ready, so that one too many may go."""
        need = needs.get(instance.digest)
        if need is None:
            return True
        staying = (self._instances.get(need.name(replica)) for replica in range(need.replicas))
        return all(one is not None and self._ready(one) for one in staying)

    def _stop(self, name: str, grace: float) -> None:
        if self._workers.submit(("stop", name), lambda: self._runtime.stop(name, grace), slow=True):
            self._stopping.add(name)

    def _start(self, name: str, need: Need, replica: int, ended: Instance | None) -> None:
        now = self._now()
        crashes = self._crashes.setdefault(name, Crashes())
        if ended is not None and ended.begun and crashes.saw(ended.ref, now):
            reason = self._why[need.digest] = self._ending(ended)
            log.warning("%s %s", name, reason)
            if need.digest not in self._was_ready and crashes.count >= GIVE_UP_AFTER_EXITS:
                self._failed[need.digest] = f"{reason}; {crashes.count} times in a row"
        if now < crashes.not_before:
            return
        self._workers.submit(("start", name, need.digest), lambda: self._bring_up(need, replica), slow=True)

    def _bring_up(self, need: Need, replica: int) -> None:
        self._runtime.start(need.workload(replica, need.fetch()))

    def _look_after(self, instance: Instance, need: Need) -> None:
        now = self._now()
        health = self._health[instance.name]
        crashes = self._crashes.setdefault(instance.name, Crashes())
        if health.ready and now - health.seen_at > 60.0:
            self._crashes.pop(instance.name, None)
        patience = crashes.patience(need.spec.startup_timeout)
        # An answer that is late, because this host is busy, says nothing of when the server was ready.
        if not health.ever_ready and health.settled and health.asked_at - health.seen_at > patience:
            crashes.overdue += instance.name not in self._stopping
            budget = format_duration(patience)
            reason = f"not ready within its start-up budget of {budget}: GET {need.spec.ready}: {health.reason or 'no answer'}"
            self._why[need.digest] = self._failed[need.digest] = reason
            self._stop(instance.name, grace=2.0)  # it starts afresh, for as long as it is needed
            return
        if instance.address and health.due(now):
            address, path, ready = instance.address, need.spec.ready, health.ready
            sent = self._workers.submit(
                ("probe", instance.name, instance.ref),
                lambda: self._probe(address, path, PROBE_TIMEOUT),
                light=True,
                news=lambda answer: answer[0] != ready,
            )
            if sent:
                health.asked_at = now

    def _probed(self, name: str, ref: str, done: Done) -> None:
        health = self._health.get(name)
        instance = self._instances.get(name)
        if health is None or instance is None or health.ref != ref:
            return
        ok, reason = done.value if done.error is None else (False, str(done.error))
        if health.took(ok, reason, self._now(), calm=max(CALM, len(self._instances) / PROBES_A_SECOND)):
            log.info("%s is %s: %s", name, "ready" if health.ready else "not ready", reason)
        if not health.ready:
            self._why[instance.digest] = f"GET {self._path(instance.digest)}: {reason}"
        elif self._answering(instance.digest) >= (
            self._needs[instance.digest].replicas if instance.digest in self._needs else 1
        ):
            self._why.pop(instance.digest, None)

    def _path(self, digest: str) -> str:
        need = self._needs.get(digest)
        return need.spec.ready if need else "/"

    def _ending(self, instance: Instance) -> str:
        """How an instance ended, with its last line where that can still be read."""
        reason = f"ended with exit code {instance.exit_code}"
        try:
            lines = [line.strip() for line in self._runtime.logs(instance.name, tail=5) if line.strip()]
        except TidegateError as error:  # removed in between: its exit code is what is left
            log.debug("%s: no last line: %s", instance.name, error)
            lines = []
        return f"{reason}, its last line: {lines[-1][:200]}" if lines else reason
