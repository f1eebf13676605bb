"""The workloads: what has to run against what runs. Starts, probes, restarts and stops by jobs; says how ready each is.

Observed state comes from the runtime at each look. Neighbours: workers.py runs the jobs, health.py keeps what the probes
said, loop.py asks for readiness and endpoints, rollout/ decides what has to run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidegate.engine.health import Crashes, Health
from tidegate.engine.workers import Done, Workers
from tidegate.rollout.state import Readiness
from tidegate.runtime.interface import Instance, Runtime, Workload
from tidegate.runtime.probe import probe
from tidegate.spec.errors import NeedsPerson, TidegateError
from tidegate.spec.units import format_duration
from tidegate.spec.version import Runtime as RuntimeSpec

log = logging.getLogger(__name__)

PROBE_TIMEOUT = 2.0
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
    """All instances of this controller. Called by the loop alone; its jobs run in the workers."""

    def __init__(self, runtime: Runtime, workers: Workers, now: Callable[[], float]) -> None:
        self._runtime = runtime
        self._workers = workers
        self._now = now
        self._instances: dict[str, Instance] = {}
        self._needs: dict[str, Need] = {}
        self._health: dict[str, Health] = {}
        self._crashes: dict[str, Crashes] = {}
        self._failed: dict[str, str] = {}
        self._why: dict[str, str] = {}
        self._was_ready: set[str] = set()
        self._unneeded_since: dict[str, float] = {}
        self.observed = False

    # -- looking ---------------------------------------------------------------------------------------------------

    def observe(self) -> None:
        """Look at the runtime. Raises RetryLater when it does not answer: then what was seen last still stands."""
        before = self._instances
        self._instances = {instance.name: instance for instance in self._runtime.observe()}
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
        """Addresses of the ready instances of a workload, in order of replica."""
        return tuple(
            instance.address
            for instance in sorted(self._instances.values(), key=lambda instance: instance.replica)
            if instance.digest == digest and instance.address and self._ready(instance)
        )

    def readiness(self) -> dict[str, Readiness]:
        """How ready each needed or running workload is. Once ready, it stays so while one replica answers."""
        answer = {}
        for digest in {*self._needs, *(instance.digest for instance in self._instances.values())}:
            ready = len(self.endpoints(digest))
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
            elif any(instance.digest == digest and instance.running for instance in self._instances.values()):
                answer[digest] = Readiness.STARTING
            else:
                answer[digest] = Readiness.COLD
        return answer

    def why(self) -> dict[str, str]:
        """The last reason why a workload is not ready, by workload."""
        return {**self._why, **self._failed}

    def running(self, digest: str) -> int:
        """How many instances of a workload run."""
        return sum(1 for instance in self._instances.values() if instance.digest == digest and instance.running)

    def take_over(self, digests: Iterable[str]) -> None:
        """These workloads were ready when the controller before this one ended: one ready replica is enough for them."""
        self._was_ready.update(digests)

    def undecided(self) -> list[str]:
        """Needed instances that run and that nobody has asked yet, or not answered yet: their readiness is not known."""
        return [
            instance.name
            for instance in self._instances.values()
            if instance.running and instance.digest in self._needs and not self._health[instance.name].answered
        ]

    def instances(self) -> tuple[Instance, ...]:
        """What was seen at the last look."""
        return tuple(self._instances.values())

    def _ready(self, instance: Instance) -> bool:
        return instance.running and self._health[instance.name].ready

    # -- acting ----------------------------------------------------------------------------------------------------

    def reconcile(self, needs: Mapping[str, Need], known: set[str], drain: float) -> None:
        """Start what is needed and stop what is not, `drain` seconds after it was last needed.

        `known`: the models that have a route here; an instance of any other model is left alone.
        """
        now = self._now()
        for digest in [digest for digest in self._failed if digest not in needs]:
            del self._failed[digest]
        for digest in [digest for digest in self._why if digest not in needs]:
            del self._why[digest]
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
            if name in wanted or instance.model not in known:
                continue
            since = self._unneeded_since.setdefault(name, now)
            if now - since >= drain:
                self._workers.submit(("stop", name), lambda name=name: self._runtime.stop(name, grace=10.0))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
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
            case ("stop", str() as name):
                if done.error is not None:
                    log.warning("%s was not stopped: %s", name, done.error)
            case ("probe", str() as name, str() as ref):
                self._probed(name, ref, done)
            case _:
                return False
        return True

    def _start(self, name: str, need: Need, replica: int, ended: Instance | None) -> None:
        now = self._now()
        crashes = self._crashes.setdefault(name, Crashes())
        if ended is not None and crashes.saw(ended.ref, now):
            reason = self._why[need.digest] = self._ending(ended)
            log.warning("%s %s", name, reason)
            if need.digest not in self._was_ready and crashes.count >= GIVE_UP_AFTER_EXITS:
                self._failed[need.digest] = f"{reason}; {crashes.count} times in a row"
        if now < crashes.not_before:
            return
        self._workers.submit(("start", name, need.digest), lambda: self._bring_up(need, replica))

    def _bring_up(self, need: Need, replica: int) -> None:
        self._runtime.start(need.workload(replica, need.fetch()))

    def _look_after(self, instance: Instance, need: Need) -> None:
        now = self._now()
        health = self._health[instance.name]
        if health.ready and now - instance.started_at > 60.0:
            self._crashes.pop(instance.name, None)
        asked_since = max(instance.started_at, health.seen_at)  # it may have been ready before this controller began
        if not health.ever_ready and now - asked_since > need.spec.startup_timeout:
            budget = format_duration(need.spec.startup_timeout)
            reason = f"not ready within its start-up budget of {budget}: GET {need.spec.ready}: {health.reason or 'no answer'}"
            self._why[need.digest] = self._failed[need.digest] = reason
            self._workers.submit(
                ("stop", instance.name), lambda: self._runtime.stop(instance.name, grace=2.0)
            )  # it starts afresh, for as long as it is needed
            return
        if instance.address and health.due(now):
            address, path = instance.address, need.spec.ready
            self._workers.submit(
                ("probe", instance.name, instance.ref), lambda: probe(address, path, timeout=PROBE_TIMEOUT)
            )

    def _probed(self, name: str, ref: str, done: Done) -> None:
        health = self._health.get(name)
        instance = self._instances.get(name)
        if health is None or instance is None or health.ref != ref:
            return
        ok, reason = done.value if done.error is None else (False, str(done.error))
        if health.took(ok, reason, self._now()):
            log.info("%s is %s: %s", name, "ready" if health.ready else "not ready", reason)
        if not health.ready:
            self._why[instance.digest] = f"GET {self._path(instance.digest)}: {reason}"
        elif len(self.endpoints(instance.digest)) >= (
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
