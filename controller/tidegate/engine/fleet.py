"""The workloads: what has to run against what runs. Starts, probes, restarts and stops by jobs.

A pass looks at what does not run or answer as it should, at what nobody needs, and at whose probe is due; not at the rest.
Neighbours: servers.py has what is known of the servers, workers.py runs the jobs, rollout/ decides what has to run.
"""

from __future__ import annotations

import logging
import math
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping

from tidegate.engine.alarms import Alarms
from tidegate.engine.health import Crashes
from tidegate.engine.need import Need, Probe, Question
from tidegate.engine.servers import Servers
from tidegate.engine.workers import Done, Workers
from tidegate.rollout.state import Readiness
from tidegate.runtime.interface import Instance, Runtime, TellsTrouble
from tidegate.spec.errors import NeedsPerson, TidegateError
from tidegate.spec.units import format_duration

log = logging.getLogger(__name__)

OBSERVE = ("observe",)
CALM = 5.0
"""Seconds between two probes of an instance that is ready."""
CALM_PROVIDER = 30.0
"""The same for a provider's API: what a handshake tells is little, and it is not our machine."""
PROBES_A_SECOND = 100.0
"""What a large fleet's ready instances are probed with at most, all together: an end is told by the runtime anyway."""
GIVE_UP_AFTER_EXITS = 3
FORGIVEN = 60.0
"""Seconds of running and answering after which former ends of an instance count no more."""


