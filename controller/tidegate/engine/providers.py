"""Providers as this controller reaches them: the way for the gateway, the credential for Envoy, a look whether they answer.

A credential goes from where its reference points into a file of mode 0600 that Envoy watches, and nowhere else. Neighbours:
spec/providers.py is the table, runtime/providers.py keeps the instances, gateway/provider.py has the file's format.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Final

from tidegate.gateway.model import Link
from tidegate.gateway.provider import secret_file
from tidegate.runtime.records import state_faults
from tidegate.sources.access import secret
from tidegate.spec.controller import ProviderSettings
from tidegate.spec.errors import NeedsPerson, RetryLater
from tidegate.spec.providers import PASSES, host_of, named, problem, target_of, way_of, withheld
from tidegate.spec.version import Provider

FOLDER: Final = "providers"
"""In the controller's own folder."""
KEPT: Final = 600.0
"""Seconds that a credential's file stays after its release was stopped: a cluster that drains still names it."""
TIMEOUT: Final = 60.0
_BUNDLES: Final = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


class Providers:
    """Safe under several threads. `root`: what `file` and `ca_file` are relative to; `folder`: where all of it is kept.

    `instances` is the folder of what was started. `allowed`: which secrets may go where; None: the usual ones.
    """

    def __init__(self, root: Path, folder: Path, allowed: ProviderSettings | None = None) -> None:
        self._root = root
        self._allowed = allowed
        self._folder = folder.absolute() / "credentials"
        self.instances = folder.absolute() / "instances"

    def link(self, workload: str, provider: Provider) -> Link | None:
        """How the gateway gets there; None where the declaration does not tell (needs.py says why)."""
        if problem(provider) is not None:
            return None
        way = way_of(provider)
        host, port = host_of(provider)
        base, query = target_of(provider, way)
        return Link(
            provider=provider.name,
            host=host,
            port=port,
            base=base,
            query=query,
            paths=way.paths,
            model=provider.deployment or provider.model,
            header=way.header,
            headers=tuple(way.headers.items()),
            passes=(*PASSES, *way.passes),
            ca_file=self._certificates(provider),
            credential=str(self._file(workload)),
            timeout=provider.timeout or TIMEOUT,
            system=way.system,
        )

    def supply(self, workload: str, provider: Provider) -> None:
        """Bring the credential to Envoy, unless it has it already. Raises RetryLater with what is missing, and where.

        Also for one that tidegate.yaml keeps back: nothing of it is read then.
        """
        way = way_of(provider)
        held = withheld(provider, self._allowed)
        if held is not None:
            raise RetryLater(held.message, where=f"provider.{held.field}", fix=held.fix, delay=2.0)
        certificates = self._certificates(provider)
        if certificates and not Path(certificates).is_file():
            raise RetryLater(
                "the certificates by which the provider is known are not there",
                where=certificates,
                fix="put them there, or correct provider.ca_file in a new version; without it the system's are taken",
                delay=2.0,
            )
        content = secret_file(way.scheme + self._credential(provider))
        file = self._file(workload)
        with state_faults(self._folder):
            if file.exists() and file.read_bytes() == content:
                return
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = file.with_suffix(f".{os.getpid()}-{threading.get_ident()}.new")  # two replicas start at once
            fresh.unlink(missing_ok=True)
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
                opened.write(content)
            fresh.replace(file)

    def _credential(self, provider: Provider) -> str:
        said = named(provider.credential)
        try:
            value = secret(provider.credential, self._root)
        except NeedsPerson as error:
            raise RetryLater(
                f"the credential {said} of {provider.name} is not there: {error.message}",
                where="provider.credential",
                fix="give it to the controller, by that variable when it starts or in that file: it goes on by itself",
                delay=2.0,
            ) from error
        if not value or not value.isascii() or not value.isprintable():
            raise RetryLater(
                f"the credential {said} of {provider.name} is empty, or has characters that no header may have",
                where="provider.credential",
                fix="put the key alone there, on one line",
                delay=2.0,
            )
        return value

    def drop(self, workload: str) -> None:
        """Nobody needs the workload any more: from now on its file is kept for a while (`sweep`)."""
        try:
            os.utime(self._file(workload))
        except FileNotFoundError:
            return

    def sweep(self, workloads: frozenset[str]) -> None:
        """Remove the credentials of all others, once no cluster can name them."""
        kept = {self._file(workload) for workload in workloads}
        with state_faults(self._folder):
            for file in self._folder.glob("*.json"):
                if file not in kept and time.time() - file.stat().st_mtime > KEPT:
                    file.unlink(missing_ok=True)

    def reach(self, provider: Provider, patience: float) -> tuple[bool, str]:
        """Whether it can be reached, and proves who it is: a handshake, no call that costs. With the reason in words.

        `patience`: seconds.
        """
        host, port = host_of(provider)
        try:
            with socket.create_connection((host, port), timeout=patience) as plain:
                certificates = self._certificates(provider)
                if certificates:
                    context = ssl.create_default_context(cafile=certificates)
                    context.wrap_socket(plain, server_hostname=host).close()
        except ssl.SSLCertVerificationError as error:
            return False, f"{host}:{port} does not prove who it is: {error.verify_message}"
        except OSError as error:
            return False, f"no connection to {host}:{port}: {error.strerror or error}"
        return True, f"{host}:{port} can be reached"

    def _certificates(self, provider: Provider) -> str:
        """The file of the certificates that count; empty for an address of this machine without TLS."""
        if provider.endpoint.startswith("http://"):
            return ""
        if provider.ca_file is not None:
            return str((self._root / provider.ca_file).absolute())
        known = ssl.get_default_verify_paths().cafile
        return known or next((path for path in _BUNDLES if Path(path).is_file()), _BUNDLES[0])

    def _file(self, workload: str) -> Path:
        return self._folder / f"{workload[:16]}.json"
