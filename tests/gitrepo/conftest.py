"""Fixtures of the git room."""

from __future__ import annotations

from pathlib import Path

import pytest
from gitrepo_world import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A bare remote, a clone, a mirror; no configuration of whoever runs the tests."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    return World(tmp_path)
