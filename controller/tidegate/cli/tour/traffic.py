"""Real digit scans as traffic: a steady number of requests a second against the gateway, every answer kept with its release.

Runs in a thread with its own event loop. Only loopback addresses; bounded by the tour, which stops it.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson

from tidegate.spec.errors import InternalError


@dataclass(frozen=True, slots=True)
class Answer:
    """One request as its user saw it. Times in epoch seconds; `status` 0: no answer came. `release` from the header."""

    sent: float
    got: float
    status: int
    release: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Scan:
    """One request body, and the headers that go with it."""

    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Traffic:
    """`rate` requests a second on one URL, cycling through `scans`, until `stop`."""

    def __init__(self, url: str, scans: Sequence[Scan], rate: float) -> None:
        self._url = url
        self._scans = scans
        self._rate = rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)
        self.answers: list[Answer] = []
        self.sent = 0
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Begin sending."""
        self._thread.start()

    def stop(self) -> None:
        """Send nothing more and wait for the answers still under way."""
        self._stop.set()
        self._thread.join(timeout=30)
        if self.failure is not None:
            raise InternalError(f"the traffic stopped by itself: {self.failure!r}") from self.failure

    def since(self, moment: float) -> list[Answer]:
        """Answers to requests sent at or after `moment` (epoch seconds)."""
        return [answer for answer in list(self.answers) if answer.sent >= moment]

    def _run(self) -> None:
        try:
            asyncio.run(self._send())
        except BaseException as error:  # noqa: BLE001 kept, and raised again by stop()
            self.failure = error

    async def _send(self) -> None:
        timeout = aiohttp.ClientTimeout(total=15)
        connector = aiohttp.TCPConnector(limit=64)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector, trust_env=False) as session:
            under_way: set[asyncio.Task[None]] = set()
            begun = time.monotonic()
            for number, scan in zip(itertools.count(), itertools.cycle(self._scans)):
                if self._stop.is_set():
                    break
                pause = begun + number / self._rate - time.monotonic()
                if pause > 0:
                    await asyncio.sleep(pause)
                task = asyncio.create_task(self._one(session, scan))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            if under_way:
                await asyncio.wait(under_way)

    async def _one(self, session: aiohttp.ClientSession, scan: Scan) -> None:
        self.sent += 1
        sent = time.time()
        headers = {"content-type": "application/json", **dict(scan.headers)}
        try:
            async with session.post(self._url, data=scan.body, headers=headers) as response:
                body = await response.read()
                answer = Answer(
                    sent, time.time(), response.status, response.headers.get("x-tidegate-release", ""), body
                )
        except (aiohttp.ClientError, TimeoutError) as error:
            answer = Answer(sent, time.time(), 0, "", repr(error).encode())
        self.answers.append(answer)


def recorded_scans(path: Path) -> list[Scan]:
    """Requests from a file of JSON lines, each with `input`: the body as a caller would send it."""
    with path.open("rb") as lines:
        return [Scan(orjson.dumps(orjson.loads(line)["input"])) for line in lines]
