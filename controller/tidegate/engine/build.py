"""Puts a controller together: `Parts` opens what its settings name, `assemble` joins the parts on whatever was opened.

The one place that knows every room's concrete parts. Neighbours: `tidegate run` calls it; loop.py is what it builds.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.alerts.send import send
from tidegate.artifacts.store import Store
from tidegate.audit.archive import Archive
from tidegate.engine.alerting import Alerting, Post
from tidegate.engine.archiving import Archiving
from tidegate.engine.catalog import Catalog
from tidegate.engine.configs import FOLDER as CONFIGS
from tidegate.engine.configs import ConfigFiles, no_file
from tidegate.engine.desk import Desk
from tidegate.engine.disagreements import FOLDER as SHADOW
from tidegate.engine.duties import Duties
from tidegate.engine.evidence import Evidence
from tidegate.engine.fleet import Fleet
from tidegate.engine.hints import Hint, Hints
from tidegate.engine.journaling import ENDED
from tidegate.engine.loop import Controller
from tidegate.engine.losses import GATEWAY, SHOWN, Losses
from tidegate.engine.need import Probe
from tidegate.engine.needs import Needs
from tidegate.engine.providers import FOLDER as PROVIDERS
from tidegate.engine.providers import Providers
from tidegate.engine.retention import Retention
from tidegate.engine.routes import Routes
from tidegate.engine.settings import Settings
from tidegate.engine.shadowing import Shadowing
from tidegate.engine.source import Source
from tidegate.engine.sources import ASKED, Sources
from tidegate.engine.staging import Staging
from tidegate.engine.steering import Steering
from tidegate.engine.table import no_link
from tidegate.engine.validation import Validation
from tidegate.engine.workers import Workers, asking_pool, far_pool, light_pool, measuring_pool, thread_pools
from tidegate.gateway.record import RecordReader
from tidegate.gateway.supervisor import Gateway
from tidegate.gitrepo.mirror import Mirror
from tidegate.gitrepo.record import Record
from tidegate.journal.journal import Journal
from tidegate.journal.lease import Patience
from tidegate.rollout.serial import from_doc, rejections_from_doc
from tidegate.runtime.interface import Runtime
from tidegate.runtime.probe import probe
from tidegate.runtime.providers import WithProviders
from tidegate.runtime.select import open_runtime
from tidegate.sources.access import Access, secret
from tidegate.spec.controller import RecordSettings, RolloutSettings

POOL = 16
PROBES = 8
FAR = 8
ASKS = 8
MEASURES = 4


def steady() -> float:
    """Seconds since the host started, those in which it slept included; whoever sets its time of day changes nothing."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


@dataclass(frozen=True, slots=True)
class Ends:
    """Everything by which a controller touches the world: git, servers, gateway, disk, threads, clock and chance.

    `flush`: seconds until the gateway has written what it answered. `poll`: seconds between two looks at git. `rollouts`:
    how much may be in motion. `now`: epoch seconds; `clock`: seconds that only go forward, for pauses and budgets.
    `path`: folders that evaluators find their programs in first. `envoy`: the program that releases are measured behind; None:
    our own. `post`: delivers alerts, to `notify` where a policy names nobody; None: nobody is told anything. `archive`: where
    closed files of the record go; None: they stay where they are.
    `shadow`: where reports on mirrored traffic go; None: this gateway mirrors nothing.
    `providers`: the way to models behind an API; None: there is none. `configs`: inference configs as files; None: no server
    reads any.
    """

    journal: Journal
    mirror: Mirror
    runtime: Runtime
    gateway: Gateway
    reader: RecordReader
    store: Store
    probe: Probe
    workers: Workers
    hints: Hints
    flush: float
    poll: float
    now: Callable[[], float]
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    rng: random.Random
    rollouts: RolloutSettings = field(default_factory=RolloutSettings)
    path: tuple[str, ...] = ()
    envoy: str | None = None
    post: Post | None = None
    notify: tuple[str, ...] = ()
    record: RecordSettings = field(default_factory=RecordSettings)
    archive: Archive | None = None
    shadow: Path | None = None
    providers: Providers | None = None
    configs: ConfigFiles | None = None
    access: Access = field(default_factory=Access)
    desk: Desk | None = None


