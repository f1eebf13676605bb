"""A controller process of a story: the real one of `engine.build.assemble`, on ends that reach into the simulated world.

It can be killed between any two effects, paused like SIGSTOP, and started again on the same journal.
Neighbours: sim_world.py is what it touches, sim_watch.py looks at what it makes durable.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from sim_git import MemoryGit, Store
from sim_world import FLUSH, Killed, World

from tidegate.engine.build import Ends, assemble
from tidegate.engine.hints import Hint, Hints
from tidegate.engine.loop import Controller
from tidegate.engine.workers import Workers
from tidegate.gateway.applying import Applied
from tidegate.gateway.model import Route, Table
from tidegate.gateway.record import Cursor
from tidegate.gateway.supervisor import Ended
from tidegate.gitrepo.mirror import Mirror
from tidegate.journal.journal import Journal, Transaction
from tidegate.journal.lease import LeaseHeld, LeaseLost, Patience
from tidegate.runtime.interface import Instance, Workload
from tidegate.spec.controller import Author
from tidegate.spec.errors import NeedsPerson, RetryLater, TidegateError

POLL = 2.0
_COMPILED: dict[Any, Any] = {}
LOOK_ON = 3.0
"""Seconds between two looks of a controller that watches."""
PEEP = 0.25
"""Seconds after which a job looks whether its process runs again."""
AGAIN = 1.0
"""Seconds until whatever supervises a controller starts it again."""


def _later() -> Any:
    raise RetryLater("the world does not answer", delay=0.5)


def _refused() -> Any:
    raise OSError(errno.EIO, "Input/output error", "record")


class Pool(Executor):
    """Runs jobs some time after they were asked for, and gives their results some time after they ran."""

    def __init__(self, pilot: Pilot, slow: bool) -> None:
        self._pilot = pilot
        self._slow = slow

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        chance, world = self._pilot.world.chance["jobs"], self._pilot.world
        long = 1.0 if self._slow else 0.03
        if world.bad("hang"):
            long = 6.0
        world.after(chance.uniform(0.001, long), lambda: self._begin(fn, future, chance.uniform(0.001, long)))
        return future

    def _begin(self, fn: Callable[[], Any], future: Future[Any], rest: float) -> None:
        pilot, world = self._pilot, self._pilot.world
        if pilot.dead:
            return
        if pilot.paused():
            # The pause may end early: nobody would wake this job then.
            world.after(min(pilot.paused(), PEEP) + 0.01, lambda: self._begin(fn, future, rest))
            return
        value, error = None, None
        try:
            with world.acting(pilot):
                value = fn()
        except Killed:
            pilot.die()
            return
        except Exception as raised:  # noqa: BLE001 what a thread pool does with it
            error = raised
        world.after(rest, lambda: self._end(future, value, error))

    def _end(self, future: Future[Any], value: Any, error: Exception | None) -> None:
        pilot = self._pilot
        if pilot.dead:
            return
        if error is not None and not isinstance(error, TidegateError):
            pilot.world.watch.broken("defect", f"a job raised {error!r}", error)
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(value)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing to end."""


class SimRuntime:
    """What `runtime.interface.Runtime` asks for, over the world's servers."""

    kind = "process"

    def __init__(self, world: World) -> None:
        self._world = world

    def _up(self) -> None:
        if self._world.bad("runtime"):
            _later()

    def observe(self) -> list[Instance]:
        return self._world.effect("runtime.observe", self._observe, _later)

    def _observe(self) -> list[Instance]:
        self._up()
        return [
            Instance(
                box.name,
                box.model,
                box.version,
                box.digest,
                box.replica,
                ("127.0.0.1", box.port) if box.running else None,
                box.running,
                box.started,
                box.ref,
                box.exit_code,
            )
            for box in self._world.boxes.values()
            if not box.foreign or box.model  # somebody else's model under our label: seen, and none of ours
        ]

    def start(self, workload: Workload) -> None:
        def act() -> None:
            self._up()
            self._world.start_box(workload.name, workload.model, workload.version, workload.digest, workload.replica)

        self._world.effect("runtime.start", act, _later)

    def stop(self, name: str, grace: float) -> None:
        def act() -> None:
            self._up()
            world = self._world
            box = world.boxes.get(name)
            if box is None:
                return
            if box.foreign:
                world.watch.broken("foreign", f"{name} is somebody else's, and was to be stopped")
                return
            world.watch.stops(box)
            world.end_box(box, None)

        self._world.effect("runtime.stop", act, _later)

    def logs(self, name: str, tail: int | None = None, follow: bool = False) -> Iterator[str]:
        return iter(())

    def watch(self, hint: Callable[[], None]) -> None:
        """Hints come from the world."""

    def close(self) -> None:
        """Nothing is open."""


