"""The history rules where examples do not reach: the order of versions, steps and signatures, approvals, sets."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from example_repo import example, judge
from hypothesis import given
from hypothesis import strategies as st

from tidegate.rules.checks.history import next_version
from tidegate.rules.context import Context
from tidegate.rules.engine import run
from tidegate.rules.finding import Finding
from tidegate.rules.history import Change, History
from tidegate.rules.pages import page
from tidegate.rules.registry import BY_ID
from tidegate.spec.declared import load
from tidegate.spec.layout import wanted
from tidegate.spec.semver import read

PREPARED = ("digits.prepare:main", "digits.prepare:centred")
TRAINED = ("epochs: 20", "epochs: 40")
NO_DATA = re.compile(r"  data: .*\n")


def path_of(number: str) -> str:
    return f"models/digits/versions/{number}.yaml"


def after(
    merged: Sequence[str], new: str, *edits: tuple[str, str], old: Sequence[tuple[str, str]] = (), rule: str
) -> list[Finding]:
    """What a rule says of a new version where only these are merged, `old` edited into them."""
    files = {path: text for path, text in example().items() if wanted(path) and "/versions/" not in path}
    before = files | {path_of(number): next_version(number, *old).encode() for number in merged}
    now = before | {path_of(new): next_version(new, *edits).encode()}
    history = History("0" * 40, before, load(before, None), (Change(path_of(new), "A", "000000", blob="1" * 40),))
    return [finding for finding in run(Context(load(now, None), now, history)) if finding.rule == rule]


@pytest.mark.parametrize(
    ("merged", "new", "fits"),
    [
        (["1.0.0"], "1.0.1", True),
        (["1.0.0", "2.0.0"], "1.0.1", False),
        (["1.9.0"], "1.10.0", True),
        (["1.10.0"], "1.9.0", False),
        (["1.0.0"], "1.0.0+data.1", True),
        (["1.0.0+data.1"], "1.0.0+data.2", True),
        (["1.0.0+data.9"], "1.0.0+data.10", True),
        (["1.0.0+data.2"], "1.0.0+data.1", False),
        (["1.0.0+data.1"], "1.0.0", False),
        (["2.0.0"], "2.0.0-rc.1", False),
        (["2.0.0"], "3.0.0-rc.1", True),
        (["2.0.0", "3.0.0-rc.1"], "2.0.1", True),
        (["2.0.0", "3.0.0-rc.2"], "3.0.0-rc.1", False),
        (["2.0.0", "3.0.0-rc.1"], "3.0.0-rc.2", True),
        (["2.0.0", "3.0.0-rc.9"], "3.0.0-rc.10", True),
        (["2.0.0", "3.0.0-rc.1"], "3.0.0", True),
        (["2.0.0", "3.0.0-rc.1"], "2.1.0-beta", True),
        ([], "0.0.1", True),
    ],
)
def test_a_new_version_is_greater_than_what_is_merged(merged: list[str], new: str, fits: bool) -> None:
    found = after(merged, new, rule="version-order")
    assert (not found) is fits
    for finding in found:
        suggested = re.findall(r'write "([^"]+)"', finding.fix)
        assert not after(merged, suggested[0], rule="version-order")


def test_a_page_shows_what_was_deleted_or_moved() -> None:
    shown = page(BY_ID["deleted-version"])
    assert "    (deleted)\n" in shown and "    (moved to models/digits/versions/1.0.0-old.yaml)\n" in shown


def test_a_file_that_was_never_numbered_by_semver_stands_in_nobodys_way() -> None:
    assert after(["final"], "1.0.0", rule="version-order") == []


@pytest.mark.parametrize(
    ("merged", "new", "edits", "words"),
    [
        ("1.0.0", "1.0.1", [PREPARED], 'a minor step; write "1.1.0"'),
        ("1.0.0", "1.1.0", [PREPARED], None),
        ("1.0.0", "2.0.0", [PREPARED], None),
        ("1.0.0", "1.1.0", [("format: onnx", "format: safetensors")], 'a major step; write "2.0.0"'),
        ("1.0.0", "2.0.0", [("format: onnx", "format: safetensors")], None),
        ("1.0.0", "2.0.0-rc.1", [("format: onnx", "format: safetensors")], None),
        ("0.3.0", "0.4.0", [("format: onnx", "format: safetensors")], None),
        ("0.3.0", "0.3.1", [("format: onnx", "format: safetensors")], 'a minor step; write "0.4.0"'),
        ("0.3.0", "0.3.1", [PREPARED], None),
        ("1.0.0", "1.0.0+data.1", [TRAINED], 'a patch step; write "1.0.1"'),
        ("1.0.0", "1.0.1", [TRAINED], None),
        ("1.0.0", "1.0.0+data.1", [('THREADS: "1"', 'THREADS: "2"')], 'a patch step; write "1.0.1"'),
        ("1.0.0", "1.0.0+data.1", [("2026-09", "2026-10"), ("60303ae2", "70303ae2")], None),
        ("1.0.0", "1.0.0+data.1", [("60303ae2", "70303ae2")], 'a patch step; write "1.0.1"'),
        ("1.0.0+data.1", "1.0.1+data.1", [("2026-09", "2026-10")], "the build part, which names it, did not"),
        ("1.0.0+data.1", "1.0.1+data.2", [TRAINED], "names other data than that of 1.0.0+data.1"),
        ("1.0.0+data.1", "1.0.1+data.1", [TRAINED], None),
        ("1.0.0+data.1", "1.0.1", [TRAINED], None),
    ],
)
def test_the_number_fits_what_changed(merged: str, new: str, edits: list[tuple[str, str]], words: str | None) -> None:
    found = after([merged], new, *edits, rule="semver-fits")
    assert [words in f"{finding.message}; {finding.fix}" for finding in found] == ([] if words is None else [True])


def test_a_version_is_held_against_the_newest_release_below_it() -> None:
    merged = ["1.0.0", "1.1.0", "1.2.0-rc.1", "3.0.0"]
    found = after(merged, "1.1.1", PREPARED, rule="semver-fits")
    assert ["since 1.1.0" in finding.message for finding in found] == [True]
    assert after(["1.2.0-rc.1"], "1.2.0", PREPARED, rule="semver-fits") == []


@pytest.mark.parametrize(
    ("old", "new", "step"),
    [
        (("openai", "gpt-4o-2024-05-13"), ("openai", "gpt-4o-2024-08-06"), "patch"),
        (("openai", "gpt-4o-2024-08-06"), ("openai", "gpt-4.1-2025-04-14"), "major"),
        (("anthropic", "claude-sonnet-4-20250514"), ("anthropic", "claude-opus-4-20250514"), "major"),
        (("openai", "gpt-4o-2024-08-06"), ("azure", "gpt-4o-2024-08-06"), "major"),
    ],
)
def test_a_providers_snapshot_is_a_patch_and_another_model_is_major(
    old: tuple[str, str], new: tuple[str, str], step: str
) -> None:
    files = {path: text for path, text in example().items() if wanted(path)}
    path = "models/assistant/versions/1.0.0.yaml"
    text = files[path].decode()

    def served(number: str, name: str, model: str) -> bytes:
        found = re.sub(r'version: "[^"]+"', f'version: "{number}"', text)
        return re.sub(r"  name: .*\n  model: .*\n", f"  name: {name}\n  model: {model}\n", found).encode()

    before = files | {path: served("1.0.0", *old)}
    number = {"patch": "1.0.0+data.2", "major": "1.1.0"}[step]
    added = f"models/assistant/versions/{number}.yaml"
    now = before | {added: served(number, *new)}
    history = History("0" * 40, before, load(before, None), (Change(added, "A", "000000", blob="1" * 40),))
    found = [finding for finding in run(Context(load(now, None), now, history)) if finding.rule == "semver-fits"]
    assert [f"asks for a {step} step" in finding.message for finding in found] == [True]


SIGNATURE = "  inputs: [{name: image, datatype: FP32, shape: [-1, 64]}]\n  outputs: [{name: label, datatype: INT64, shape: [-1]}]"


@pytest.mark.parametrize(
    ("inputs", "outputs", "words"),
    [
        ("{name: image, datatype: FP32, shape: [-1, 64]}", "{name: label, datatype: INT64, shape: [-1]}", None),
        ("{name: picture, datatype: FP32, shape: [-1, 64]}", None, "the input 'image' is gone"),
        ("{name: image, datatype: FP16, shape: [-1, 64]}", None, "the input 'image' has another datatype"),
        ("{name: image, datatype: FP32, shape: [-1, 256]}", None, "the input 'image' has another shape"),
        ("{name: image, datatype: FP32, shape: [64]}", None, "the input 'image' has another shape"),
        ("{name: image, datatype: FP32, shape: [-1, -1]}", None, None),
        ("{name: image, datatype: FP32, shape: [-1, 64], note: scanned}", None, None),
        ("{name: image, datatype: FP32, shape: [-1, 64]}, {name: scale, datatype: FP32}", None, "'scale' is new"),
        ("{name: image, datatype: FP32, shape: [-1, 64]}, {name: scale, optional: true}", None, None),
        (None, "{name: label, datatype: INT64, shape: [-1]}, {name: score, datatype: FP32}", None),
        (None, "{name: score, datatype: FP32}", "the output 'label' is gone"),
        (None, "{name: label, datatype: INT64, shape: [10]}", None),
        (None, "{name: label, datatype: INT32, shape: [-1]}", "the output 'label' has another datatype"),
    ],
)
def test_what_breaks_callers_is_a_major_version(inputs: str | None, outputs: str | None, words: str | None) -> None:
    changed = SIGNATURE
    if inputs is not None:
        changed = re.sub(r"inputs: \[.*\]\n", f"inputs: [{inputs}]\n", changed)
    if outputs is not None:
        changed = re.sub(r"outputs: \[.*\]", f"outputs: [{outputs}]", changed)
    edit = (SIGNATURE, changed)
    found = after(["1.0.0"], "1.4.0", edit, rule="signature-break")
    assert [(words or "") in finding.message for finding in found] == ([] if words is None else [True])
    assert after(["1.0.0"], "2.0.0", edit, rule="signature-break") == []
    assert after(["0.1.0"], "0.2.0", edit, rule="signature-break") == []
    assert bool(after(["0.1.0"], "0.1.1", edit, rule="signature-break")) is (words is not None)


def test_a_signature_that_was_never_declared_breaks_nobody() -> None:
    nothing = (f"signature:\n{SIGNATURE}\n", "")
    assert after(["1.0.0"], "1.0.1", nothing, rule="signature-break") == []
    assert after(["1.0.0"], "1.0.1", old=[nothing], rule="signature-break") == []


def test_an_approval_counts_as_early_for_the_route_that_changes_only() -> None:
    files = example()
    path = "models/digits/deployment.yaml"
    text = files[path].decode()

    def found(now: str) -> list[str]:
        return [f.message.split()[0] for f in judge(files | {path: now.encode()}) if f.rule == "early-approval"]

    both = text.replace('archive: {version: "1.0.0"}', 'archive: {version: "1.0.0", approvals: [half]}')
    assert found(both) == []
    assert found(both.replace('version: "2.0.0"\n', 'version: "1.0.0"\n')) == []
    moved = text.replace('version: "2.0.0"\n', 'version: "1.0.0"\n')
    assert found(moved.replace("approvals: []", "approvals: [half]")) == ["'half'"]
    assert found(moved) == []


def test_a_set_that_no_merged_version_was_judged_on_may_change() -> None:
    files = example()
    old, new = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae", "5" * 64
    model = files["models/digits/model.yaml"].decode()
    assert old in model
    before = {
        path: text.replace(old.encode(), b"6" * 64) if "/versions/" in path else text
        for path, text in files.items()
        if wanted(path)
    }
    now = before | {"models/digits/model.yaml": model.replace(old, new).encode()}
    history = History("0" * 40, before, load(before, None), (Change("models/digits/model.yaml", "M"),))
    assert "evaluation-set-changed" not in {finding.rule for finding in run(Context(load(now, None), now, history))}


IDENTIFIER = st.one_of(st.integers(0, 20).map(str), st.text("abz-", min_size=1, max_size=3))
NUMBER = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)).map(lambda core: ".".join(map(str, core)))
PARTS = st.lists(IDENTIFIER, max_size=3).map(".".join)
VERSION = st.tuples(NUMBER, PARTS, PARTS).map(
    lambda parts: parts[0] + (f"-{parts[1]}" if parts[1] else "") + (f"+{parts[2]}" if parts[2] else "")
)


@given(VERSION, VERSION, VERSION)
def test_versions_have_one_order(one: str, two: str, three: str) -> None:
    versions = [read(one), read(two), read(three)]
    assert None not in versions
    a, b, c = (version for version in versions if version is not None)
    assert (a.order == b.order) == (a == b)
    if a.order <= b.order <= c.order:
        assert a.order <= c.order
    if a.precedence < b.precedence:
        assert a.order < b.order
    assert a.precedence == read(one.partition("+")[0]).precedence  # type: ignore[union-attr]  # it was one before


def test_the_order_is_that_of_semver_org() -> None:
    order = "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 2.0.0 2.1.0 2.1.1"
    keys = [found.precedence for text in order.split() if (found := read(text)) is not None]
    assert len(keys) == 11
    assert keys == sorted(set(keys))


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "1.0",
        "01.0.0",
        "1.0.0-01",
        "v1.0.0",
        "1.0.0+",
        "1.0.0-",
        " 1.0.0",
        "1.0.0\n",
        "\u0661.0.0",
        "1" * 200 + ".0.0",
    ],
)
def test_what_is_no_version_is_none(text: str) -> None:
    assert read(text) is None
