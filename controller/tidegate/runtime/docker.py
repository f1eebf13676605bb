"""The runtime of containers: each workload one hardened container of a Docker engine, found again by its labels.

Neighbours: container.py says what a container of ours looks like, images.py brings images, events.py listens,
faults.py sorts the engine's errors, address.py finds out how the gateway can reach a container.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.types.daemon import CancellableStream

from tidegate.runtime import container
from tidegate.runtime.address import Reach
from tidegate.runtime.events import Listener
from tidegate.runtime.faults import cannot_see, engine_faults, is_conflict, is_missing_image
from tidegate.runtime.images import drop, idle, pull
from tidegate.runtime.interface import Instance, Workload
from tidegate.runtime.labels import INSTANCE, NAME
from tidegate.runtime.task import Task, TaskEnded, run_task
from tidegate.spec.controller import RuntimeSettings
from tidegate.spec.errors import NeedsPerson, RetryLater

log = logging.getLogger(__name__)

PAUSES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds between tries to start: a name is taken some moments before its container can be seen."""


class DockerRuntime:
    """Containers of one Tidegate instance on one engine. Safe under several threads and several controllers."""

    kind = "docker"

    def __init__(self, client: docker.DockerClient, settings: RuntimeSettings, instance: str) -> None:
        self._client = client
        self._api = client.api
        self._settings = settings
        self._instance = instance
        self._reach = Reach(client, settings.address)
        self._listener: Listener | None = None
        self._lock = threading.Lock()
        self._busy: weakref.WeakValueDictionary[str, threading.Lock] = weakref.WeakValueDictionary()

    def observe(self) -> list[Instance]:
        """All containers of this Tidegate instance by one cheap call. `started_at` is when the container was made."""
        with engine_faults("list containers"):
            found = self._api.containers(all=True, filters={"label": [f"{INSTANCE}={self._instance}"]})
            mode = self._reach.mode()
        seen = (container.instance_of(entry, mode) for entry in found)
        return sorted((instance for instance in seen if instance is not None), key=lambda instance: instance.name)

    def start(self, workload: Workload) -> None:
        """Make and start its container unless that runs; an ended one is replaced, a missing image is pulled.

        Raises NeedsPerson (no such image, name taken by a foreign container, impossible resources) or RetryLater.
        """
        with self._one_at_a_time(workload.name), engine_faults(f"start {workload.name}"):
            for pause in PAUSES:
                if self._started(workload):
                    return
                time.sleep(pause)
        raise RetryLater("somebody else makes and removes its container", where=workload.name)

    def stop(self, name: str, grace: float) -> None:
        """TERM, KILL after `grace` seconds (rounded up to whole ones), remove with its anonymous volumes."""
        with self._one_at_a_time(name), engine_faults(f"stop {name}"):
            found = self._inspect(name)
            if found is not None:
                with contextlib.suppress(NotFound):
                    self._api.stop(found["Id"], timeout=math.ceil(grace))
                self._remove(found["Id"])

    def idle_images(self, names: Collection[str]) -> dict[str, int]:
        """Of these images those that are here and that no container uses, anybody's, with their size in bytes."""
        with engine_faults("look at images"):
            return idle(self._client, names)

    def drop_image(self, name: str) -> None:
        """Remove an image that no container uses. Raises NeedsPerson when one does by now."""
        with engine_faults(f"remove {name}"):
            drop(self._client, name)

    def logs(self, name: str, tail: int | None = None, follow: bool = False) -> Iterator[str]:
        """Lines of output, oldest first. `follow` ends with the container. Raises NeedsPerson for an unknown name."""
        with engine_faults(f"read the logs of {name}"):
            found = self._inspect(name)
            if found is None:
                raise NeedsPerson("no instance of that name is known", where=name, fix="look with: tidegate status")
            stream = self._api.logs(
                found["Id"], stream=True, follow=follow, tail="all" if tail is None else tail, stdout=True, stderr=True
            )
            rest = b""
            with _closing(stream):
                for chunk in stream:
                    *lines, rest = (rest + chunk).split(b"\n")
                    yield from (line.decode("utf-8", "replace") for line in lines)
            if rest:
                yield rest.decode("utf-8", "replace")

    def watch(self, hint: Callable[[], None]) -> None:
        """Call `hint` at every start and end that the engine tells of, and whenever its telling was interrupted."""
        with self._lock:
            if self._listener is None:
                self._listener = Listener(self._client, f"{INSTANCE}={self._instance}")
            self._listener.add(hint)

    def run_task(self, task: Task, timeout: float, cancelled: Callable[[], bool]) -> TaskEnded:
        """Run an evaluator's container to its end, at most `timeout` seconds. Raises NeedsPerson or RetryLater."""
        return run_task(self._client, self._instance, self._settings.user, task, timeout, cancelled)

    def close(self) -> None:
        """Stop listening and let the connections go. Containers go on."""
        with self._lock:
            if self._listener is not None:
                self._listener.close()
                self._listener = None
        self._client.close()

    # -- one try -------------------------------------------------------------------------------------------------------

    def _started(self, workload: Workload) -> bool:
        """One try to have it running. False: the world changed in between, look again."""
        found = self._inspect(workload.name)
        if found is None:
            made = self._create(workload)
        elif found["State"]["Status"] in ("running", "paused", "restarting"):
            return True
        elif found["State"]["Status"] == "created":  # left by a crash, or another controller is just about to start it
            made = str(found["Id"])
        else:
            self._remove(found["Id"])
            return False
        if made is None:
            return False
        try:
            self._api.start(made)
        except NotFound:
            return False
        except APIError:
            self._remove(made)
            raise
        return True

    def _create(self, workload: Workload) -> str | None:
        """A new container's id; None when the name was taken meanwhile, or the image had to be pulled first."""
        options = container.options(workload, self._instance, self._settings.user, self._api)
        try:
            return str(self._api.create_container(**options)["Id"])
        except APIError as error:
            if is_conflict(error):
                return None
            if is_missing_image(error):
                pull(self._client, str(workload.spec.image))
                return None
            if workload.configs is not None and cannot_see(error, workload.configs):
                log.warning("%s starts without %s: the engine does not see it", workload.name, workload.configs)
                return self._create(replace(workload, configs=None))
            raise

    def _inspect(self, name: str) -> dict[str, Any] | None:
        """Our container of that name, None without one. Raises NeedsPerson when it is somebody else's."""
        full = container.full_name(self._instance, name)
        try:
            found: dict[str, Any] = self._api.inspect_container(full)
        except NotFound:
            return None
        labels = found["Config"]["Labels"] or {}
        if labels.get(INSTANCE) != self._instance or labels.get(NAME) != name:
            raise NeedsPerson(
                "a container of this name is there already, and it is not ours",
                where=full,
                fix=f"look at it with `docker inspect {full}`; rename it, or give this Tidegate another `instance`",
            )
        return found

    def _remove(self, ident: str) -> None:
        try:
            self._api.remove_container(ident, force=True, v=True)
        except NotFound:
            return
        except APIError as error:
            if not is_conflict(error):  # a conflict: its removal is in progress already
                raise

    @contextlib.contextmanager
    def _one_at_a_time(self, name: str) -> Iterator[None]:
        with self._lock:
            lock = self._busy.setdefault(name, threading.Lock())
        with lock:
            yield


@contextlib.contextmanager
def _closing(stream: CancellableStream[bytes]) -> Iterator[None]:
    """Close the stream and the response behind it: the SDK's own close leaves the socket to the garbage collector."""
    try:
        yield
    finally:
        stream.close()
        stream._response.close()  # type: ignore[attr-defined]  # the SDK names no public way