class SimRecordPath:
    """The record file, as far as steering looks at it: never large."""

    def exists(self) -> bool:
        return False


class SimGateway:
    """What steering asks of `gateway.supervisor.Gateway`."""

    record = SimRecordPath()

    def __init__(self, world: World) -> None:
        self._world = world

    def alive(self) -> bool:
        return self._world.envoy.up

    def start(self) -> None:
        def act() -> None:
            world = self._world
            world.disk()
            if world.bad("gateway"):
                raise RetryLater("Envoy ended again", where="gateway", delay=0.5)
            if not world.envoy.up:
                world.flow()
                world.envoy.up = True
                world.say("the gateway starts")

        self._world.effect("gateway.start", act, _later)

    def renew(self, now: float) -> None:
        """Nobody changes callers' keys here."""

    def ended(self) -> Ended:
        raise RetryLater("nobody counts here", where="gateway")

    def set_weights(self, routes: Iterable[Route]) -> float:
        found = list(routes)
        self._world.effect("gateway.weights", lambda: self._world.set_weights(found), _later)
        return 0.001

    def serves(self, route: Route) -> bool:
        if not self._world.envoy.up:
            raise RetryLater("Envoy does not run", where="gateway", delay=0.1)
        return self._world.serves(route)

    def apply(self, table: Table, changed: frozenset[str] | None = None) -> Applied:
        waiting = self._world.effect("gateway.apply", lambda: self._world.apply(table), _later)
        return Applied(not waiting, waiting)


class SimReader:
    """What evidence asks of `gateway.record.RecordReader`: offsets are numbers of lines."""

    path = Path("record.jsonl")

    def __init__(self, world: World) -> None:
        self._world = world

    def read(self, cursor: Cursor, limit: int = 10_000) -> tuple[list[dict[str, Any]], Cursor]:
        def act() -> tuple[list[dict[str, Any]], Cursor]:
            if self._world.bad("record"):
                _refused()
            self._world.flush()
            lines = self._world.log[cursor.offset : cursor.offset + limit]
            return lines, Cursor(1, cursor.offset + len(lines), "", cursor.malformed, cursor.losses)

        return self._world.effect("record.read", act, _refused)

    def end(self) -> Cursor:
        return Cursor(1, len(self._world.log))


