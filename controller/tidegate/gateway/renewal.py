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
_FILTERS: Final = "extension_config_discovery.http_filter."
_NOBODY: Final = Callers(api="tidegate/v1", kind="Callers", keys=())

Make: TypeAlias = Callable[[Callers], tuple[str, bytes]]

_OF_CALLERS: Final[tuple[tuple[str, str, Make], ...]] = (
    (CALLERS, "keys", entrance.keys_file),
    (entrance.CALLER_LIMITS, "limits", entrance.caller_limits_file),
    (entrance.ROUTE_LIMITS, "routes' limits", entrance.route_limits_file),
)


@dataclass(slots=True)
class _Watched:
    """Files of people, and the file that Envoy gets for them. `counter`: the prefix of Envoy's statistics about that."""

    name: str
    said: str
    paths: tuple[Path, ...]
    make: Callable[..., tuple[str, bytes]]
    target: Path
    counter: str
    seen: object = None
    wrong: NeedsPerson | None = None
    awaited: str = ""
    before: bytes | None = None
    refusals: int = 0

    def read(self, admin: Admin) -> None:
        """Look whether the files changed; if so, write what Envoy gets. What is wrong with them stays in `wrong`."""
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
            self.wrong = None
            self.write(version, content, admin)
        self.seen = seen

    def write(self, version: str, content: bytes, admin: Admin) -> None:
        """Have Envoy read this."""
        before = self.target.read_bytes() if self.target.exists() else None
        if content != before:
            self.refusals = self._said(admin)[1]
            self.before, self.awaited = before, version
            _replace(self.target, content)

    def confirm(self, admin: Admin, complaint: Callable[[], str]) -> None:
        """See that Envoy serves by what was written; what it refuses goes back."""
        if not self.awaited:
            return
        version, refusals = self._said(admin)
        if version == self.awaited:
            log.info("the gateway has taken over the callers' %s", self.said)
            self.awaited = ""
        elif refusals > self.refusals and self.before is not None:
            self.awaited = ""
            _replace(self.target, self.before)
            self.wrong = self._wrong(f"Envoy does not take it: {complaint() or 'it says nothing'}", self.paths[0])

    def _said(self, admin: Admin) -> tuple[str, int]:
        """The version that Envoy serves by, and how often it has refused one; nothing while it cannot be asked."""
        try:
            found = admin.get(f"/stats?format=json&filter=^{self.counter.replace('.', '[.]')}[.]")["stats"]
        except RetryLater:
            return "", 0
        said = {stat["name"].removeprefix(f"{self.counter}."): stat["value"] for stat in found if "name" in stat}
        return str(said.get("version_text", "")), int(said.get("update_rejected", 0))

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
    admin: Admin
    complaint: Callable[[], str]
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

        Raises NeedsPerson when there is no certificate that could serve.
        """
        for one in self._watched:
            one.read(self.admin)
            if not one.target.exists():
                nobody = next((make(_NOBODY) for name, _, make in _OF_CALLERS if name == one.name), None)
                if nobody is not None:
                    one.write(*nobody, self.admin)
                elif one.wrong is not None:
                    raise one.wrong

    def look(self, now: float) -> None:
        """Give Envoy what changed. `now`: epoch seconds. Raises NeedsPerson for a file that is wrong, or ends soon."""
        for one in self._watched:
            one.read(self.admin)
            one.confirm(self.admin, self.complaint)
        for one in self._watched:
            if one.wrong is not None:
                raise one.wrong
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
