"""What a workload's command and environment become once its paths and its port are known.

Neighbours: docker.py and process.py, which choose the paths and the port.
"""

from __future__ import annotations

from collections.abc import Callable

from tidegate.runtime.interface import Workload
from tidegate.spec.errors import NeedsPerson

ARTIFACT = "TIDEGATE_ARTIFACT"
CONFIGS = "TIDEGATE_CONFIGS"
PORT = "TIDEGATE_PORT"


def expand(
    workload: Workload, artifact: str | None, port: int, configs: str | None = None
) -> tuple[list[str], dict[str, str]]:
    """Command and environment; TIDEGATE_ARTIFACT, TIDEGATE_CONFIGS and TIDEGATE_PORT filled in and set as variables too.

    Raises NeedsPerson when the artifact or the folder of configs is asked for and there is none.
    """
    known = {PORT: str(port)}
    known |= {ARTIFACT: artifact} if artifact else {}
    known |= {CONFIGS: configs} if configs else {}
    fill = _filler(workload, known)
    env = known | {name: fill(value) for name, value in workload.spec.env.items()}
    return [fill(word) for word in workload.spec.command], env


def _filler(workload: Workload, known: dict[str, str]) -> Callable[[str], str]:
    where = f"{workload.model} {workload.version}"

    def fill(text: str) -> str:
        if ARTIFACT not in known and f"${{{ARTIFACT}}}" in text:
            raise NeedsPerson(
                f"'{text}' asks for ${{{ARTIFACT}}}, and the version has no artifact",
                where=where,
                fix="declare `artifact` in the version's file, or take the placeholder out of `runtime`",
            )
        if CONFIGS not in known and f"${{{CONFIGS}}}" in text:
            raise NeedsPerson(
                f"'{text}' asks for ${{{CONFIGS}}}, and the server gets no such folder",
                where=where,
                fix="only servers of `protocol: http` have one, where the engine sees the controller's `state` folder",
            )
        for name, value in known.items():
            text = text.replace(f"${{{name}}}", value)
        return text

    return fill
