"""What one run leaves to the next never changes an answer: damaged, foreign, contended, full, or out of date."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from history_repo import ENVIRONMENT, Repo, example
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidegate.cli.check import memory, store, surroundings
from tidegate.cli.check.judge import judge
from tidegate.cli.check.memory import Memory, Run
from tidegate.cli.check.pack import packed, unpacked
from tidegate.cli.check.parts import Outcome
from tidegate.cli.check.stamp import stamp
from tidegate.cli.check.store import Store, folder_of
from tidegate.cli.check.surroundings import Answer, TreeSurroundings
from tidegate.cli.check.tree import tree_of
from tidegate.rules.facts import facts_of
from tidegate.rules.finding import Finding
from tidegate.spec.declared import load

V2 = "models/digits/versions/2.0.0.yaml"
CODEOWNERS = ".github/CODEOWNERS"


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """One commit with the example and one finding in it; the user's caches lie in a folder of the test."""
    monkeypatch.delenv("PRE_COMMIT", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(surroundings, "_SETTLED", 10**8)  # two seconds are for disks that note no less
    repo = Repo.init(tmp_path / "repo")
    repo.edit(V2, "size: 31245", "size: big")
    return repo


def kept(repo: Repo) -> list[Path]:
    """The files that runs have left."""
    return sorted(path for path in (repo.path / ".git/tidegate").rglob("*") if path.is_file())


def test_it_lies_in_gits_own_folder_and_the_work_tree_stays_as_it_was(repo: Repo, tmp_path: Path) -> None:
    before = repo.git("status", "--porcelain", "--ignored")
    judge([repo.path])
    assert kept(repo)
    assert repo.git("status", "--porcelain", "--ignored") == before
    assert not (tmp_path / "home").exists()


def test_without_the_cache_nothing_is_left_and_nothing_is_used(repo: Repo) -> None:
    assert judge([repo.path], cache=False).findings
    assert not (repo.path / ".git/tidegate").exists()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1), what=st.binary(max_size=40), cut=st.booleans())
def test_damage_anywhere_in_it_is_as_good_as_nothing(repo: Repo, where: float, what: bytes, cut: bool) -> None:
    wanted = judge([repo.path], cache=False).findings
    judge([repo.path])
    for path in kept(repo):
        data = path.read_bytes()
        index = int(where * len(data))
        path.write_bytes(data[:index] + what + (b"" if cut else data[index + len(what) :]))
    assert judge([repo.path]).findings == wanted
    assert judge([repo.path]).findings == wanted


