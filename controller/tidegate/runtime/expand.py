"""What a workload's command and environment become once its artifact's path and its port are known.

Neighbours: docker.py and process.py, which choose the path and the port.
"""

from __future__ import annotations

from collections.abc import Callable

from tidegate.runtime.interface import Workload
from tidegate.spec.errors import NeedsPerson

ARTIFACT = "TIDEGATE_ARTIFACT"
PORT = "TIDEGATE_PORT"


def expand(workload: Workload, artifact: str | None, port: int) -> tuple[list[str], dict[str, str]]:
    """Command and environment, `${TIDEGATE_ARTIFACT}` and `${TIDEGATE_PORT}` filled in and set as variables too.

    Raises NeedsPerson when the artifact is asked for and the version has none.
    """
    fill = _filler(workload, artifact, port)
    env = {PORT: str(port), **({ARTIFACT: artifact} if artifact else {})}
    env.update({name: fill(value) for name, value in workload.spec.env.items()})
    return [fill(word) for word in workload.spec.command], env


def _filler(workload: Workload, artifact: str | None, port: int) -> Callable[[str], str]:
    def fill(text: str) -> str:
        if artifact is None and f"${{{ARTIFACT}}}" in text:
            raise NeedsPerson(
                f"'{text}' asks for ${{{ARTIFACT}}}, and the version has no artifact",
                where=f"{workload.model} {workload.version}",
                fix="declare `artifact` in the version's file, or take the placeholder out of `runtime`",
            )
        return text.replace(f"${{{ARTIFACT}}}", artifact or "").replace(f"${{{PORT}}}", str(port))

    return fill
