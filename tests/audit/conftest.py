"""A record and its archive for each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from audit_record import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)