def test_another_program_does_not_read_what_this_one_left(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    judge([repo.path])
    ours = kept(repo)
    monkeypatch.setattr("tidegate.__version__", "99.0")
    judge([repo.path])
    assert set(kept(repo)) > set(ours)
    assert {path.read_bytes() for path in ours} <= {path.read_bytes() for path in kept(repo)}


def test_an_edit_of_a_rule_makes_another_program(tmp_path: Path) -> None:
    import shutil

    import tidegate

    copy = tmp_path / "tidegate"
    shutil.copytree(Path(tidegate.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    program = "from tidegate.cli.check.stamp import stamp; print(stamp())"

    def said() -> str:
        environment = ENVIRONMENT | {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True
        ).stdout

    before = said()
    assert said() == before
    rule = copy / "rules/checks/structure/modeline.py"
    rule.write_text(rule.read_text() + "\n")
    assert said() != before
    assert len(stamp()) == 16


def test_where_it_cannot_be_written_every_run_judges(repo: Repo) -> None:
    (repo.path / ".git/tidegate").write_text("in the way")
    assert judge([repo.path]).findings == judge([repo.path]).findings != ()


def test_runs_side_by_side_do_not_disturb_each_other(repo: Repo) -> None:
    wanted = judge([repo.path], cache=False).findings
    command = [sys.executable, "-m", "tidegate", "validate", "--format", "jsonl"]

    def run(number: int) -> int:
        if number % 3 == 0:
            repo.write({f"policies/extra-{number}.yaml": example()["policies/progressive.yaml"]})
        return subprocess.run(command, cwd=repo.path, env=ENVIRONMENT, capture_output=True, check=False).returncode

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(run, range(8))) == {1}
    for path in (repo.path / "policies").glob("extra-*"):
        path.unlink()
    assert judge([repo.path]).findings == wanted
    assert all("." not in path.name for path in kept(repo)), "no draft is left"


def test_outside_of_git_only_what_is_worth_it_is_kept_in_the_users_cache_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    for name, text in example().items():
        (tmp_path / "repo" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "repo" / name).write_bytes(text)
    judge([tmp_path / "repo"])
    assert not home.exists()
    monkeypatch.setattr("tidegate.cli.check.judge._WORTH_REMEMBERING", 1)
    judge([tmp_path / "repo"])
    assert len(list((home / "tidegate").iterdir())) == 1
    monkeypatch.setattr(store, "_ROOTS", 3)
    for number in range(6):
        Store(folder_of(tmp_path / str(number), None), "x").save("runs", {"a": 1})
    assert len(list((home / "tidegate").iterdir())) <= 4


@pytest.mark.parametrize("home", ["", "not/absolute"])
def test_without_a_home_nothing_is_kept(home: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", home or "~nobody-at-all")
    assert folder_of(tmp_path, None) is None


def test_it_stays_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_UNITS", 5)
    place = Store(tmp_path / "kept", "x")
    held = Memory(place)
    names = [f"unit {number}" for number in range(20)]
    nothing = Outcome((), {}, None, ())

    def known() -> list[str]:
        return list(held.outcomes([*names, "new"], lambda told: True))

    for number, name in enumerate(names):
        held.keep_run(f"run {number}", Run((), (), number))
        held.keep_outcomes([], {name: replace(nothing, told=(Answer("size", name, "s", number),))})
    assert known() == names[15:], "the latest"
    assert [held.run(f"run {number}") is not None for number in (15, 16, 19)] == [False, True, True]
    assert len(place.load("units")["told"]) == 5
    held.keep_outcomes([names[15]], {"new": nothing})
    assert known() == [names[15], *names[17:], "new"], "what was of use stays, the oldest of the others goes"
    assert held.outcomes(names, lambda told: not told) == {}, "none of them was told nothing"
    monkeypatch.setattr(memory, "_BYTES", 1)
    held.keep_outcomes([], {"new": nothing})
    assert known() == ["new"]
    for number in range(6):
        Store(tmp_path / "kept", f"program{number}").save("runs", {})
    assert len({path.name.partition("-")[2] for path in (tmp_path / "kept").glob("runs-*")}) <= 3
    (tmp_path / "kept/runs-x.1.2").touch()
    os.utime(tmp_path / "kept/runs-x.1.2", (0, 0))
    place.save("runs", {})
    assert not (tmp_path / "kept/runs-x.1.2").exists(), "the draft of a run that was ended long ago"


def test_what_is_packed_comes_back_as_it_was() -> None:
    declared = load(example(), None)
    values = (
        [facts_of(folder) for folder in declared.models.values()],
        (
            Finding("a\udcff", 1, 2, "x", "error", "m\n", "f"),
            {"a": frozenset({(1, None)})},
            b"\0",
            1.5,
            True,
            ["\0tidegate"],
        ),
    )
    for value in values:
        assert unpacked(packed(value)) == value
    with pytest.raises(TypeError, match="cannot be packed"):
        packed(object())
    with pytest.raises(ValueError, match="none of Tidegate's"):
        unpacked(packed(("\0tidegate", "os", "system", "true")))


def test_what_rules_asked_about_the_rest_of_the_repository_is_asked_again(repo: Repo) -> None:
    repo.write({"models/digits/labels.txt": "0123456789\n", CODEOWNERS: "* @vision-platform\n"})
    settled(repo.path / "models/digits/labels.txt")
    around = TreeSurroundings(tree_of(repo.path))
    assert around.size("models/digits/labels.txt") == 11
    assert around.sha256("models/digits/labels.txt") is not None
    assert around.text("nowhere") is None
    before = around.sha256("models/digits/labels.txt")
    told = around.told()
    assert TreeSurroundings(tree_of(repo.path)).still(told)
    repo.write({"models/digits/labels.txt": "9876543210\n"})
    settled(repo.path / "models/digits/labels.txt")
    assert not TreeSurroundings(tree_of(repo.path)).still(told), "another content of the same size"
    again = TreeSurroundings(tree_of(repo.path), told)
    assert again.sha256("models/digits/labels.txt") != before
    (repo.path / "nowhere").write_text("now it is there")
    assert not again.still([one for one in told if one.path == "nowhere"])


def test_a_file_that_changed_this_moment_is_not_trusted_to_stay(repo: Repo) -> None:
    repo.write({"models/digits/labels.txt": "0123456789\n"})
    around = TreeSurroundings(tree_of(repo.path))
    around.size("models/digits/labels.txt")
    assert not around.still(around.told())


def test_surroundings_end_at_the_root_and_at_what_git_knows_of(repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("x")
    repo.write({"untracked": "x"})
    for path in ("../outside", str(tmp_path / "outside"), "", "models", "a\0b"):
        assert TreeSurroundings(tree_of(repo.path)).text(path) is None
    assert TreeSurroundings(tree_of(repo.path)).text("untracked") == b"x"
    assert TreeSurroundings(tree_of(repo.path, staged=True)).text("untracked") is None
    assert TreeSurroundings(tree_of(repo.path, staged=True)).text("models/digits/model.yaml") is not None


def test_a_pointer_of_git_lfs_counts_as_its_file(repo: Repo) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'ab' * 32}\nsize 12345\n"
    repo.write({"models/digits/model.onnx": pointer})
    around = TreeSurroundings(tree_of(repo.path))
    assert (around.size("models/digits/model.onnx"), around.sha256("models/digits/model.onnx")) == (
        12345,
        "ab" * 32,
    )


def test_a_declared_file_that_is_edited_is_judged_again(repo: Repo) -> None:
    uri = "s3://models/digits/2.0.0/model.onnx"
    repo.edit(V2, "size: big", "size: 31245")
    repo.edit(V2, uri, "file:models/digits/model.onnx")
    weights = repo.path / "models/digits/model.onnx"
    for content in (None, b"one", None, b"a", b"b"):
        if content is None:
            weights.unlink(missing_ok=True)
        else:
            weights.write_bytes(content)
            settled(weights)
        assert judge([repo.path]).findings == judge([repo.path], cache=False).findings
        assert any(
            one.rule == ("missing-file" if content is None else "file-digest") for one in judge([repo.path]).findings
        )


def settled(path: Path) -> None:
    """Wait until the file's time stamps are old enough to be trusted, as minutes later they would be."""
    deadline = time.monotonic() + 60
    while time.time_ns() - max(path.stat().st_mtime_ns, path.stat().st_ctime_ns) < surroundings._SETTLED:
        assert time.monotonic() < deadline
        time.sleep(0.02)
