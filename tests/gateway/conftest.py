"""A world for each test: nothing is shared, nothing is left running."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.engine import free_port
from support.gateways import World
from tidegate.gateway.supervisor import Gateway


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A folder, a free port, backends by name."""
    made = World(tmp_path / "state", free_port())
    yield made
    for gateway in reversed(made.opened):
        gateway.stop(grace=1.0)
    for backend in made.backends.values():
        backend.close()


@pytest.fixture
def gateway(world: World) -> Gateway:
    """Started, with nothing applied."""
    made = world.open()
    made.start()
    return made