class SimStore:
    """What needs ask of `artifacts.store.Store`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def fetch(self, uri: str, sha256: str, *, size: int | None = None, read: object = None) -> Path:
        def damaged() -> Path:
            raise NeedsPerson("the digest differs", where=uri, fix="publish it again")

        def act() -> Path:
            if self._world.bad("store"):
                _later()
            return Path("/cache") / sha256

        return self._world.effect("store.fetch", act, damaged if self._world.bad("damaged") else _later)


class SimMirror(Mirror):
    """The real mirror over git in memory."""

    def __init__(self, folder: Path, git: MemoryGit) -> None:
        with mock.patch("tidegate.gitrepo.mirror.Git", lambda _: git):
            super().__init__(folder, "remote", "main", author=Author(), environment="production")


class SimTransaction:
    """A real transaction that remembers what was put, for whoever watches."""

    def __init__(self, real: Transaction) -> None:
        self._real = real
        self.states: dict[str, Mapping[str, Any] | None] = {}
        self.events: list[Mapping[str, Any]] = []

    def put_state(self, route: str, doc: Mapping[str, Any]) -> None:
        self.states[route] = doc
        self._real.put_state(route, doc)

    def drop_state(self, route: str) -> None:
        self.states[route] = None
        self._real.drop_state(route)

    def add_events(self, docs: Iterable[Mapping[str, Any]]) -> None:
        found = list(docs)
        self.events += found
        self._real.add_events(found)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class SimJournal(Journal):
    """The real journal; the world may fill its disk, or end the controller before, inside and after a transaction."""

    def __init__(self, path: Path, pilot: Pilot) -> None:
        self._pilot = pilot
        super().__init__(
            path,
            now=pilot.world.now,
            clock=lambda: pilot.world.mono,
            patience=pilot.patience,
            name=pilot.name,
        )
        # The same statements, journal after journal: SQLAlchemy need not word each of them anew.
        self._writing = self._writing.execution_options(compiled_cache=_COMPILED)
        self._reading = self._reading.execution_options(compiled_cache=_COMPILED)

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        world = self._pilot.world

        def full() -> None:
            raise RetryLater("the journal cannot be written: disk full", delay=1.0)

        world.effect("journal.begin", full if world.bad("disk") else lambda: None, full)
        with super().transaction() as real:
            seen = SimTransaction(real)
            yield seen
            world.effect("journal.write", lambda: None, full)
        world.watch.durable(self._pilot, seen.states, seen.events)
        world.effect("journal.committed", lambda: None, lambda: None)


class Home:
    """One host's disk: the journal and the mirror. What a rebuilt host loses."""

    def __init__(self, folder: Path, template: Path) -> None:
        self.folder = folder
        self.template = template
        self.built = 0
        self.mirror = Store()
        self.build()

    def build(self) -> None:
        """An empty disk."""
        self.built += 1
        self.mirror = Store()
        shutil.copyfile(self.template, self.journal)

    @property
    def journal(self) -> Path:
        return self.folder / f"journal-{self.built}.db"