class Fleet:
    """All instances of this controller. Called by the loop alone; its jobs run in the workers.

    `clock`: seconds that only go forward, from anywhere: pauses and budgets must not depend on the host's time of day.
    """

    def __init__(self, runtime: Runtime, workers: Workers, clock: Callable[[], float], probe: Probe) -> None:
        self._runtime = runtime
        self._probe = probe
        self._workers = workers
        self._now = clock
        self.servers = Servers(clock)
        self.observed = False
        self._doubts = 0
        self._needs: dict[str, Need] = {}
        self._known: frozenset[str] = frozenset()
        self._unread: Mapping[str, TidegateError] = {}
        self._wanted: dict[str, tuple[Need, int]] = {}
        self._crashes: dict[str, Crashes] = {}
        self._unneeded_since: dict[str, float] = {}
        # In order, so that a story is told the same way twice: wanted instances that are not known to run and answer, those
        # that nobody wants, and when the others have to be asked again.
        self._restless: dict[str, None] = {}
        self._surplus: dict[str, None] = {}
        self._calm = Alarms()

    # -- looking ---------------------------------------------------------------------------------------------------

    def look(self) -> bool:
        """Have a job look at the runtime, however long that takes to answer. False while one looks already."""
        doubts = self._doubts
        return self._workers.submit(OBSERVE, lambda: (doubts, self._runtime.observe()))

    @property
    def trouble(self) -> TidegateError | None:
        """What the last look found wrong with single instances, while it told of all others."""
        return self._runtime.trouble if isinstance(self._runtime, TellsTrouble) else None

    def _saw(self, doubts: int, found: Iterable[Instance]) -> None:
        """`doubts`: how often what was seen had become old when this look was asked for; an older one is no look since."""
        self.observed = self.observed or doubts == self._doubts
        for last, now in self.servers.saw(found):
            if last is not None:
                self._note_end(last, now)
            if now is None and last is not None:
                self._unneeded_since.pop(last.name, None)
            self._place((now or last).name)  # type: ignore[union-attr]  # one of the two is always there

    def _note_end(self, last: Instance, now: Instance | None) -> None:
        """Say at once why a needed instance that ran does so no more: readiness is told before it is started again."""
        if last.running and last.digest in self._needs and (now is None or not now.running):
            self.servers.say(last.digest, f"{last.name} is gone" if now is None else self._ending(now))

    def endpoints(self, workload: str) -> tuple[tuple[str, int], ...]:
        """Addresses of a workload's instances that take requests (servers.py)."""
        return self.servers.endpoints(workload)

    def readiness(self) -> Mapping[str, Readiness]:
        """How ready each needed or running workload is (servers.py)."""
        return self.servers.readiness()

    def running(self, workload: str) -> int:
        """How many instances of a workload run."""
        return self.servers.running(workload)

    def instances(self) -> tuple[Instance, ...]:
        """What was seen at the last look."""
        return tuple(self.servers.instances.values())

    def take_over(self, workloads: Iterable[str], last_sign: float) -> None:
        """These workloads were ready when the controller before this one ended (servers.py)."""
        self.servers.take_over(workloads, last_sign)

    def doubt(self) -> None:
        """What was seen is old: look again, and ask every server, before anything is decided by it."""
        self.observed = False
        self._doubts += 1
        self.servers.doubt()
        self._restless |= dict.fromkeys(self._wanted)

    def undecided(self) -> list[str]:
        """Needed instances that run and whose readiness is not known yet."""
        return self.servers.undecided()

    # -- acting ----------------------------------------------------------------------------------------------------

    def reconcile(
        self,
        needs: Mapping[str, Need],
        known: Collection[str],
        drain: float,
        unknown: Mapping[str, TidegateError] | None = None,
        may_stop: bool = True,
        changed: Collection[str] | None = None,
    ) -> None:
        """Start what is needed and stop what is not, `drain` seconds after it was last needed.

        `known`: the models that have a route here; an instance of any other model is left alone. `unknown`: workloads
        that are needed too, and why nobody can tell how to run them: what runs of them is left alone, and one that
        needs a person has failed. `may_stop` False: the gateway may still send requests to what is not needed. `changed`:
        the workloads whose needs differ from those of the last call, in order; None: look at all.
        """
        if changed is None:
            changed = [one for one in {**self._needs, **needs} if needs.get(one) is not self._needs.get(one)]
        self._take_unread({one: error for one, error in (unknown or {}).items() if one not in needs}, needs)
        for workload in changed:
            self._take(workload, needs.get(workload))
        if known is not self._known and known != self._known:
            self._known = frozenset(known)
            for name in self.servers.instances:
                self._place(name)
        self._restless |= dict.fromkeys(self._calm.due(self._now()))
        for name in list(self._restless):
            if name in self._wanted and self._look_after(name, *self._wanted[name]):
                continue
            del self._restless[name]
        for name in list(self._surplus):
            self._let_go(self.servers.instances[name], drain, may_stop)

    def took(self, done: Done) -> bool:
        """Take in a job that ended. True when it was one of the fleet's."""
        match done.key:
            case ("start", str() as name, str() as digest):
                if done.error is not None:
                    self._say(digest, str(done.error), failed=isinstance(done.error, NeedsPerson))
                    log.warning("%s did not start: %s", name, done.error)
            case ("observe",):
                if done.error is None:
                    self._saw(*done.value)
            case ("stop", str() as name):
                self.servers.stops(name, False)
                if done.error is not None:
                    log.warning("%s was not stopped: %s", name, done.error)
            case ("probe", str() as name, str() as ref):
                self._probed(name, ref, done)
            case _:
                return False
        return True

    def _take_unread(self, unread: Mapping[str, TidegateError], needs: Mapping[str, Need]) -> None:
        """What nobody can tell how to run: said again each time, since the reason may be another."""
        before, self._unread = self._unread, unread
        self.servers.trust(frozenset(unread))
        for workload, error in unread.items():
            self.servers.say(workload, str(error), failed=isinstance(error, NeedsPerson))
        for workload in before.keys() ^ unread.keys():
            if workload not in unread and workload not in needs:
                self.servers.forget(workload)
            for instance in self.servers.of(workload):
                self._place(instance.name)

    def _take(self, workload: str, need: Need | None) -> None:
        """Another need of a workload, or none any more.

        One that is needed again answers with all that runs of it; one that is no more has no failures to its name.
        """
        before = self._needs.pop(workload, None)
        if before is not None:
            for name in before.names():
                del self._wanted[name]
                if need is None:
                    self._workers.forget(("start", name, workload))
        if need is not None:
            self._needs[workload] = need
            self._wanted |= {name: (need, replica) for replica, name in enumerate(need.names())}
        elif workload not in self._unread:
            self.servers.forget(workload)
        self.servers.want(workload, *((need.replicas, need.spec.startup_timeout) if need is not None else (0,)))
        mine = [instance.name for instance in self.servers.of(workload)]
        if before is None:
            for name in mine:
                self._unmark(name)
        for name in dict.fromkeys([*(before.names() if before else ()), *(need.names() if need else ()), *mine]):
            if name not in self._wanted:
                self._crashes.pop(name, None)
            self._place(name)

    def _place(self, name: str) -> None:
        """An instance is looked at as one that is wanted, as one too many, or not at all."""
        self._surplus.pop(name, None)
        if name in self._wanted:
            self._unmark(name)
            self._restless[name] = None
            return
        self._restless.pop(name, None)
        instance = self.servers.instances.get(name)
        if instance is not None and instance.model in self._known and instance.digest not in self._unread:
            self._surplus[name] = None

    def _unmark(self, name: str) -> None:
        self._unneeded_since.pop(name, None)
        self.servers.leaves(name, False)

    def _let_go(self, instance: Instance, drain: float, may_stop: bool) -> None:
        """Stop an instance that nobody needs, once nothing goes there any more."""
        name, now = instance.name, self._now()
        since = self._unneeded_since.get(name)
        if since is None or not self._replaced(instance):
            self._unneeded_since[name] = math.inf  # it answers until those that stay can, if it does
            self.servers.leaves(name, True)
            need = self._needs.get(instance.digest)
            if need is not None and instance.running:
                self._ask(instance, need)
        elif may_stop and since == math.inf:
            self._unneeded_since[name] = now  # the gateway was told after it was marked: its time begins
        elif may_stop and now - since >= drain:
            self._stop(name, grace=10.0)

    def _replaced(self, instance: Instance) -> bool:
        """Whether the replicas that stay of a workload are all ready, so that one too many may go."""
        need = self._needs.get(instance.digest)
        if need is None:
            return True
        staying = (self.servers.instances.get(name) for name in need.names())
        return all(one is not None and self.servers.ready(one) for one in staying)

    def _stop(self, name: str, grace: float, unless: Question | None = None) -> None:
        """`unless`: asked once more right before; a good answer, and it stays."""

        def stop() -> None:
            if unless is not None and _says_yes(unless):
                log.info("%s answers by now, and stays", name)
            else:
                self._runtime.stop(name, grace)

        if self._workers.submit(("stop", name), stop, slow=True):
            self.servers.stops(name, True)

    def _look_after(self, name: str, need: Need, replica: int) -> bool:
        """Start, probe or give up a wanted instance. True while it has to be looked at in the next pass too."""
        instance = self.servers.instances.get(name)
        if instance is None or not instance.running:
            self._start(name, need, replica, instance)
            return True
        health = self.servers.health[name]
        self._forgive(name)
        crashes = self._crashes.get(name, Crashes())
        patience = crashes.patience(need.spec.startup_timeout)
        # An answer that is late, because this host is busy, says nothing of when the server was ready.
        late = health.settled and health.asked_at - health.seen_at > patience
        if late and not self.servers.was_once_ready(instance):
            crashes.overdue += not self.servers.stopping(name)
            self._crashes[name] = crashes
            budget = format_duration(patience)
            reason = (
                f"not ready within its start-up budget of {budget}: {need.question}: {health.reason or 'no answer'}"
            )
            self.servers.say(need.digest, reason, failed=True)
            # It starts afresh, for as long as it is needed. The job may begin late: this process may stand still meanwhile.
            self._stop(name, grace=2.0, unless=need.asking(instance.address, self._probe) if instance.address else None)
            return True
        if self._ask(instance, need):
            return True
        if health.ready and instance.address:
            self._calm.set(name, health.next_at)
            return False
        return True

    def _ask(self, instance: Instance, need: Need) -> bool:
        """Probe an instance if it is time. Whether it was."""
        now, health = self._now(), self.servers.health[instance.name]
        if not instance.address or not health.due(now):
            return False
        ready = health.ready
        sent = self._workers.submit(
            ("probe", instance.name, instance.ref),
            need.asking(instance.address, self._probe),
            light=need.reach is None,
            far=need.reach is not None,
            news=lambda answer: answer[0] != ready,
        )
        if sent:
            health.asked_at, health.void = now, False
        return True

    def _start(self, name: str, need: Need, replica: int, ended: Instance | None) -> None:
        now = self._now()
        self._forgive(name)
        crashes = self._crashes.setdefault(name, Crashes())
        if ended is not None and ended.begun and crashes.saw(ended.ref, now):
            reason = self._ending(ended)
            log.warning("%s %s", name, reason)
            if not self.servers.was_ready(need.digest) and crashes.count >= GIVE_UP_AFTER_EXITS:
                self.servers.say(need.digest, f"{reason}; {crashes.count} times in a row", failed=True)
            else:
                self.servers.say(need.digest, reason)
        if now < crashes.not_before:
            return
        self._workers.submit(("start", name, need.digest), lambda: self._bring_up(need, replica), slow=True)

    def _forgive(self, name: str) -> None:
        """Former ends of an instance count no more when it has run and answered for long."""
        health = self.servers.health.get(name)
        if health is not None and health.ready and self._now() - health.seen_at > FORGIVEN:
            self._crashes.pop(name, None)

    def _bring_up(self, need: Need, replica: int) -> None:
        self._runtime.start(need.workload(replica, need.fetch()))

    def _probed(self, name: str, ref: str, done: Done) -> None:
        servers = self.servers
        health, instance = servers.health.get(name), servers.instances.get(name)
        if health is None or instance is None or health.ref != ref or health.void:
            return
        ok, reason = done.value if done.error is None else (False, str(done.error))
        if servers.answered(instance, ok, reason, calm=self._calm_for(name)):
            log.info("%s is %s: %s", name, "ready" if health.ready else "not ready", reason)
        need = self._needs.get(instance.digest)
        if not health.ready:
            self._say(instance.digest, f"{need.question if need else 'GET /'}: {reason}")
        elif servers.answering(instance.digest) >= (need.replicas if need else 1):
            servers.well(instance.digest)
        self._place(name)

    def _calm_for(self, name: str) -> float:
        """Seconds until the next probe of one that is ready: not the same for each of a large fleet."""
        spread = 0.75 + 0.5 * zlib.crc32(name.encode()) / 2**32
        need, _ = self._wanted.get(name, (None, 0))
        calm = CALM if need is None or need.provider is None else CALM_PROVIDER
        return max(calm, spread * len(self.servers.instances) / PROBES_A_SECOND)

    def _say(self, workload: str, reason: str, *, failed: bool = False) -> None:
        """Why a workload is not ready, unless nobody needs it any more."""
        if workload in self._needs or workload in self._unread:
            self.servers.say(workload, reason, failed=failed)

    def _ending(self, instance: Instance) -> str:
        """How an instance ended, with its last line where that can still be read."""
        reason = f"ended with exit code {instance.exit_code}"
        try:
            lines = [line.strip() for line in self._runtime.logs(instance.name, tail=5) if line.strip()]
        except TidegateError as error:  # removed in between: its exit code is what is left
            log.debug("%s: no last line: %s", instance.name, error)
            lines = []
        return f"{reason}, its last line: {lines[-1][:200]}" if lines else reason


def _says_yes(question: Question) -> bool:
    try:
        return question()[0]
    except TidegateError:
        return False
