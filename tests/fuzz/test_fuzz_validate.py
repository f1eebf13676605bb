"""A run of the fuzzer in CI's time, and that it would tell a defect."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fuzz_harness as harness
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.uncovered import uncovered
from tidegate.rules import engine
from tidegate.rules.context import Context
from tidegate.rules.finding import Finding

RUNS = 500


def test_whatever_stands_in_a_file_is_judged_without_a_traceback(tmp_path: Path) -> None:
    """Guided by coverage, from the rules' own examples. libFuzzer bounds the time and the memory of each input."""
    script = Path(harness.__file__).with_name("fuzz_validate.py")
    done = subprocess.run(
        [sys.executable, script, "--each=4", f"-runs={RUNS}", "-seed=7"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600, env=uncovered(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    assert "Done " in done.stderr and "NEW" in done.stderr, done.stderr[-2000:]
    assert list(tmp_path.iterdir()) == []


def test_the_fuzzer_has_seeds_that_are_found() -> None:
    assert sum(harness.judge(seed) > 0 for seed in harness.seeds()[::4]) > 30


@settings(deadline=None, max_examples=60)
@given(st.integers(0, len(harness.PATHS) - 1), st.binary(max_size=300))
def test_bytes_without_any_sense_are_judged_too(index: int, text: bytes) -> None:
    harness.judge(bytes([index]) + text)


@settings(deadline=None, max_examples=80)
@given(st.integers(0, len(harness.PATHS) - 1), st.data())
def test_a_file_with_a_part_gone_or_doubled_is_judged_too(index: int, data: st.DataObject) -> None:
    text = harness.FILES[harness.PATHS[index]]
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 200)))
    put = data.draw(st.sampled_from([b"", text[start:end] * 2, b"\xff", b": ", b"\n", b"&a ", b"- "]))
    harness.judge(bytes([index]) + text[:start] + put + text[end:])


def test_a_defect_in_a_rule_would_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(context: Context) -> Iterator[Finding]:
        yield from ()
        if any("replicas: 77" in text.decode("utf-8", "replace") for text in context.files.values()):
            raise ZeroDivisionError

    monkeypatch.setattr(engine, "RULES", (*engine.RULES, replace(engine.RULES[0], id="broken", check=broken)))
    path = "models/digits/deployment.yaml"
    text = harness.FILES[path].replace(b"replicas: 2", b"replicas: 77")
    with pytest.raises(ZeroDivisionError):
        harness.judge(bytes([harness.PATHS.index(path)]) + text)
