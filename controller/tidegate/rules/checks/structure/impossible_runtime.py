"""A runtime must be one that can start: something to run, a port, time, and resources that exist.

A container without memory, a port beyond 65535 or a start-up time of nothing is refused by the engine after the merge,
when the candidate is due. A version without an image needs a `command`. To mend, write values that a machine can give.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.rules.context import Context
from tidegate.rules.documents import in_use
from tidegate.rules.finding import Finding
from tidegate.rules.rule import Example, Rule
from tidegate.spec.source import Loc
from tidegate.spec.version import Runtime

SMALLEST = 6 * 2**20
"""Bytes: the least memory that the engine accepts for a container."""


def check(context: Context) -> Iterator[Finding]:
    """Judge the runtime of every version in use."""
    for _, version in in_use(context):
        runtime = version.value.runtime
        for loc, message, fix in _faults(runtime) if runtime is not None else ():
            yield RULE.finding(version, ("runtime", *loc), message, fix)


def _faults(runtime: Runtime) -> Iterator[tuple[Loc, str, str]]:
    if runtime.image is None and not runtime.command:
        yield (), "there is nothing to run: neither an image nor a command", "add 'image:' or 'command:'"
    if not 1 <= runtime.port <= 65535:
        yield ("port",), f"{runtime.port} is no port", "write one from 1 to 65535"
    if runtime.startup_timeout <= 0:
        yield ("startup_timeout",), "no time to start in: every candidate would be rejected", "write it like 60s"
    resources = runtime.resources
    if resources.cpus is not None and resources.cpus <= 0:
        yield ("resources", "cpus"), f"{resources.cpus:g} cores run nothing", "write a number above 0, such as 0.5"
    if resources.memory is not None and resources.memory < SMALLEST:
        message = f"{resources.memory} bytes of memory: a container needs 6Mi at least"
        yield ("resources", "memory"), message, "write it with its unit, like 512Mi"
    if resources.gpus < 0:
        yield ("resources", "gpus"), f"{resources.gpus} GPUs", "write 0 or more"


_VERSION = "models/digits/versions/2.0.0.yaml"

RULE = Rule(
    id="impossible-runtime",
    severity="error",
    since="0.2.0",
    manual=__doc__ or "",
    check=check,
    bad=(
        Example(_VERSION, "memory: 512}", "memory: 512Mi}", at="512}"),
        Example(_VERSION, "cpus: 0,", "cpus: 1,", at="0,"),
        Example(_VERSION, "port: 80800\n  startup_timeout: 60s", "startup_timeout: 60s", at="80800"),
    ),
    good=(Example(_VERSION, "cpus: 0.5,", "cpus: 1,"),),
)
