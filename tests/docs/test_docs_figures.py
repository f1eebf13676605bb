"""The page of numbers is as `python docs/figures.py` makes it: the tables by the plan's arithmetic, the pictures as drawn."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def figures() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("docs_figures", DOCS / "figures.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "docs_figures", module)
        spec.loader.exec_module(module)
        yield module


def test_the_tables_are_fresh(figures: ModuleType) -> None:
    text = figures.PAGE.read_text(encoding="utf-8")
    assert figures.page(text) == text


def test_a_page_without_a_place_for_a_table_is_seen(figures: ModuleType) -> None:
    with pytest.raises(ValueError, match="no place for the table 'seen'"):
        figures.page("# Empty")


def test_the_pictures_of_evidence_are_fresh(figures: ModuleType, tmp_path: Path) -> None:
    drawn = figures.pictures(tmp_path)
    assert len(drawn) == 6
    stale = [path.name for path in drawn if path.read_bytes() != (DOCS / "img" / path.name).read_bytes()]
    assert stale == []


def test_the_pictures_tell_what_the_page_says_of_them(figures: ModuleType) -> None:
    verdicts = [figures._story(scene).verdict for scene in figures.SCENES]
    assert verdicts == ["fail", "pass", "hold"]
