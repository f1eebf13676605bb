"""What is compared with what when nobody says so: in a commit's hook, and in GitHub Actions."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from history_repo import CONTROLLER, DEPLOYMENT, V1, V2, Repo, git, path_of, version

EDIT = ("size: 31245", "size: 31246")


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A clone of a remote whose main holds the example, with a branch `change` checked out."""
    first = Repo.init(tmp_path / "first")
    git(tmp_path, "clone", "-q", "--bare", first.path, "remote.git")
    git(tmp_path, "clone", "-q", tmp_path / "remote.git", "clone")
    clone = Repo(tmp_path / "clone")
    clone.git("checkout", "-q", "-b", "change")
    return clone


def hook(repo: Repo, variables: str = "PRE_COMMIT=1") -> None:
    """A hook that validates what is about to be committed, as pre-commit calls it: without file names."""
    place = repo.path / ".git/hooks/pre-commit"
    place.parent.mkdir(exist_ok=True)
    program = f"PYTHONPATH={shlex.quote(str(CONTROLLER))} {variables} {shlex.quote(sys.executable)} -m tidegate"
    place.write_text(f"#!/bin/sh\n{program} validate > validate.log 2>&1\n")
    place.chmod(0o755)
    repo.write({".gitignore": "validate.log\n"})


def accepted(repo: Repo, *words: str) -> bool:
    """Whether `git commit` took it; what the hook found stands in validate.log."""
    before = repo.git("rev-parse", "HEAD")
    repo.git("commit", "-q", "-m", "A change", *words, check=False)
    return repo.git("rev-parse", "HEAD") != before


def test_a_commit_that_only_deletes_a_version_is_refused_and_then_accepted(repo: Repo) -> None:
    hook(repo)
    repo.git("rm", "-q", V1)
    assert not accepted(repo)
    assert f"{V1}:1:1: error deleted-version" in repo.read("validate.log")
    repo.git("checkout", "-q", "HEAD", "--", V1)
    repo.git("add", ".gitignore")
    assert accepted(repo)


def test_what_is_staged_is_judged_and_what_is_not_is_left_alone(repo: Repo) -> None:
    hook(repo)
    repo.edit(V2, "reason: ", "# a note\nreason: ")
    repo.git("add", "--all")
    repo.edit(V2, *EDIT)
    assert accepted(repo), "the edit is in the work tree only"
    repo.git("add", "--all")
    repo.edit(V2, EDIT[1], EDIT[0])
    assert not accepted(repo), "the edit is in the index, and the work tree looks innocent"
    assert "immutable-version" in repo.read("validate.log")


def test_a_version_that_is_taken_out_of_the_index_alone_is_deleted(repo: Repo) -> None:
    hook(repo)
    repo.git("rm", "-q", "--cached", V1)
    assert (repo.path / V1).is_file()
    assert not accepted(repo)
    assert "deleted-version" in repo.read("validate.log")


def test_a_version_that_nobody_added_to_the_commit_does_not_count(repo: Repo) -> None:
    hook(repo)
    repo.write({path_of("3.0.0"): version("3.0.0")})
    repo.edit(DEPLOYMENT, 'version: "2.0.0"\nconfig', 'version: "3.0.0"\nconfig')
    repo.git("add", DEPLOYMENT)
    assert not accepted(repo)
    assert "unknown-version" in repo.read("validate.log")
    repo.git("add", "--all")
    assert accepted(repo)


@pytest.mark.parametrize("words", [("--all",), ("--only", V2), ("--include", V2)])
def test_a_commit_of_some_files_is_judged_by_the_index_that_git_makes_for_it(
    repo: Repo, words: tuple[str, ...]
) -> None:
    hook(repo)
    repo.edit(V2, *EDIT)
    assert not accepted(repo, *words)
    assert "immutable-version" in repo.read("validate.log")
    repo.git("checkout", "-q", "HEAD", "--", V2)
    repo.edit(V2, "reason: ", "# a note\nreason: ")
    assert accepted(repo, *words), repo.read("validate.log")


def test_another_repositorys_index_is_not_asked(repo: Repo, tmp_path: Path) -> None:
    repo.edit(V2, *EDIT)
    repo.git("add", "--all")
    other = str(tmp_path / "first/.git/index")
    said = repo.validate(PRE_COMMIT="1", GIT_INDEX_FILE=other, GIT_DIR=str(tmp_path / "first/.git"))
    assert said.short == [("immutable-version", V2)]


