"""Callers' files as people keep them (certificate, key, authority, keys), checked and given to Envoy whenever they change.

A file that is wrong changes nothing: the last good one stays. No listener is drained, no connection closed.
Neighbours: entrance.py has what Envoy reads, lifecycle.py begins with it, the engine's loop looks each pass.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from tidegate.gateway import certificate, entrance, files
from tidegate.gateway.admin import Admin
from tidegate.gateway.entrance import Entrance
from tidegate.gateway.files import Folder
from tidegate.gateway.render import CALLERS
from tidegate.spec.callers import Callers
from tidegate.spec.controller import GatewaySettings
from tidegate.spec.declared import load_document
from tidegate.spec.errors import NeedsPerson, RetryLater

log = logging.getLogger(__name__)

NOTICE: Final = 14 * 86400.0
"""Seconds before the end of a certificate from which on it is told."""
TAKING: Final = 10.0
"""Seconds after which it is told that Envoy has neither taken over nor refused what it was given."""
_FILTERS: Final = "extension_config_discovery.http_filter."
_PATIENCE: Final = 1.0
_NOBODY: Final = Callers(api="tidegate/v1", kind="Callers", keys=())

Make: TypeAlias = Callable[[Callers], tuple[str, bytes]]

_OF_CALLERS: Final[tuple[tuple[str, str, Make], ...]] = (
    (CALLERS, "keys", entrance.keys_file),
    (entrance.CALLER_LIMITS, "limits", entrance.caller_limits_file),
    (entrance.ROUTE_LIMITS, "routes' limits", entrance.route_limits_file),
)


class Untaken(RetryLater):
    """Envoy answers, and has neither taken over a file nor refused it."""


@dataclass(frozen=True, slots=True)
class Envoy:
    """What Envoy says about what it was given. `complaint`: its newest warning."""

    admin: Admin
    alive: Callable[[], bool]
    complaint: Callable[[], str]

    def told(self, counter: str) -> tuple[str, int] | None:
        """The version that it serves by, and how many it has refused; None when it does not run.

        Raises RetryLater while it is silent.
        """
        if not self.alive():
            return None
        found = self.admin.stats(f"^{counter.replace('.', '[.]')}[.](version_text|update_rejected)$", _PATIENCE)
        versions = [value for value in found.values() if isinstance(value, str)]
        return "".join(versions), sum(value for value in found.values() if isinstance(value, int))


@dataclass(slots=True)
class _Watched:
    """Files of people, and the file that Envoy gets for them. `counter`: the prefix of Envoy's statistics about that.

    `wrong`: what is wrong with the files as they are now; `refused`: that Envoy did not take what was made of them.
    `awaited`: the version that Envoy shall serve by, until it does; `since`: since when, in epoch seconds. `before`: what goes
    back when it refuses that, None when there is nothing better. `refusals`: how many it had counted before.
    """

    name: str
    said: str
    paths: tuple[Path, ...]
    make: Callable[..., tuple[str, bytes]]
    target: Path
    counter: str
    seen: object = None
    wrong: NeedsPerson | None = None
    refused: NeedsPerson | None = None
    awaited: str = ""
    since: float | None = None
    before: bytes | None = None
    refusals: int = 0

    def read(self, envoy: Envoy) -> None:
        """Look whether the files changed; if so, write what Envoy gets. What is wrong with them stays in `wrong`.

        Raises RetryLater when Envoy is silent: then nothing is written, since nobody could tell what became of it.
        """
        try:
            seen = [(found.st_ino, found.st_size, found.st_mtime_ns) for found in (path.stat() for path in self.paths)]
            if seen == self.seen:
                return
            version, content = self.make(*(path.read_bytes() for path in self.paths))
        except NeedsPerson as error:
            self.wrong = error
        except OSError as error:
            self.seen, self.wrong = None, self._wrong(f"cannot be read: {error.strerror}", Path(error.filename))
            return
        except ValueError as error:
            self.wrong = self._wrong(str(error), self.paths[0])
        else:
            self.wrong = self.refused = None
            self.write(version, content, envoy)
        self.seen = seen

    def write(self, version: str, content: bytes, envoy: Envoy) -> None:
        """Have Envoy read this, unless it lies there already. Raises what `read` raises."""
        before = self.target.read_bytes() if self.target.exists() else None
        if content == before:  # it may have been refused before anybody asked: then any refusal is this one's
            self.before, self.refusals = None, 0
        else:
            told = envoy.told(self.counter)
            self.before, self.refusals = before, told[1] if told is not None else 0
            _replace(self.target, content)
        self.awaited, self.since = version, None

    def confirm(self, envoy: Envoy, now: float) -> None:
        """See that Envoy serves by what was written; what it refuses goes back. Raises RetryLater when it says neither."""
        told = envoy.told(self.counter) if self.awaited else None
        if told is None:
            self.since = None
            return
        version, refusals = told
        self.refusals = min(self.refusals, refusals)  # another Envoy counts from zero
        if version == self.awaited:
            log.info("the gateway serves by the callers' %s as it is on disk", self.said)
            self.awaited, self.refused = "", None
        elif refusals > self.refusals:
            if self.refused is None:
                why = envoy.complaint() or "it says nothing"
                self.refused = self._wrong(f"Envoy does not take it: {why}", self.paths[0])
            if self.before is not None:
                self.awaited = ""
                _replace(self.target, self.before)
        elif self.since is None:
            self.since = now
        elif now - self.since > TAKING:
            raise Untaken(
                f"the gateway has not taken over the callers' {self.said} for {now - self.since:.0f} s",
                where=str(self.target),
                fix="nothing to do if it comes; what it had goes on serving. Its log is `envoy.log` in the gateway's folder",
                delay=1.0,
            )

    def _wrong(self, message: str, path: Path) -> NeedsPerson:
        return NeedsPerson(
            f"the callers' {self.said}: {message}",
            where=str(path),
            fix="mend the file: it is read again when it changes",
        )


@dataclass(slots=True)
class Renewal:
    """All such files of one gateway. Called by one thread."""

    settings: GatewaySettings
    folder: Folder
    envoy: Envoy
    ends: dict[str, float] = field(default_factory=dict)
    _watched: list[_Watched] = field(init=False)

    def __post_init__(self) -> None:
        tls, callers = self.settings.tls, self.settings.callers
        self._watched = []
        if tls is not None:
            pair = Path(tls.certificate), Path(tls.key)
            self._watch(entrance.CERTIFICATE, "certificate", pair, self._pair, f"sds.{entrance.CERTIFICATE}")
            if tls.client_ca is not None:
                ca = (Path(tls.client_ca),)
                self._watch(entrance.CLIENT_CA, "authority", ca, self._authority, f"sds.{entrance.CLIENT_CA}")
        if callers is not None:
            for name, said, make in _OF_CALLERS:
                self._watch(name, said, (Path(callers),), partial(self._callers, make), _FILTERS + name)

    def _watch(
        self, name: str, said: str, paths: tuple[Path, ...], make: Callable[..., tuple[str, bytes]], counter: str
    ) -> None:
        target = self.folder.clusters.parent / f"{name}.json"
        self._watched.append(_Watched(name, said, paths, make, target, counter))

    def entrance(self) -> Entrance:
        """What Envoy is started with."""
        targets = {one.name: one.target for one in self._watched}
        return Entrance(
            certificate=targets.get(entrance.CERTIFICATE),
            client_ca=targets.get(entrance.CLIENT_CA),
            keys=targets.get(CALLERS),
            caller_limits=targets.get(entrance.CALLER_LIMITS),
            route_limits=targets.get(entrance.ROUTE_LIMITS),
            max_body=self.settings.max_body,
        )

    def prepare(self) -> None:
        """Make what Envoy needs to start. Without a readable file of keys nobody may call.

        Raises NeedsPerson when there is no certificate that could serve, RetryLater when an Envoy runs and is silent.
        """
        for one in self._watched:
            one.read(self.envoy)
            if not one.target.exists():
                nobody = next((make(_NOBODY) for name, _, make in _OF_CALLERS if name == one.name), None)
                if nobody is not None:
                    one.write(*nobody, self.envoy)
                elif one.wrong is not None:
                    raise one.wrong

    def look(self, now: float) -> None:
        """Give Envoy what changed. `now`: epoch seconds. Raises NeedsPerson for a file that is wrong, or ends soon.

        Raises RetryLater while Envoy does not say what became of a change: silence is no refusal.
        """
        silent: RetryLater | None = None
        for one in self._watched:
            try:
                one.read(self.envoy)
                one.confirm(self.envoy, now)
            except Untaken as error:
                silent = error
            except RetryLater as error:
                silent = error
                break  # it would cost the same patience for each of them
        for one in self._watched:
            problem = one.wrong or one.refused
            if problem is not None:
                raise problem
        if silent is not None:
            raise silent
        for said, at in self.ends.items():
            if at - now < NOTICE:
                raise ending(said, at, now)

    def _callers(self, make: Make, text: bytes) -> tuple[str, bytes]:
        return make(read_callers(text, str(self.settings.callers)))

    def _pair(self, chain: bytes, key: bytes) -> tuple[str, bytes]:
        certificate.check_pair(chain, key)
        self.ends["certificate"] = certificate.ends(chain)
        return entrance.certificate_file(chain, key)

    def _authority(self, authority: bytes) -> tuple[str, bytes]:
        self.ends["authority"] = certificate.ends(authority)
        return entrance.client_ca_file(authority)


def read_callers(text: bytes, path: str) -> Callers:
    """The file of callers. Raises NeedsPerson with the position of the first problem."""
    document, problems = load_document(Callers, text, path)
    if document is None:
        first = problems[0]
        raise NeedsPerson(first.message, where=f"{path}:{first.line}:{first.column}", fix=first.fix)
    return document.value


def ending(said: str, at: float, now: float) -> NeedsPerson:
    """The problem of a certificate that ends at that moment (epoch seconds)."""
    left = int((at - now) // 86400)
    when = f"ends in {left} days, on {day(at)}" if at > now else f"ended on {day(at)}: callers refuse to connect"
    return NeedsPerson(
        f"the callers' {said} {when}",
        where=f"tidegate.yaml: gateway.tls.{'certificate' if said == 'certificate' else 'client_ca'}",
        fix="renew the file: the gateway takes it over by itself, and no connection ends",
    )


def day(at: float) -> str:
    """The day (UTC) of a moment in epoch seconds."""
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def _replace(path: Path, content: bytes) -> None:
    """As `files.replace`, readable by this user only from the first byte on."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    os.close(files.owner_only(fresh))
    fresh.write_bytes(content)
    fresh.replace(path)
