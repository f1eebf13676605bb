"""The pages of the documentation as the tests see them: which there are, their code blocks, their headings' anchors."""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "docs" / "reference" / "rules.md"

_FENCE = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.M | re.S)
_SPAN = re.compile(r"`([^`\n]+)`")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.M)


def pages() -> list[Path]:
    """Every Markdown page for people: the top level, docs/ and the models' own."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("models/**/*.md")]
    assert len(found) > 20
    return sorted(found)


@cache
def generator() -> ModuleType:
    """docs/generate.py, which makes the pages of the reference and knows what a command prints."""
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def name(page: Path) -> str:
    """The page as people name it."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, *languages: str) -> list[str]:
    """The fenced blocks in one of these languages."""
    return [text for language, text in _FENCE.findall(page.read_text(encoding="utf-8")) if language in languages]


def spans(page: Path) -> list[str]:
    """The inline code, fenced blocks left out."""
    return _SPAN.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))


def without_code(page: Path) -> str:
    """The page's text without fenced blocks and inline code."""
    return _SPAN.sub("", _FENCE.sub("", page.read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    """What a link may point to: headings as GitHub names them, and explicit ids."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    found = set(re.findall(r'<a id="([^"]+)">', text))
    for heading in _HEADING.findall(text):
        shown = re.sub(r"<[^>]+>", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading))
        slug = re.sub(r"[^\w\- ]", "", shown.strip().lower()).replace(" ", "-")
        found.add(slug)
    return found


def table_fields(page: Path, marker: str) -> set[str]:
    """The names in code in the first column of the table behind `<!-- fields: MARKER -->`."""
    after = page.read_text(encoding="utf-8").partition(f"<!-- fields: {marker} -->\n")[2]
    assert after, marker
    rows = [line for line in after.partition("\n\n")[0].splitlines()[2:] if line.startswith("|")]
    return {field for row in rows for field in _SPAN.findall(row.split("|")[1])}