def test_what_the_branch_has_committed_is_not_merged_yet(repo: Repo) -> None:
    hook(repo)
    repo.write({path_of("3.0.0"): version("3.0.0")})
    repo.git("add", "--all")
    assert accepted(repo)
    repo.edit(path_of("3.0.0"), "epochs: 20", "epochs: 30")
    repo.git("add", "--all")
    assert accepted(repo), "a version may be edited until it is merged"
    repo.git("push", "-q", "origin", "HEAD:main")
    repo.edit(path_of("3.0.0"), "epochs: 30", "epochs: 40")
    repo.git("add", "--all")
    assert not accepted(repo)


def test_a_commit_is_compared_with_the_branch_that_the_controller_follows(repo: Repo) -> None:
    repo.edit("tidegate.yaml", "branch: main", "branch: live")
    repo.commit("The controller follows another branch", {path_of("3.0.0"): version("3.0.0")})
    repo.git("push", "-q", "origin", "HEAD:live")
    repo.git("rm", "-q", path_of("3.0.0"))
    assert ("deleted-version", path_of("3.0.0")) in repo.validate(PRE_COMMIT="1").short
    repo.edit("tidegate.yaml", "branch: live", "branch: main")
    repo.git("add", "--all")
    assert repo.validate(PRE_COMMIT="1").short == []


def test_without_tidegate_yaml_the_remotes_own_branch_counts_and_without_a_remote_head(repo: Repo) -> None:
    repo.commit("No controller here", {"tidegate.yaml": None})
    repo.git("rm", "-q", V1)
    assert repo.git("rev-parse", "--abbrev-ref", "origin/HEAD") == "origin/main"
    assert ("deleted-version", V1) in repo.validate(PRE_COMMIT="1").short
    repo.git("commit", "-q", "-m", "Deleted all the same")
    assert ("deleted-version", V1) in repo.validate(PRE_COMMIT="1").short
    repo.git("remote", "remove", "origin")
    assert repo.validate(PRE_COMMIT="1").short == [], "HEAD is all there is, and it has the deletion"
    repo.git("rm", "-q", V2)
    assert ("deleted-version", V2) in repo.validate(PRE_COMMIT="1").short


def test_outside_of_a_hook_and_of_a_pull_request_nothing_is_compared(repo: Repo) -> None:
    repo.edit(V2, *EDIT)
    assert repo.validate().code == 0


def test_a_pull_request_in_actions_is_compared_with_its_target(repo: Repo) -> None:
    repo.edit(V2, *EDIT)
    repo.commit("A quiet change")
    actions = {"GITHUB_ACTIONS": "true", "GITHUB_BASE_REF": "main", "GITHUB_WORKSPACE": str(repo.path)}
    assert repo.validate(**actions).short == [("immutable-version", V2)]
    assert repo.validate(**(actions | {"GITHUB_BASE_REF": ""})).short == [], "a push proposes nothing"
    assert repo.validate(**(actions | {"GITHUB_WORKSPACE": "/elsewhere"})).short == []
    assert repo.validate("--base", "HEAD", **actions).short == []


def test_a_checkout_without_history_names_the_line_that_fetches_it(repo: Repo, tmp_path: Path) -> None:
    repo.commit("Mine", {"README.md": "Ours\n"})
    repo.git("push", "-q", "origin", "change")
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    git(checkout, "init", "-q")
    git(checkout, "remote", "add", "origin", f"file://{tmp_path / 'remote.git'}")
    git(checkout, "fetch", "-q", "--depth", "1", "origin", "+refs/heads/change:refs/remotes/pull/1/merge")
    git(checkout, "checkout", "-q", "--detach", "refs/remotes/pull/1/merge")
    actions = {"GITHUB_ACTIONS": "true", "GITHUB_BASE_REF": "main", "GITHUB_WORKSPACE": str(checkout)}
    said = Repo(checkout).validate(**actions)
    assert (said.code, "fetch-depth: 0" in said.err) == (2, True)
    git(checkout, "fetch", "-q", "--unshallow", "origin", "+refs/heads/*:refs/remotes/origin/*")
    assert Repo(checkout).validate(**actions).code == 0


def test_a_hook_in_a_linked_work_tree_judges_that_tree(repo: Repo, tmp_path: Path) -> None:
    hook(repo)
    repo.commit("Ignore the log")
    repo.git("worktree", "add", "-q", tmp_path / "beside", "-b", "other")
    beside = Repo(tmp_path / "beside")
    beside.edit(V2, *EDIT)
    beside.git("add", "--all")
    assert not accepted(beside)
    assert "immutable-version" in beside.read("validate.log")