class Pilot:
    """One controller process after the other under one supervisor, as systemd would run them."""

    def __init__(self, world: World, home: Home, mirror: Path, number: int) -> None:
        self.world = world
        self.home = home
        self.number = number
        self.starts = 0
        self.dead = True
        self.wanted = False
        self.controller: Controller | None = None
        self.journal: SimJournal | None = None
        self.hints = Hints()
        self.workers: Workers | None = None
        self.began = 0.0
        self.patience = Patience(lambda: world.mono)
        self._mirror = mirror
        self._paused_until = 0.0
        self._alarm = 0
        self._next = 0.0

    @property
    def name(self) -> str:
        return f"controller {self.number}"

    def paused(self) -> float:
        """Seconds until it runs again, after a SIGSTOP."""
        return max(0.0, self._paused_until - self.world.mono)

    def pause(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT so many seconds later."""
        if not self.dead:
            self._paused_until = self.world.mono + seconds
            self.world.after(seconds, self.world.watch.stir)  # what nobody could mend meanwhile is wrong from then on

    def hint(self, kind: str) -> None:
        """Something may have changed."""
        if not self.dead:
            self.hints.give(Hint(kind))
            self._wake(0.05)

    # -- life ----------------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Start the process; again a little later, when it cannot be started now."""
        self.wanted = True
        if not self.dead:
            return
        world = self.world
        self.starts += 1
        journal = None
        try:
            with world.acting(self):
                journal = SimJournal(self.home.journal, self)
                self.journal = journal
                self._assemble(journal)
        except TidegateError as error:
            if journal is not None:
                journal.close()
            held = isinstance(error, LeaseHeld)
            if not held:
                world.say(f"{self.name} cannot start: {error.message}")
            world.after(LOOK_ON if held else AGAIN, lambda: self.boot() if self.wanted else None)
            return
        except Killed:
            if journal is not None:
                journal.close()
            world.after(AGAIN, lambda: self.boot() if self.wanted else None)
            return
        self.dead = False
        self.began = world.mono
        world.say(f"{self.name} starts")
        self._wake(0.001)

    def _assemble(self, journal: SimJournal) -> None:
        world = self.world
        chance = world.chance["controller"]
        self.hints = Hints()
        self.workers = Workers(
            Pool(self, False),
            Pool(self, True),
            lambda: world.mono,
            chance,
            self._work_done,
            allowed=lambda: journal.ours,
        )
        gateway: Any = SimGateway(world)
        reader: Any = SimReader(world)
        store: Any = SimStore(world)
        git = MemoryGit(self._mirror, self.home.mirror, world.host, world.now)
        self.controller = assemble(
            Ends(
                journal=journal,
                mirror=SimMirror(self._mirror, git),
                runtime=SimRuntime(world),
                gateway=gateway,
                reader=reader,
                store=store,
                probe=self._probe,
                workers=self.workers,
                hints=self.hints,
                flush=FLUSH,
                poll=POLL,
                now=world.now,
                clock=lambda: world.mono,
                sleep=lambda _: None,
                rng=chance,
            )
        )
        with contextlib.suppress(RetryLater):  # as the runner does: each pass tries again
            self.controller.steering.start()

    def _probe(self, address: tuple[str, int], path: str, patience: float) -> tuple[bool, str]:
        def act() -> tuple[bool, str]:
            box = self.world.at_port(address[1])
            fine = box is not None and box.answers(self.world.mono)
            return fine, "200 OK" if fine else "no connection" if box is None else "503"

        return self.world.effect("probe", act, lambda: (False, "no answer"))

    def _work_done(self) -> None:
        self.hints.give(Hint.WORK)
        if self.world.chance["ticks"].random() < 0.12:
            self._wake(0.05)

    def die(self, again: float | None = AGAIN) -> None:
        """SIGKILL. `again`: seconds until it is started anew, None never."""
        if self.dead:
            return
        self.world.say(f"{self.name} is killed")
        self.dead = True
        self._paused_until = 0.0
        self.patience = Patience(lambda: self.world.mono)
        if self.journal is not None:
            self.journal.close()
        self.controller = self.workers = None
        self.world.watch.died(self)
        self.wanted = again is not None
        if again is not None:
            self.world.after(again, lambda: self.boot() if self.wanted else None)

    def _stand_down(self) -> None:
        """Another controller acts: from here on this one watches."""
        self.world.say(f"{self.name} has lost the lease, and watches")
        self.dead = True
        if self.journal is not None:
            self.journal.close()
        self.controller = self.workers = None
        self.world.after(AGAIN, lambda: self.boot() if self.wanted else None)

    # -- passes --------------------------------------------------------------------------------------------------------

    def _wake(self, delay: float) -> None:
        """Make the next pass no later than then."""
        at = self.world.mono + delay
        if self._alarm and self._next <= at:
            return
        self._alarm += 1
        self._next = at
        number = self._alarm
        self.world.after(delay, lambda: self._pass() if number == self._alarm else None)

    def _pass(self) -> None:
        world = self.world
        self._alarm += 1
        self._next = 1e18
        if self.dead or self.controller is None:
            return
        if self.paused():
            self._wake(self.paused() + 0.01)
            return
        try:
            with world.acting(self):
                pause = self.controller.tick(self.hints.take(0.0))
        except Killed:
            self.die()
            return
        except LeaseLost:
            self._stand_down()
            return
        except Exception as error:  # noqa: BLE001 the process would end
            world.watch.broken("defect", f"a pass raised {error!r}", error)
            return
        world.watch.passed(self)
        chance = world.chance["ticks"]
        busy = world.bad("busy")
        lag = chance.uniform(0.2, 0.7) if pause < 1.0 else chance.uniform(1.0, 2.5)
        self._wake(max(pause, lag) if not busy else chance.uniform(1.0, 4.0))
