"""What is known of the servers: which run, how they answer their probes, and so how ready each workload is.

Remembered, and reckoned anew only for the workloads about which something was learnt: a pass costs what changed. Every
change goes through a method here, which notes the workload. Neighbours: fleet.py learns and acts, health.py has one server.
"""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping

from tidegate.engine.health import MOST_DOUBLINGS, Health
from tidegate.rollout.state import Readiness
from tidegate.runtime.interface import Instance


class Servers:
    """The instances of one controller as they were seen last. Called by the loop alone.

    `clock`: seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.instances: dict[str, Instance] = {}
        self.health: dict[str, Health] = {}
        self._by_workload: dict[str, list[Instance]] = {}
        self._wanted: dict[str, int] = {}
        self._trusted: frozenset[str] = frozenset()
        self._failed: dict[str, str] = {}
        self._why: dict[str, str] = {}
        self._was_ready: set[str] = set()
        self._proven: set[str] = set()
        self._taken: dict[str, float] = {}
        self._ages: dict[str, float] = {}
        self._budgets: dict[str, float] = {}
        self._leaving: set[str] = set()
        self._stopping: set[str] = set()
        self._readiness: dict[str, Readiness] = {}
        self._answering: dict[str, int] = {}
        self._stale: set[str] = set()
        self._news: set[str] = set()

    # -- asking ----------------------------------------------------------------------------------------------------

    def news(self) -> frozenset[str]:
        """The workloads about which anything was learnt since the last call: readiness, reason, replicas or addresses."""
        news, self._news = frozenset(self._news), set()
        return news

    def readiness(self) -> Mapping[str, Readiness]:
        """How ready each needed or running workload is; follows what is learnt.

        Once it was ready, one answering replica is enough for it, also after all were lost: half of its servers serve
        users better than none, or than a candidate that would get everything.
        """
        self._settle()
        return self._readiness

    def replicas(self) -> Mapping[str, int]:
        """How many instances of each needed or running workload answer; follows what is learnt."""
        self._settle()
        return self._answering

    def why(self) -> Mapping[str, str]:
        """The last reason why a workload is not ready, by workload; follows what is learnt."""
        return ChainMap(self._failed, self._why)

    def running(self, workload: str) -> int:
        """How many instances of a workload run."""
        return sum(1 for instance in self._by_workload.get(workload, ()) if instance.running)

    def of(self, workload: str) -> tuple[Instance, ...]:
        """The instances of a workload, in order of replica."""
        return tuple(self._by_workload.get(workload, ()))

    def endpoints(self, workload: str) -> tuple[tuple[str, int], ...]:
        """Addresses of the instances of a workload that take requests, in order of replica.

        Those that are ready and needed; else those that are ready; else those that were, or that served when this controller
        came, and still run: a server that is too busy to answer a probe answers some requests, no server answers none.
        """
        running = [
            i for i in self._by_workload.get(workload, ()) if i.running and i.address and i.name not in self._stopping
        ]
        ready = [instance for instance in running if self.ready(instance)]
        staying = [instance for instance in ready if instance.name not in self._leaving]
        were = [one for one in running if self.was_once_ready(one)]
        return tuple(instance.address for instance in staying or ready or were if instance.address)

    def ready(self, instance: Instance) -> bool:
        """Whether it answers its probe. One that nobody knows how to probe is trusted while it runs."""
        if not instance.running or instance.name in self._stopping:
            return False
        return self.health[instance.name].ready or instance.digest in self._trusted

    def was_once_ready(self, instance: Instance) -> bool:
        """Whether a running instance has answered well, or served when this controller came.

        One that was not ready within the longest of its start-up budgets would have been ended by the controller before.
        """
        age, budget = self._ages.get(instance.ref, 0.0), self._budgets.get(instance.digest, math.inf)
        return self.health[instance.name].ever_ready or age > budget * 2**MOST_DOUBLINGS

    def answering(self, workload: str) -> int:
        """How many instances of a workload answer, just now."""
        return sum(1 for instance in self._by_workload.get(workload, ()) if self.ready(instance))

    def was_ready(self, workload: str) -> bool:
        """Whether the workload was ready when that was reckoned last."""
        return workload in self._was_ready

    def stopping(self, name: str) -> bool:
        """Whether an instance is being stopped."""
        return name in self._stopping

    def undecided(self) -> list[str]:
        """Instances that run and whose answer matters, but is not known: none yet, or one bad one by a server that was ready.

        It does not matter where enough others of the workload answer.
        """
        return [
            instance.name
            for instance in self.instances.values()
            if instance.running
            and self.answering(instance.digest) < self._wanted.get(instance.digest, 0)
            and not self._known(instance)
        ]

    def _known(self, instance: Instance) -> bool:
        health = self.health[instance.name]
        return health.answered and (health.settled or instance.digest not in self._was_ready)

    # -- learning --------------------------------------------------------------------------------------------------

    def saw(self, found: Iterable[Instance]) -> list[tuple[Instance | None, Instance | None]]:
        """All that runs now. What is not as it was at the look before: each instance then and now, None where there was none."""
        before, self.instances = self.instances, {instance.name: instance for instance in found}
        if self._taken:
            self._ages = {
                one.ref: self._taken[one.digest] - one.started_at
                for one in self.instances.values()
                if one.running and one.digest in self._taken
            }
            self._taken = {}
        changed: list[tuple[Instance | None, Instance | None]] = []
        for name, now in self.instances.items():
            last = before.get(name)
            if last is now or last == now:
                continue
            changed.append((last, now))
            if last is not None and last.ref != now.ref:
                self._ages.pop(last.ref, None)
            if last is None or last.ref != now.ref or name not in self.health:
                self.health[name] = Health(now.ref, self._clock())
        for name, last in before.items():
            if name not in self.instances:
                changed.append((last, None))
                del self.health[name]
                self._leaving.discard(name)
                self._ages.pop(last.ref, None)
        self._sort(changed)
        return changed

    def _sort(self, changed: list[tuple[Instance | None, Instance | None]]) -> None:
        touched: dict[str, set[str]] = {}
        for one in (one for pair in changed for one in pair if one is not None):
            touched.setdefault(one.digest, set()).add(one.name)
        for workload, names in touched.items():
            names |= {one.name for one in self._by_workload.get(workload, ())}
            present = (self.instances[name] for name in names if name in self.instances)
            mine = sorted((one for one in present if one.digest == workload), key=lambda one: (one.replica, one.name))
            if mine:
                self._by_workload[workload] = mine
            else:
                self._by_workload.pop(workload, None)
            self._learnt(workload)

    def answered(self, instance: Instance, ok: bool, reason: str, calm: float) -> bool:
        """One answer to a probe. True when the instance is ready now and was not, or the other way round."""
        health = self.health[instance.name]
        first = not health.answered
        changed = health.took(ok, reason, self._clock(), calm=calm)
        if changed or first:
            self._learnt(instance.digest)
        return changed

    def doubt(self) -> None:
        """What was seen is old: every server has to be asked anew."""
        for name, health in self.health.items():
            health.doubt(self._clock())
            if not health.ready:
                self._learnt_of(name)

    def take_over(self, workloads: Iterable[str], last_sign: float) -> None:
        """These workloads were ready when the controller before this one ended: one ready replica is enough for them.

        Those of their servers that ran for longer than a start may take by its `last_sign` of life (epoch seconds), and run at
        the first look, have served, whatever they answer to a probe just now.
        """
        for workload in workloads:
            self._taken[workload] = last_sign
            self._was_ready.add(workload)
            self._proven.add(workload)
            self._learnt(workload)

    def want(self, workload: str, replicas: int, budget: float = math.inf) -> None:
        """So many replicas are needed, each ready within `budget` seconds of its start; 0: none any more."""
        if replicas:
            self._wanted[workload], self._budgets[workload] = replicas, budget
        else:
            self._wanted.pop(workload, None)
            self._budgets.pop(workload, None)
        self._learnt(workload)

    def trust(self, workloads: frozenset[str]) -> None:
        """These are needed, and nobody can tell how to probe them."""
        for workload in self._trusted ^ workloads:
            self._learnt(workload)
        self._trusted = workloads

    def leaves(self, name: str, leaving: bool) -> None:
        """Whether an instance is one that nobody needs: it takes requests only while no other of its workload does."""
        if leaving is (name in self._leaving):
            return
        (self._leaving.add if leaving else self._leaving.discard)(name)
        self._learnt_of(name)

    def stops(self, name: str, stopping: bool) -> None:
        """Whether an instance is being stopped."""
        (self._stopping.add if stopping else self._stopping.discard)(name)
        self._learnt_of(name)

    def say(self, workload: str, reason: str, *, failed: bool = False) -> None:
        """Why a workload is not ready. `failed`: and it will not be by waiting."""
        said = [self._why, self._failed] if failed else [self._why]
        if any(one.get(workload) != reason for one in said):
            self._learnt(workload)
        for one in said:
            one[workload] = reason

    def well(self, workload: str) -> None:
        """All its replicas answer: there is nothing to say."""
        if self._why.pop(workload, None) is not None:
            self._learnt(workload)

    def forget(self, workload: str) -> None:
        """Nobody needs the workload: it has no failures to its name."""
        said = self._failed.pop(workload, None), self._why.pop(workload, None)
        if any(reason is not None for reason in said):
            self._learnt(workload)

    def _learnt_of(self, name: str) -> None:
        instance = self.instances.get(name)
        if instance is not None:
            self._learnt(instance.digest)

    def _learnt(self, workload: str) -> None:
        self._stale.add(workload)
        self._news.add(workload)

    # -- reckoning -------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        stale, self._stale = self._stale, set()
        for workload in stale:
            self._reckon(workload)

    def _reckon(self, workload: str) -> None:
        """Doing it twice changes nothing: so it is enough to do it when something was learnt."""
        answering, known = self.answering(workload), workload in self._wanted or workload in self._by_workload
        if known:
            self._answering[workload] = answering
        else:
            self._answering.pop(workload, None)
        if not known and workload not in self._failed:
            if self._readiness.pop(workload, None) is not None:  # else it was taken over, and is yet to be seen
                self._was_ready.discard(workload)
                self._proven.discard(workload)
            return
        if answering >= self._wanted.get(workload, 1) or (answering and workload in self._proven):
            self._was_ready.add(workload)
            self._proven.add(workload)
            self._failed.pop(workload, None)
            self._readiness[workload] = Readiness.READY
            return
        self._was_ready.discard(workload)
        if workload in self._failed:
            self._readiness[workload] = Readiness.FAILED
        else:
            self._readiness[workload] = Readiness.STARTING if self._asked(workload) else Readiness.COLD

    def _asked(self, workload: str) -> bool:
        """Whether a server of it runs and was asked: a start-up budget counts from the first answer, since a busy host, or a

        first start of thousands, asks late. One without an address cannot be asked, and its budget counts all the same.
        """
        running = (one for one in self._by_workload.get(workload, ()) if one.running)
        return any(one.address is None or self.health[one.name].answered for one in running)