def assemble(ends: Ends) -> Controller:
    """A controller on these ends, from where the journal says the last one was."""
    mirror, now, journal = ends.mirror, ends.now, ends.journal
    record = Record(mirror, rng=ends.rng, sleep=ends.sleep)
    source = Source(mirror, record, mirror.environment)
    catalog = Catalog(mirror.blob)
    states = {route: from_doc(doc) for route, doc in journal.states().items()}
    ended = {route: rejections_from_doc(docs) for route, docs in (journal.cursor(ENDED) or {}).items()}
    known = journal.cursor("record")
    evidence = Evidence(ends.reader, known, ends.flush, now, mirror.blob)
    sources = Sources(ends.access, ends.desk, ends.workers, now, (known or {}).get("sources"), journal.cursor(ASKED))
    for state in states.values():
        evidence.resume(state)
        sources.follow(state)  # a source that was down holds from the first pass on
    fleet = Fleet(ends.runtime, ends.workers, ends.clock, ends.probe)
    servers = ends.runtime.inner if isinstance(ends.runtime, WithProviders) else ends.runtime
    link = ends.providers.link if ends.providers is not None else no_link
    file = ends.configs.file if ends.configs is not None else no_file
    staging = Staging(ends.store, mirror.blob, servers, ends.path, now, ends.envoy, link, file)
    steering = Steering(ends.gateway, catalog, ends.record.rotate, link, file)
    losses = Losses(steering, evidence, journal.losses(SHOWN), journal.cursor(GATEWAY), now, ends.clock)
    return Controller(
        journal=journal,
        source=source,
        needs=Needs(catalog, ends.store, mirror.blob, ends.providers, ends.configs),
        fleet=fleet,
        evidence=evidence,
        shadowing=Shadowing(ends.gateway, ends.shadow, now, evidence.declarations),
        sources=sources,
        steering=steering,
        duties=Duties(mirror, source, record, now, ends.sleep, ends.rng),
        validation=Validation(catalog, staging, fleet, ends.workers, journal),
        workers=ends.workers,
        hints=ends.hints,
        routes=Routes(states, ended),
        retention=Retention(catalog, ends.store),
        losses=losses,
        archiving=None
        if ends.archive is None
        else Archiving(ends.archive, ends.reader, ends.record, mirror, journal, now, ends.sleep, ends.rng),
        alerting=Alerting(journal, ends.workers, ends.post, ends.notify, mirror.environment, now),
        poll=ends.poll,
        rollouts=ends.rollouts,
        now=now,
        clock=ends.clock,
        rng=ends.rng,
    )


class Parts:
    """A controller with the ends that have to be closed. Raises what its rooms raise when something cannot be opened.

    LeaseHeld among it, while another controller acts; `patience` is what was seen of that one in earlier attempts.
    """

    def __init__(
        self, settings: Settings, now: Callable[[], float] = time.time, patience: Patience | None = None
    ) -> None:
        self.settings = settings
        self.now = now
        settings.state.mkdir(parents=True, exist_ok=True)
        self.journal = Journal(settings.journal, now=now, clock=steady, patience=patience)
        try:
            self._open(settings)
        except BaseException:
            self.journal.close()
            raise

    def _open(self, settings: Settings) -> None:
        declared, now = settings.controller, self.now
        rng = random.Random()  # noqa: S311 spreads timers, guards nothing
        self.hints = Hints()
        self.workers = Workers(
            *thread_pools(POOL),
            steady,
            rng,
            lambda: self.hints.give(Hint.WORK),
            light=light_pool(PROBES),
            far=far_pool(FAR),
            asks=asking_pool(ASKS),
            measures=measuring_pool(MEASURES),
            allowed=lambda: self.journal.ours,
        )
        self.providers = Providers(settings.root, settings.state / PROVIDERS, declared.providers)
        self.runtime: Runtime = WithProviders(
            open_runtime(settings.runtime, declared.instance, settings.state),
            self.providers.instances,
            self.providers,
        )
        self.gateway = Gateway(settings.gateway, settings.state)
        self.mirror = Mirror(
            settings.state / "repository.git",
            settings.repository,
            declared.branch,
            author=declared.author,
            environment=declared.environment,
        )
        self.controller = assemble(
            Ends(
                journal=self.journal,
                mirror=self.mirror,
                runtime=self.runtime,
                gateway=self.gateway,
                reader=RecordReader(self.gateway.record),
                store=Store(settings.cache, declared.artifacts.stores, settings.root),
                probe=probe,
                workers=self.workers,
                hints=self.hints,
                flush=declared.gateway.flush,
                poll=declared.poll,
                rollouts=declared.rollouts,
                path=settings.runtime.path,
                envoy=declared.gateway.binary,
                record=declared.record,
                archive=Archive(settings.archive),
                shadow=settings.state / SHADOW,
                providers=self.providers,
                configs=ConfigFiles(settings.state / CONFIGS),
                post=lambda target, letter: send(target, letter, lambda named: secret(named, settings.root)),
                notify=declared.notify,
                access=Access(declared.sources, settings.root),
                desk=Desk(settings.state, declared.feedback, RecordReader(self.gateway.record), now),
                now=now,
                clock=steady,
                sleep=time.sleep,
                rng=rng,
            )
        )

    def close(self) -> None:
        """End what belongs to this process; containers and the gateway go on serving."""
        self.controller.validation.close()
        if self.controller.archiving is not None:
            self.controller.archiving.close()
        self.workers.close()
        self.controller.sources.close()
        self.runtime.close()
        self.journal.close()
