"""Links lead somewhere: files that are there, headings that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs_pages import ROOT, anchors, name, pages, without_code

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")


def broken(page: Path, root: Path = ROOT) -> list[str]:
    """The page's links to files below `root` that lead nowhere."""
    found = []
    for one, other in _LINK.findall(without_code(page)):
        link = one or other
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.is_relative_to(root) or not target.exists():
            found.append(f"{link}: no such file")
        elif anchor and anchor not in anchors(target):
            found.append(f"{link}: no such heading")
    return found


@pytest.mark.parametrize("page", pages(), ids=name)
def test_every_relative_link_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    assert broken(page) == []


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Here\n[a](missing.md) [b](#nowhere) [c](#here)\n")
    assert broken(page, tmp_path) == ["missing.md: no such file", "#nowhere: no such heading"]


def test_every_page_of_the_documentation_can_be_reached_from_the_readme() -> None:
    reached, todo = set[Path](), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in reached:
            continue
        reached.add(page)
        for one, other in _LINK.findall(without_code(page)):
            link = one or other
            target = (page.parent / link.partition("#")[0]).resolve() if "://" not in link else page
            if target.suffix == ".md" and target.is_file():
                todo.append(target)
            elif target.is_dir() and target.is_relative_to(ROOT / "docs"):
                todo += sorted(target.glob("*.md"))
    assert {page for page in pages() if page.is_relative_to(ROOT / "docs")} - reached == set()
