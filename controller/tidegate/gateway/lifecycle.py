"""Envoy's life: adopt, start, hand over, start again when it died, end. It outlives the controller on purpose.

supervisor.py makes it serve; process.py has the single steps; bootstrap.py the configuration that only a start can change.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path

from tidegate.gateway import cluster, files, mirror, process, render
from tidegate.gateway.admin import Admin
from tidegate.gateway.binary import envoy_binary
from tidegate.gateway.book import Page
from tidegate.gateway.bootstrap import ADMIN_SOCKET, bootstrap, trial
from tidegate.gateway.files import Folder
from tidegate.gateway.names import split_address
from tidegate.gateway.process import Running
from tidegate.gateway.renewal import Envoy, Renewal
from tidegate.spec.controller import GatewaySettings
from tidegate.spec.errors import NeedsPerson, RetryLater
from tidegate.spec.providers import is_loopback

_START = 10.0
_BACK_OFF = (0.0, 0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_STABLE = 60.0
_LETTING_GO = 1.0


class Lifecycle:
    """The process behind one gateway folder."""

    def __init__(
        self, settings: GatewaySettings, root: Path, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._settings = settings
        self.folder = Folder(root)
        self.admin = Admin(self.folder.root / ADMIN_SOCKET, settings.admin)
        envoy = Envoy(self.admin, lambda: self.running() is not None, self.complaint)
        self.renewal = Renewal(settings, self.folder, envoy)
        self._clock = clock
        self._sleep = sleep
        self._running: Running | None = None
        self._ending: list[Running] = []
        self._starts = 0
        self._postponed = False
        self._started = clock()
        self._log_from = 0

    def running(self) -> Running | None:
        """The Envoy that runs now. Costs microseconds."""
        self._ending = [old for old in self._ending if process.started_at(old.pid) == old.started]
        if self._running is None:
            self._running = process.find(self.folder)
        elif process.started_at(self._running.pid) != self._running.started:
            self._running = None
        return self._running

    def start(self) -> None:
        """See `Gateway.start`."""
        self._check_admin()
        self.folder.prepare()
        self.renewal.prepare()
        command, content = self._command(), self._bootstrap()
        program = Path(command[0]).stat()  # the next version may come under the same name
        known = "\0".join([*command, str(program.st_size), str(program.st_mtime_ns)])
        setup = blake2b(known.encode() + content, digest_size=8).hexdigest()
        if self.running() is None:
            self._running = self._nameless()
        if self._running is None:
            self._wait_for_turn()
            self._check_address()
            files.replace(self.folder.bootstrap, content)
            self._spawn(command, setup, None)
        elif self._running.setup != setup:
            # A third Envoy would end the first one, with whatever it has under way.
            one = self._running
            self._postponed = bool(one.relieved) and process.started_at(one.relieved) == one.relieved_started
            if not self._postponed:
                self._hand_over(command, content, setup)
        elif not self.admin.ready():
            self._wait_until_ready()

    def follow(self) -> None:
        """Hand over as soon as it cuts nothing, where `start` could not. Raises what `start` raises."""
        if self._postponed:
            self._postponed = False
            self.start()

    def _command(self) -> list[str]:
        settings = self._settings
        command = [
            envoy_binary(self._settings.binary), "-c", str(self.folder.bootstrap), "-l", "warning",
            "--file-flush-interval-msec", str(max(1, round(settings.flush * 1000))),
            "--drain-time-s", "15", "--parent-shutdown-time-s", "90",
        ]  # fmt: skip
        return command + (["--concurrency", str(settings.concurrency)] if settings.concurrency else [])

    def _bootstrap(self) -> bytes:
        folder = self.folder
        return bootstrap(
            self._settings.address,
            self._settings.admin,
            clusters=folder.clusters,
            listeners=folder.listeners,
            routes=folder.routes,
            layer=folder.layer,
            record=folder.record,
            salt=folder.salt(),
            entrance=self.renewal.entrance(),
        )

    def _check_admin(self) -> None:
        admin = self._settings.admin
        if admin is not None and not is_loopback(split_address(admin)[0]):
            raise NeedsPerson(
                f"Envoy's admin interface would be public at {admin}; whoever reaches it can stop the gateway",
                where="tidegate.yaml: gateway.admin",
                fix="leave `admin` out (a socket file of this user), or use 127.0.0.1",
            )

    def _check_address(self) -> None:
        address = self._settings.address
        host, port = split_address(address)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        until = self._clock() + _LETTING_GO
        while True:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((host, port))
                    probe.listen()
                    return
                except OSError as error:
                    # A killed process is gone before the last of its threads has let go of its sockets.
                    held = error.errno == errno.EADDRINUSE and process.listener_of(port) is None
                    if not held or self._clock() >= until:
                        raise self._no_address(address, port, error) from error
            self._sleep(0.005)

    def _no_address(self, address: str, port: int, error: OSError) -> NeedsPerson:
        holder = process.listener_of(port) if error.errno == errno.EADDRINUSE else None
        by = f" by process {holder[0]} ({holder[1][:120]})" if holder else ""
        problem = f"is in use{by}" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        return NeedsPerson(
            f"the gateway's address {address} {problem}",
            where="tidegate.yaml: gateway.address",
            fix="end that process, or choose another address",
        )

    def _nameless(self) -> Running | None:
        """Our Envoy that nobody has written down: the controller died in the instant between."""
        holder = process.listener_of(split_address(self._settings.address)[1])
        if holder is None or str(self.folder.bootstrap) not in holder[1].split():
            return None
        words = holder[1].split()
        epoch = int(words[words.index("--restart-epoch") + 1]) if "--restart-epoch" in words else 0
        return Running(holder[0], process.started_at(holder[0]) or 0, files.same_boot(), "", epoch)

    def _wait_for_turn(self) -> None:
        """Back off when Envoy ends soon after every start. Raises RetryLater until its turn has come."""
        lived = self._clock() - self._started
        if lived > _STABLE:
            self._starts = 0
        wait = _BACK_OFF[min(self._starts, len(_BACK_OFF) - 1)] - lived if self._starts else 0.0
        if wait > 0:
            said = self.complaint()
            raise RetryLater(
                f"Envoy ended {self._starts} times; it said: {said or 'nothing'}", where="gateway", delay=wait
            )

    def _spawn(self, command: list[str], setup: str, previous: Running | None) -> None:
        self._starts += 1
        self._started = self._clock()
        self._log_from = self.folder.log.stat().st_size if self.folder.log.exists() else 0
        self._running = process.spawn(command, self.folder, setup, previous)
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        """Until the Envoy that runs now, and not the one that it relieves, answers."""
        until = self._clock() + _START
        while self._running is None or self.admin.live_epoch() != self._running.epoch:
            if self.running() is None:
                raise NeedsPerson(
                    f"Envoy does not start. It says: {self.complaint() or 'nothing'}",
                    where="gateway",
                    fix=f"its log is {self.folder.log}",
                )
            if self._clock() >= until:
                said = self.complaint()
                raise RetryLater(
                    "Envoy is still starting" + (f"; it says: {said}" if said else ""), where="gateway", delay=0.5
                )
            self._sleep(0.005)

    def _hand_over(self, command: list[str], content: bytes, setup: str) -> None:
        """A hot restart: the new Envoy takes over the sockets, the old one finishes its requests and ends by itself."""
        old = self._running
        fresh = self.folder.root / "bootstrap-next.json"
        files.replace(fresh, content)
        words = [str(fresh) if word == str(self.folder.bootstrap) else word for word in command]
        refused = self._refusal(words)
        if refused is not None:
            raise NeedsPerson(
                f"Envoy refuses the new settings; the old ones keep serving. It says: {refused}",
                where="tidegate.yaml: gateway",
            )
        if old is not None:
            self._check_successor(command[0], old)
            self._ending.append(old)
        fresh.replace(self.folder.bootstrap)
        self._spawn(command, setup, old)

    def _check_successor(self, program: str, old: Running) -> None:
        """Raises NeedsPerson when the running Envoy cannot hand its sockets to this program: it serves on then."""
        _, version = self.admin.call("GET", "/hot_restart_version")
        words = [program, "--hot-restart-version"]
        asked = subprocess.run(words, capture_output=True, timeout=60, check=False)
        if version.strip() != (asked.stdout + asked.stderr).strip():  # Envoy says it on stderr
            raise NeedsPerson(
                f"the Envoy that runs (process {old.pid}) goes on serving: {program} cannot take over from it without a gap",
                where="gateway",
                fix=f"when a gap of a second will do: kill -TERM {old.pid}",
            )

    def _refusal(self, command: list[str]) -> str | None:
        """Why Envoy would not start with this command; None when it would."""
        checked = subprocess.run(
            [*command, "--mode", "validate"],
            cwd=self.folder.root,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return None if checked.returncode == 0 else checked.stderr.strip().rpartition(".json': ")[2][-500:]

    def trial(self, pages: Iterable[Page]) -> str | None:
        """Why Envoy refuses what these pages want, asked of an Envoy that only checks; None when it takes it."""
        probe = self.folder.root / "trial.json"
        clusters, listeners, models = dict[str, bytes](), dict[str, bytes](), dict[str, bytes]()
        for page in pages:
            clusters |= cluster.of_page(page)
            listeners |= mirror.listeners(page, self.folder.record, self.folder.answers)
            models[page.routes[0].model] = render.model_routes(page.routes, page.timeouts, page.shares)
        content = trial(cluster.assemble(clusters)[1], render.route_file(models)[1], mirror.listener_file(listeners)[1])
        files.replace(probe, content)
        try:
            return self._refusal([envoy_binary(self._settings.binary), "-c", str(probe), "-l", "error"])
        finally:
            probe.unlink()

    def complaint(self) -> str:
        """The newest warning or error that Envoy wrote since it was started, without its prefix."""
        try:
            with self.folder.log.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(max(self._log_from, size - 16384))
                lines = file.read().decode(errors="replace").splitlines()
        except FileNotFoundError:
            return ""
        for at in range(len(lines) - 1, -1, -1):
            if any(f"[{level}]" in lines[at] for level in ("critical", "error", "warning")):
                return " ".join([lines[at].rpartition("] ")[2], *lines[at + 1 : at + 4]]).strip()
        return ""

    def told_to_end(self, pid: int) -> bool:
        """See `Gateway.told_to_end`."""
        try:
            with self.folder.log.open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - 65536))
                return any(f"[{pid}][".encode() in line and b"caught ENVOY_SIG" in line for line in file)
        except FileNotFoundError:
            return False

    def stop(self, grace: float) -> None:
        """See `Gateway.stop`."""
        if self.running() is None:
            return
        until = self._clock() + grace
        try:
            self.admin.call("POST", "/healthcheck/fail")  # from now on every answer closes its connection
            self.admin.call("POST", "/drain_listeners")
            while self._clock() < until and any(self.admin.stats("^http[.]tidegate[.]downstream_rq_active$").values()):
                self._sleep(0.02)
        except RetryLater:
            pass  # it ends all the same, by signal
        for number in (signal.SIGTERM, signal.SIGKILL):
            until = self._clock() + grace
            for one in [*self._ending, *filter(None, [self.running()])]:
                process.signal_to(one, number)
            while (self.running() or self._ending) and self._clock() < until:
                self._sleep(0.01)
        self._starts = 0
