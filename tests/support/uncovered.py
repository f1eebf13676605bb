"""Programs that a test starts and that coverage is not measured in: for what measuring would change, or make slow."""

from __future__ import annotations

import os
from collections.abc import Mapping


def uncovered(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """These variables (this process's own, when none are given) without coverage's."""
    return {name: value for name, value in (variables or os.environ).items() if not name.startswith("COV")}
