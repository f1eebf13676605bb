"""Puts a controller together from its settings: the one place that knows every room's concrete parts.

Neighbours: `tidegate run` calls it; loop.py is what it builds.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from tidegate.artifacts.store import Store
from tidegate.engine.catalog import Catalog
from tidegate.engine.duties import Duties
from tidegate.engine.evidence import Evidence
from tidegate.engine.fleet import Fleet
from tidegate.engine.hints import Hint, Hints
from tidegate.engine.loop import Controller
from tidegate.engine.needs import Needs
from tidegate.engine.routes import Routes
from tidegate.engine.settings import Settings
from tidegate.engine.source import Source
from tidegate.engine.steering import Steering
from tidegate.engine.validation import Validation
from tidegate.engine.workers import Workers
from tidegate.gateway.record import RecordReader
from tidegate.gateway.supervisor import Gateway
from tidegate.gitrepo.mirror import Mirror
from tidegate.gitrepo.record import Record
from tidegate.journal.journal import Journal
from tidegate.rollout.serial import from_doc
from tidegate.runtime.interface import Runtime
from tidegate.runtime.select import open_runtime

POOL = 16


class Parts:
    """A controller with the ends that have to be closed. Raises what its rooms raise when something cannot be opened."""

    def __init__(self, settings: Settings, now: Callable[[], float] = time.time) -> None:
        declared = settings.controller
        rng = random.Random()  # noqa: S311 spreads timers, guards nothing
        self.settings = settings
        self.now = now
        self.hints = Hints()
        settings.state.mkdir(parents=True, exist_ok=True)
        self.journal = Journal(settings.journal, now=now)
        self.workers = Workers(POOL, now, rng, lambda: self.hints.give(Hint.WORK))
        self.runtime: Runtime = open_runtime(settings.runtime, declared.instance, settings.state)
        self.gateway = Gateway(declared.gateway, settings.state)
        self.mirror = Mirror(
            settings.state / "repository.git",
            settings.repository,
            declared.branch,
            author=declared.author,
            environment=declared.environment,
        )
        record = Record(self.mirror)
        source = Source(self.mirror, record, declared.environment)
        catalog = Catalog(self.mirror.blob)
        store = Store(settings.cache, declared.artifacts.stores, settings.root)
        states = {route: from_doc(doc) for route, doc in self.journal.states().items()}
        reader = RecordReader(self.gateway.record)
        evidence = Evidence(reader, self.journal.cursor("record"), declared.gateway.flush, now)
        for state in states.values():
            evidence.resume(state)
        self.controller = Controller(
            journal=self.journal,
            source=source,
            needs=Needs(catalog, store, self.mirror.blob),
            fleet=Fleet(self.runtime, self.workers, now),
            evidence=evidence,
            steering=Steering(self.gateway, catalog),
            duties=Duties(self.mirror, source, record, now),
            validation=Validation(catalog),
            workers=self.workers,
            hints=self.hints,
            routes=Routes(states),
            poll=declared.poll,
            now=now,
            rng=rng,
        )

    def close(self) -> None:
        """End what belongs to this process; containers and the gateway go on serving."""
        self.workers.close()
        self.runtime.close()
        self.journal.close()
