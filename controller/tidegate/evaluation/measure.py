"""Does a job: every example sent to the server, a few at a time; answers checked, timed, compared. The child's own work.

A connection that breaks is tried again; a timeout, a status or a wrong answer is the server's answer. Neighbours:
protocol.py, metrics.py; __main__.py calls this in a process of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import aiohttp

from tidegate.evaluation.examples import Example, read_examples
from tidegate.evaluation.job import Job, Measured
from tidegate.evaluation.metrics import Answered, Missing, Reading, Unmeasured, measure, pairs
from tidegate.evaluation.protocol import BadAnswer, body_of, outputs_of, path_of
from tidegate.spec.errors import RetryLater

PAUSES: Final = (0.1, 0.5)
"""Seconds before a broken connection is tried again."""
TOLD: Final = 5
"""Failures that are told in words."""
HOPELESS: Final = 20
"""Failures that are looked at, however few are tolerated: what is wrong should be seen whole."""
WARM_UP: Final = 2
CAUSE_HEADER: Final = "x-tidegate-cause"
"""Set by the gateway (gateway/bootstrap.py) on what it answers itself because the server did not: Envoy's flags."""
UNREACHED: Final = ("UF", "UH", "NC")
LARGEST: Final = 64 << 20
"""Bytes of one answer."""


def run(job: Job) -> Measured:
    """Measure. Raises NeedsPerson when the set cannot be read, RetryLater when nobody listens at the address."""
    examples = read_examples(Path(job.path).read_bytes(), job.path)
    if job.limit is not None:
        examples = list(islice(cycle(examples), job.limit))
    return asyncio.run(_measure(job, examples))


async def _measure(job: Job, examples: Sequence[Example]) -> Measured:
    answered: list[Answered | None] = [None] * len(examples)
    failures: list[tuple[int, str]] = []
    enough = max(HOPELESS, int(job.tolerated * len(examples)))
    ahead = iter(range(len(examples)))
    timeout = aiohttp.ClientTimeout(total=job.patience)
    connector = aiohttp.UnixConnector(job.target.gateway, limit=job.concurrency)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session:

        async def lane() -> None:
            for index in ahead:
                if len(failures) > enough:
                    return
                answered[index], why = await _ask(session, job, examples[index])
                if why:
                    failures.append((examples[index].number, why))
                elif job.gentle:
                    await asyncio.sleep(answered[index].seconds or 0.0)  # type: ignore[union-attr]  # set just above

        for _ in range(WARM_UP):  # the first answers of a server that was never asked say nothing of the others
            await _ask(session, job, examples[0])
        async with asyncio.TaskGroup() as lanes:
            for _ in range(1 if job.gentle else job.concurrency):
                lanes.create_task(lane())
    done = [one for one in answered if one is not None]
    scored = done if job.score else [replace(one, expected=None, slices={}) for one in done]
    metrics, slices, unknown = measure(scored, job.metrics, Reading(job.output, job.scores, job.labels))
    return Measured(
        job.sha256,
        len(done),
        len(failures),
        tuple(f"example {number}: {why}" for number, why in sorted(failures)[:TOLD]),
        metrics,
        slices,
        unknown,
        complete=len(done) == len(examples),
    )


async def _ask(session: aiohttp.ClientSession, job: Job, example: Example) -> tuple[Answered, str]:
    """One example, and why it failed ('': it did not). Raises RetryLater when nobody listens."""
    target = job.target
    url = f"http://gateway/{target.model}{path_of(target, example)}"
    body = body_of(target, example)
    failed = Answered(example.expected, example.slices)
    for pause in (*PAUSES, None):
        began = time.perf_counter()
        try:
            async with session.post(url, data=body, headers={"content-type": "application/json"}) as answer:
                content = await answer.content.read(LARGEST)
                _from_the_server(answer)
            seconds = time.perf_counter() - began
        except TimeoutError:
            return replace(failed, seconds=time.perf_counter() - began), f"no answer within {job.patience:g} s"
        except (aiohttp.ClientError, _NobodyError) as error:
            if pause is not None:
                await asyncio.sleep(pause)
                continue
            if isinstance(error, _NobodyError):
                raise RetryLater(f"the server of {target.model} takes no connection", delay=1.0) from error
            if isinstance(error, aiohttp.ClientConnectorError):
                raise RetryLater(f"nobody listens at {target.gateway}", delay=1.0) from error
            return failed, f"the connection broke {len(PAUSES) + 1} times: {error}"
        failed = replace(failed, seconds=seconds)
        if not 200 <= answer.status < 300:
            words = content[:200].decode("utf-8", "replace").split()
            return failed, f"status {answer.status}: {' '.join(words)}"
        try:
            answered = replace(failed, outputs=outputs_of(target, example, content))
            if job.score:
                _whole(answered, job)
        except BadAnswer as error:
            return failed, str(error)
        return answered, ""
    raise AssertionError("the last try returns or raises")


class _NobodyError(Exception):
    """The gateway could not reach the server."""


def _from_the_server(answer: aiohttp.ClientResponse) -> None:
    """Raises what a client without a gateway would have met, where the gateway answers for a server that did not."""
    cause = answer.headers.get(CAUSE_HEADER, "")
    if any(flag in UNREACHED for flag in cause.split(",")):
        raise _NobodyError(cause)
    if cause:
        raise aiohttp.ServerDisconnectedError("the server closed the connection")


def _whole(answered: Answered, job: Job) -> None:
    """Raises BadAnswer for an answer that lacks what the example expects. An example that expects nothing is no matter."""
    try:
        pairs([answered], Reading(job.output), failed=False)
    except Missing as error:
        raise BadAnswer(str(error)) from error
    except Unmeasured:
        return
