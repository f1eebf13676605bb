"""What there is to judge: by git's index and the disk, with the names and things that repositories really hold."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest
from history_repo import ENVIRONMENT, Repo, example, git
from hypothesis import given
from hypothesis import strategies as st

from tidegate.cli.check.entry import blob_id, counts
from tidegate.cli.check.judge import judge
from tidegate.cli.check.tree import Tree, tree_of
from tidegate.spec.errors import NeedsPerson, TidegateError
from tidegate.spec.layout import wanted

V1, V2 = "models/digits/versions/1.0.0.yaml", "models/digits/versions/2.0.0.yaml"
DEPLOYMENT = "models/digits/deployment.yaml"
FILES = {path: text for path, text in example().items() if wanted(path)}


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """One commit with the example, without the variables of whoever runs the tests."""
    for name in ("PRE_COMMIT", "GIT_INDEX_FILE", "GIT_DIR", "GITHUB_ACTIONS", "GITHUB_BASE_REF"):
        monkeypatch.delenv(name, raising=False)
    return Repo.init(tmp_path / "repo")


def held(tree: Tree) -> dict[str, bytes]:
    """The contents of all files, whose ids must be those that git would give them."""
    contents = tree.read(tree.files)
    assert {path: blob_id(text) for path, text in contents.items()} == {
        path: entry.blob for path, entry in tree.files.items()
    }
    return contents


@given(st.lists(st.sampled_from(("models", "policies", "versions", "configs", "deployments", "model.yaml", "tidegate.yaml",
                                 "governance.yaml", "x", ".yaml", "a.yaml", "b.yml", "deployment.yaml", "", "\n")),
                min_size=1, max_size=6))  # fmt: skip
def test_a_path_counts_exactly_when_its_kind_is_read(parts: list[str]) -> None:
    path = "/".join(parts)
    assert counts(path, "100644") == wanted(path)
    assert counts(path, "120000") or not wanted(path), "a link in the place of a file is noticed"


def test_a_clean_tree_is_known_without_reading_a_file(repo: Repo) -> None:
    tree = tree_of(repo.path)
    assert tree.listing.contents == {}
    assert held(tree) == FILES


def test_what_is_edited_untracked_ignored_or_deleted_is_seen_as_it_lies_on_the_disk(repo: Repo) -> None:
    repo.write({".gitignore": "models/*/versions/9*\n", V2: FILES[V2] + b"# edited\n", V1: None,
                "models/digits/versions/9.0.0.yaml": "ignored: 1\n", "policies/new one.yaml": "untracked: 1\n"})  # fmt: skip
    wanted_now = {path: text for path, text in FILES.items() if path != V1} | {
        V2: FILES[V2] + b"# edited\n",
        "models/digits/versions/9.0.0.yaml": b"ignored: 1\n",
        "policies/new one.yaml": b"untracked: 1\n",
    }
    assert held(tree_of(repo.path)) == wanted_now
    assert held(tree_of(repo.path, staged=True)) == FILES


def test_the_index_is_judged_as_it_stands_whatever_lies_in_the_work_tree(repo: Repo) -> None:
    repo.write({V2: FILES[V2] + b"# staged\n"})
    repo.git("add", "--all")
    repo.write({V2: FILES[V2] + b"# not staged\n", V1: None, "models/digits/versions/9.0.0.yaml": "untracked: 1\n"})
    assert held(tree_of(repo.path, staged=True)) == FILES | {V2: FILES[V2] + b"# staged\n"}


def test_a_commit_of_some_files_is_judged_by_the_index_that_git_made_for_it(repo: Repo) -> None:
    repo.write({V1: FILES[V1] + b"# left out\n"})
    repo.git("add", "--all")
    repo.write({V2: FILES[V2] + b"# committed\n"})
    log = repo.path.parent / "log"
    place = repo.path / ".git/hooks/pre-commit"
    place.parent.mkdir(exist_ok=True)
    place.write_text(f'#!/bin/sh\nprintf %s "$GIT_INDEX_FILE" > {log}\ncp "$GIT_INDEX_FILE" {log}.index\n')
    place.chmod(0o755)
    repo.git("commit", "-q", "-m", "One of them", "--", V2)
    assert "index" not in Path(log.read_text()).name or log.read_text().endswith(".lock")
    index = repo.path / ".git/index-of-the-commit"
    index.write_bytes(Path(f"{log}.index").read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_INDEX_FILE", str(index))
        assert held(tree_of(repo.path, staged=True)) == FILES | {V2: FILES[V2] + b"# committed\n"}
        patch.setenv("GIT_INDEX_FILE", "/nowhere/index")
        assert V1 in tree_of(repo.path, staged=True).files, "the index of another repository is none of ours"


def test_names_that_are_not_utf_8_are_judged_and_printed(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    name = os.fsdecode(b"models/digits/versions/\xff \n\xfe.yaml")
    (repo.path / name).write_bytes(FILES[V2])
    monkeypatch.chdir(repo.path)
    for staged in (False, True):
        assert name in tree_of(repo.path, staged).files
        found = [one for one in judge(staged=staged).findings if one.path == name]
        assert "name-mismatch" in {one.rule for one in found}
        assert judge(staged=staged).findings == judge(staged=staged, cache=False).findings
        repo.git("add", "--all")


def test_links_and_submodules_are_not_entered(repo: Repo, tmp_path: Path) -> None:
    other = Repo.init(tmp_path / "other")
    (repo.path / V2).unlink()
    (repo.path / V2).symlink_to("1.0.0.yaml")
    (repo.path / "models/linked").symlink_to("digits")
    repo.git("submodule", "add", "-q", other.path, "models/shared")
    (repo.path / "policies/unstaged.yaml").symlink_to("progressive.yaml")
    repo.git("add", "models")
    for staged in (False, True):
        tree = tree_of(repo.path, staged)
        assert set(tree.files) == set(FILES) - {V2}
        assert tree.entries[V2].mode == "120000"
        assert {V2, "models/linked", "models/shared"} <= set(tree.listing.unread)
        assert ("policies/unstaged.yaml" in tree.entries) is not staged
        told = {one.path for one in judge([repo.path], staged=staged).findings if one.rule == "unread-file"}
        assert told == {V2, "models/linked", "models/shared", *(() if staged else ("policies/unstaged.yaml",))}
    assert tree_of(repo.path).entries["models/shared"].mode == "160000"


def test_without_git_the_disk_is_walked_to_the_same_end(repo: Repo) -> None:
    repo.write({"models/digits/deployment.yml": "x: 1\n", "models/digits/data/deep/one.yaml": "y: 1\n"})
    (repo.path / "models/linked").symlink_to("digits")
    known = tree_of(repo.path)
    contents = held(known)
    (repo.path / ".git").rename(repo.path.parent / "gone")
    bare = tree_of(repo.path)
    assert bare.git is None
    assert held(bare) == contents
    assert bare.entries == known.entries
    assert sorted(bare.listing.unread) == sorted(known.listing.unread)


def test_a_repository_inside_of_another_that_git_does_not_enter_is_judged_where_it_lies(repo: Repo) -> None:
    (repo.path / "models/nested/versions").mkdir(parents=True)
    git(repo.path / "models/nested", "init", "-q")
    repo.write({"models/nested/versions/1.0.0.yaml": "x: 1\n"})
    assert "models/nested/versions/1.0.0.yaml" in tree_of(repo.path).files


def test_a_configuration_below_the_top_and_a_second_work_tree_are_themselves(tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "all", config="deep/config")
    repo.git("worktree", "add", "-q", tmp_path / "second", "-b", "second")
    for root in (repo.config, tmp_path / "second/deep/config"):
        for staged in (False, True):
            tree = tree_of(root, staged)
            assert (tree.prefix, held(tree)) == ("deep/config/", FILES)
    first, second = (tree_of(root).private for root in (repo.config, tmp_path / "second/deep/config"))
    assert first is not None and second is not None and first.resolve() != second.resolve()


def test_files_left_out_of_a_sparse_checkout_are_read_from_git(repo: Repo) -> None:
    repo.git("sparse-checkout", "set", "--no-cone", "/models/assistant/", "/policies/", "/tidegate.yaml")
    assert not (repo.path / "models/digits").exists()
    assert held(tree_of(repo.path)) == FILES


def test_files_that_git_writes_another_way_are_judged_as_they_lie_there_and_not_remembered(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.git("config", "core.autocrlf", "true")
    (repo.path / V2).unlink()
    repo.git("checkout", "-q", "--", V2)
    assert b"\r\n" in (repo.path / V2).read_bytes()
    tree = tree_of(repo.path)
    assert tree.listing.contents == {}, "git finds it unchanged"
    assert b"\r\n" in tree.read([V2])[V2]
    assert judge([repo.path]).findings == judge([repo.path], cache=False).findings


def test_a_file_that_git_was_told_not_to_look_at_is_not_remembered_as_what_git_takes_it_for(repo: Repo) -> None:
    repo.git("update-index", "--assume-unchanged", V2)
    repo.edit(V2, "size: 31245", "size: big")
    assert {one.rule for one in judge([repo.path]).findings if one.path == V2} == {"wrong-type"}
    repo.edit(V2, "size: big", "size: 31245")
    assert not [one for one in judge([repo.path]).findings if one.rule == "wrong-type"]


def test_a_file_in_an_unresolved_merge_is_judged_as_it_lies_there(repo: Repo) -> None:
    repo.git("checkout", "-q", "-b", "other")
    repo.edit(V2, "size: 31245", "size: 1")
    repo.commit("One")
    repo.git("checkout", "-q", "main")
    repo.edit(V2, "size: 31245", "size: 2")
    repo.commit("Two")
    repo.git("merge", "other", check=False)
    for staged in (False, True):
        tree = tree_of(repo.path, staged)
        assert b"<<<<<<<" in tree.read([V2])[V2]
        assert "yaml-syntax" in {one.rule for one in judge([repo.path], staged=staged).findings if one.path == V2}


def test_what_is_no_file_is_not_opened(repo: Repo) -> None:
    os.mkfifo(repo.path / "models/digits/versions/3.0.0.yaml")
    (repo.path / "models/digits/versions/4.0.0.yaml").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(repo.path / "policies/odd.yaml"))
        assert held(tree_of(repo.path)) == FILES
        (repo.path / ".git").rename(repo.path.parent / "gone")
        assert held(tree_of(repo.path)) == FILES


def test_a_huge_file_is_told_and_not_read(repo: Repo) -> None:
    with (repo.path / V2).open("wb") as stream:
        stream.truncate(1 << 40)
    found = [one.rule for one in judge([repo.path]).findings if one.path == V2]
    assert "file-size" in found
    assert len(tree_of(repo.path).read([V2])[V2]) == (1 << 20) + 1


def test_a_file_that_may_not_be_read_is_named(repo: Repo) -> None:
    (repo.path / V2).chmod(0)
    command = ["setpriv", "--reuid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    if command:
        subprocess.run(["chown", "-R", "65534", str(repo.path)], check=True)
        for folder in repo.path.parents[: len(repo.path.parents) - 1]:
            folder.chmod(folder.stat().st_mode | 0o055)
    program = (
        "import sys; from tidegate.cli.main import main; sys.argv = ['tidegate', 'validate', '--no-cache']; main()"
    )
    import sys

    done = subprocess.run(
        [*command, sys.executable, "-c", program], cwd=repo.path, env=ENVIRONMENT, capture_output=True, check=False
    )
    assert done.returncode == 2, done.stderr.decode()
    assert b"2.0.0.yaml: cannot be read: Permission denied" in done.stderr


def test_where_git_refuses_to_answer_the_disk_has_to_do_unless_history_was_asked_for(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert tree_of(repo.path).git is None
    assert judge([repo.path]).files == len(FILES)
    with pytest.raises(TidegateError, match="git"):
        judge([repo.path], "HEAD")
    with pytest.raises(TidegateError, match="git"):
        judge([repo.path], staged=True)


def test_nothing_to_validate_is_told_apart_from_clean(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with pytest.raises(NeedsPerson, match="nothing to validate"):
        judge([tmp_path])


def test_a_change_that_deletes_everything_is_judged_all_the_same(repo: Repo) -> None:
    repo.git("rm", "-q", "-r", "models", "policies", "tidegate.yaml")
    judged = judge([repo.path], "HEAD", staged=True)
    assert {one.rule for one in judged.findings} >= {"deleted-model"}
    with pytest.raises(NeedsPerson, match="nothing to validate"):
        judge([repo.path], staged=False)
