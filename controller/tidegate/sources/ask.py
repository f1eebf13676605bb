"""One look at a source, for all releases of a route at once: a job beside the loop, which never waits for it.

Neighbours: prometheus.py and webhook.py know the protocols; engine/sources.py says when, and makes evidence of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import aiohttp

from tidegate.sources import prometheus, webhook
from tidegate.sources.access import Access
from tidegate.sources.interface import Arm, Look, Reading
from tidegate.spec.errors import NeedsPerson, RetryLater
from tidegate.spec.sources import PrometheusSource, WebhookSource

Source = PrometheusSource | WebhookSource


def look(source: Source, arms: Mapping[Arm, Mapping[str, str]], times: Sequence[float], access: Access) -> Look:
    """Ask for what each arm shows. `arms`: the variables of its release. `times`: the moments (epoch seconds), the last
    one now; only a Prometheus can be asked for earlier ones. Never raises what a source may do wrong: it is in the Look.
    """
    now = times[-1]
    try:
        found = asyncio.run(_all(source, arms, times, access))
    except RetryLater as error:
        return Look(now, down=error)
    except NeedsPerson as error:
        return Look(now, broken=error)
    return Look(
        now,
        {arm: readings for arm, (readings, _) in found.items()},
        {arm: why for arm, (_, why) in found.items() if why},
    )


async def _all(
    source: Source, arms: Mapping[Arm, Mapping[str, str]], times: Sequence[float], access: Access
) -> dict[Arm, tuple[tuple[Reading, ...], str]]:
    timeout = aiohttp.ClientTimeout(total=source.patience)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
        if isinstance(source, PrometheusSource):
            asked = [prometheus.readings(session, source, arms[arm], arm, times, access) for arm in arms]
        else:
            asked = [webhook.readings(session, source, arms[arm], times[-1], access) for arm in arms]
        # All are waited for, so that no request is left behind; the first error in order is the one that is told.
        answers = await asyncio.gather(*asked, return_exceptions=True)
    found: dict[Arm, tuple[tuple[Reading, ...], str]] = {}
    for arm, answer in zip(arms, answers, strict=True):
        if isinstance(answer, BaseException):
            raise answer
        found[arm] = answer
    return found
