"""What is asked of the validator for any bytes whatever: no traceback, findings with a place, every report writable.

Neighbours: fuzz_validate.py has atheris make the bytes, guided by coverage; test_fuzz_validate.py runs it in CI's time.
"""

from __future__ import annotations

import json
import zlib
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import tidegate.rules
from tidegate.rules.context import Context
from tidegate.rules.engine import sift
from tidegate.rules.history import History
from tidegate.rules.registry import BY_ID, RULES
from tidegate.rules.report import FORMATS, Report, reporter
from tidegate.spec.declared import Loader, load

EXAMPLE = Path(tidegate.rules.__file__).parent / "example"
FILES = {path.relative_to(EXAMPLE).as_posix(): path.read_bytes() for path in sorted(EXAMPLE.rglob("*.yaml"))}
PATHS = sorted(FILES)
TODAY = date(2026, 11, 21)
HISTORY = History("0" * 40, FILES, load(FILES, None))
LOADER = Loader(None)
"""Reads anew only the file that is not as it was: what is tried is the validator, a thousand times a second if need be."""


def seeds() -> list[bytes]:
    """Where to begin: every example of every rule, as bytes that `judge` takes apart again."""
    found = [bytes([index]) + FILES[path] for index, path in enumerate(PATHS)]
    for rule in RULES:
        for example in (*rule.bad, *rule.good):
            before = FILES.get(example.path, b"")
            old, new = example.old.encode(), example.new.encode("utf-8", "surrogateescape")
            if example.path in FILES and old in before:
                found.append(bytes([PATHS.index(example.path)]) + (before.replace(old, new) if old else new))
    return found


def judge(data: bytes) -> int:
    """Judge the example repository with one of its files replaced by these bytes (the first of them says which).

    Returns how many findings there were. Raises AssertionError, or whatever the validator lets out.
    """
    path = PATHS[data[0] % len(PATHS)] if data else PATHS[0]
    files = {**FILES, path: data[1:]}
    sifted = sift(Context(LOADER.load(files), files, HISTORY, today=TODAY))
    for finding in sifted.findings():
        assert finding.rule in BY_ID, finding
        assert finding.line >= 1 and finding.column >= 1, finding
        assert finding.message and finding.fix, finding
        assert finding.severity in ("error", "warning"), finding
    report = Report(sifted.kept, len(files), files, excerpts=True, silenced=sifted.silenced)
    assert report.summary
    texts = {name: reporter(name)(report) for name in FORMATS if name != "sarif" or not zlib.crc32(data) % 16}
    assert all(
        len(json.loads(text)["runs"][0]["results"]) >= len(sifted.kept)
        for name, text in texts.items()
        if name == "sarif"
    )
    assert len(json.loads(texts["json"])["findings"]) == len(sifted.kept)
    assert len(json.loads(texts["gitlab"])) == len(sifted.kept)
    assert len([line for line in texts["jsonl"].split("\n") if line]) == len(sifted.kept)
    ElementTree.fromstring(texts["junit"])
    for name, text in texts.items():
        assert name == "text" or text.encode("utf-8", "strict") is not None
    return len(sifted.kept)
