"""Structure and references where examples do not reach: names of files, odd characters, ranges, files of the repository."""

from __future__ import annotations

import hashlib

import pytest
from example_repo import edited, example, judge
from hypothesis import given
from hypothesis import strategies as st

from tidegate.rules.checks.references.version_range import range_fault
from tidegate.rules.finding import Finding
from tidegate.rules.moments import moment
from tidegate.rules.rule import Example
from tidegate.rules.weights import inside

MODEL = "models/digits/model.yaml"
VERSION = "models/digits/versions/2.0.0.yaml"


def found(files: dict[str, bytes], rule: str) -> list[Finding]:
    return [one for one in judge(files, history=False) if one.rule == rule]


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("models/digits/deployment.yml", "models/digits/deployment.yaml"),
        ("models/digits/Model.yaml", "models/digits/model.yaml"),
        ("models/digits/versions/1.2.0.yml", "models/digits/versions/1.2.0.yaml"),
        ("models/digits/Versions/1.2.0.yaml", "models/digits/versions/1.2.0.yaml"),
        ("models/digits/version/1.2.0.yaml", "models/digits/versions/1.2.0.yaml"),
        ("models/digits/config/default.yaml", "models/digits/configs/default.yaml"),
        ("models/digits/v1.2.0.yaml", "models/digits/versions/1.2.0.yaml"),
        ("models/vision/digits/deployment.yaml", "models/digits/deployment.yaml"),
        ("models/model.yaml", "models/<model>/model.yaml"),
        ("policies/progressive.yml", "policies/progressive.yaml"),
        ("policies/eu/progressive.yaml", "policies/progressive.yaml"),
        ("tidegate.yml", "tidegate.yaml"),
        ("models/digits/training/params.yaml", None),
        ("models/digits/artifacts/1.0.0/config.yaml", None),
        ("models/digits/notes.yaml", None),
        ("mkdocs.yml", None),
    ],
)
def test_a_file_that_looks_like_a_declaration_is_told_where_it_belongs(path: str, meant: str | None) -> None:
    files = example() | {path: b"api: tidegate/v1\n"}
    told = found(files, "unread-file")
    assert [(one.path, one.fix) for one in told] == ([(path, f"git mv {path} {meant}")] if meant else [])


SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
PERSIAN = "\u0646\u0645\u06cc\u200c\u062f\u0627\u0646\u0645"


@pytest.mark.parametrize(
    "text", [SCOTLAND, PERSIAN, "\u05e9\u05dc\u05d5\u05dd", "\U0001f469\u200d\U0001f4bb", "naïve Ω"]
)
def test_every_script_and_emoji_is_fine(text: str) -> None:
    assert judge(edited(Example(MODEL, f"summary: {text}", "summary: Reads a handwritten digit"))) == []


@pytest.mark.parametrize("mark", ["\u200b", "\u202e", "\u2066", "\u2060", "\u00ad", "\U000e0041"])
def test_marks_that_nobody_sees_are_found_in_comments_too(mark: str) -> None:
    (one,) = found(edited(Example(MODEL, f"name: digits # ours{mark}\n", "name: digits\n")), "hidden-character")
    assert (one.line, one.column) == (4, 20)
    assert mark not in one.message


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("owners: [vision-platform]", 'owners: ["vision\u00a0platform"]', "odd-text"),
        ("values: [internal, beta]", 'values: ["internal\\t", beta]', "odd-text"),
        ("accuracy: {min: 0.95}", '"accuracy ": {min: 0.95}', "odd-text"),
    ],
)
def test_names_with_odd_spaces_are_told(old: str, new: str, rule: str) -> None:
    assert len(found(edited(Example(MODEL, new, old)), rule)) == 1


@pytest.mark.parametrize(
    "text",
    [
        ">=2.3,<3",
        "==1.2.*",
        "~=1.4",
        " >= 2 , < 3 ",
        "!=1.5",
        ">=1.0.0-rc.1,<2",
        "==1.2,>=1.2",
        ">1,<=1.0.1",
        "<=2.0,>=2",
    ],
)
def test_ranges_that_something_lies_in(text: str) -> None:
    assert range_fault(text) is None


@pytest.mark.parametrize("text", ["", ">=2,", "2.3", "latest", "^2", ">=a", ">=3,<2", ">2,<2", "==1,==2", ">=2,<2.0"])
def test_ranges_that_say_nothing(text: str) -> None:
    assert range_fault(text) is not None


@given(st.tuples(st.integers(0, 9), st.integers(0, 9)), st.tuples(st.integers(0, 9), st.integers(0, 9)))
def test_a_range_is_empty_when_its_ends_have_changed_places(low: tuple[int, int], high: tuple[int, int]) -> None:
    text = f">={low[0]}.{low[1]},<{high[0]}.{high[1]}"
    assert (range_fault(text) is None) == (low < high)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:models/a.onnx", "models/a.onnx"), ("file:./models//a.onnx", "models/a.onnx"), ("file:a%20b", "a b"),
        ("file:///models/a.onnx", None), ("file://models/a.onnx", None), ("file:../a", None), ("s3://b/a", None),
        ("file:", None), ("file:a%00b", None), ("http://[", None),
    ],
)  # fmt: skip
def test_only_a_relative_file_uri_lies_in_the_repository(uri: str, path: str | None) -> None:
    assert inside(uri) == path


def test_a_file_of_the_repository_is_compared_with_its_digest_and_size() -> None:
    content = b"weights"
    digest = hashlib.sha256(content).hexdigest()
    files = example() | {"models/digits/weights.onnx": content}
    text = files[VERSION].decode().replace("s3://models/digits/2.0.0/model.onnx", "file:models/digits/weights.onnx")
    text = text.replace("b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", digest)
    files[VERSION] = text.encode()
    assert [one.fix for one in found(files, "file-digest")] == ["write size: 7, if the file is the right one"]
    files[VERSION] = text.replace("size: 31245", "size: 7").encode()
    assert judge(files, history=False) == []
    del files["models/digits/weights.onnx"]
    assert [one.rule for one in judge(files, history=False)] == ["missing-file"]


@pytest.mark.parametrize(
    ("written", "valid"),
    [("2026-08-30", True), ("2026-08-30T14:05:00Z", True), ("2026-08-30 14:05", True), ("2026-08-30T14:05:00.5+02:00", True),
     ("2026-02-30", False), ("20260830", False), ("30.8.2026", False), ("", False), (20260830, False), (None, False),
     ("0001-01-01T00:00:00+23:59", False)],
)  # fmt: skip
def test_a_moment_is_one_that_a_calendar_has(written: object, valid: bool) -> None:
    assert (moment(written) is not None) == valid
