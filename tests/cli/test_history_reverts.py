"""What a revert may do to merged versions, and what nobody may do under its cover: real reverts of real commits."""

from __future__ import annotations

from pathlib import Path

import pytest
from history_repo import DEPLOYMENT, V1, V2, Repo, example, path_of, version

NEW = path_of("3.0.0")
ASKS_2, ASKS_3 = 'version: "2.0.0"\nconfig', 'version: "3.0.0"\nconfig'


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """The example; on top of it, on main, a commit that adds 3.0.0 and deploys it, and a later one beside it."""
    made = Repo.init(tmp_path / "repo")
    made.edit(DEPLOYMENT, ASKS_2, ASKS_3)
    made.commit("digits 3.0.0", {NEW: version("3.0.0")})
    made.edit("models/digits/model.yaml", "summary: Reads", "summary: Really reads")
    made.commit("The summary")
    made.git("checkout", "-q", "-b", "change")
    return made


def merge(repo: Repo) -> None:
    """Main takes the branch in by a merge commit, and the next branch begins there."""
    repo.git("checkout", "-q", "main")
    repo.git("merge", "-q", "--no-ff", "--no-edit", "change")
    repo.git("checkout", "-q", "-B", "change")


def test_git_revert_of_a_merged_commit_is_clean(repo: Repo) -> None:
    repo.git("revert", "--no-edit", "main~1")
    assert not (repo.path / NEW).exists()
    assert repo.validate("--base", "main").short == []


def test_a_revert_of_a_revert_is_clean_and_so_is_one_more(repo: Repo) -> None:
    for _ in range(3):
        repo.git(
            "revert", "--no-edit", "HEAD" if repo.git("log", "-1", "--format=%s").startswith("Revert") else "main~1"
        )
        assert repo.validate("--base", "main").short == []
        merge(repo)
        repo.git("checkout", "-q", "-B", "change", "main^2")
        repo.git("checkout", "-q", "-B", "main")
        repo.git("checkout", "-q", "-B", "change")
    assert not (repo.path / NEW).exists()


def test_a_reverted_version_comes_back_as_it_was_without_git_revert(repo: Repo) -> None:
    repo.git("revert", "--no-edit", "main~1")
    merge(repo)
    repo.write({NEW: version("3.0.0")})
    assert repo.validate("--base", "main").short == []


def test_a_reverted_version_that_comes_back_with_other_content_is_found(repo: Repo) -> None:
    repo.git("revert", "--no-edit", "main~1")
    merge(repo)
    repo.git("revert", "--no-edit", "HEAD^2")
    repo.edit(NEW, "epochs: 20", "epochs: 21")
    repo.git("commit", "-q", "--all", "--amend", "--no-edit")
    said = repo.validate("--base", "main")
    assert (said.code, said.short) == (1, [("immutable-version", NEW)])
    assert "merged before, then deleted" in said.findings[0]["message"]


def test_an_edit_under_the_cover_of_a_revert_is_found(repo: Repo) -> None:
    repo.git("revert", "--no-edit", "main~1")
    repo.edit(V2, "size: 31245", "size: 31246")
    repo.write({V1: None})
    repo.git("commit", "-q", "--all", "--amend", "--no-edit")
    said = repo.validate("--base", "main")
    assert said.code == 1
    assert [pair for pair in said.short if pair[1] != DEPLOYMENT] == [
        ("deleted-version", V1),
        ("immutable-version", V2),
    ]


def test_a_message_alone_reverts_nothing(repo: Repo) -> None:
    first = repo.git("rev-list", "--max-parents=0", "HEAD")
    repo.edit(V2, "size: 31245", "size: 31246")
    repo.commit(f"Revert\n\nThis reverts commit {first}.")
    repo.edit(NEW, "epochs: 20", "epochs: 21")
    repo.commit(f'Revert "digits 3.0.0"\n\nThis reverts commit {repo.git("rev-parse", "main~1")}.')
    assert repo.validate("--base", "main").short == [("immutable-version", V2), ("immutable-version", NEW)]


def test_a_revert_of_a_commit_that_is_not_merged_excuses_nothing(repo: Repo) -> None:
    added = repo.commit("Mine", {path_of("3.1.0"): version("3.1.0")})
    repo.commit(f"This reverts commit {added}.", {V1: None, path_of("3.1.0"): None})
    assert ("deleted-version", V1) in repo.validate("--base", "main").short
    repo.git("reset", "-q", "--hard", "main")
    repo.edit(V2, "size: 31245", "size: 31246")
    repo.commit("An edit")
    repo.edit(V2, "size: 31246", "size: 31245")
    taken_back = repo.commit("Taken back")
    repo.git("revert", "--no-edit", taken_back)
    assert repo.validate("--base", "main").short == [("immutable-version", V2)]


def test_a_revert_under_way_is_a_revert(repo: Repo) -> None:
    repo.git("revert", "--no-commit", "main~1")
    assert repo.validate("--base", "main").short == []
    assert repo.validate(PRE_COMMIT="1").short == []
    repo.edit(V2, "size: 31245", "size: 31246")
    assert repo.validate("--base", "main").short == [("immutable-version", V2)]


def test_a_revert_with_a_conflict_is_clean_once_it_is_solved(repo: Repo) -> None:
    repo.git("checkout", "-q", "main")
    repo.edit(DEPLOYMENT, ASKS_3, ASKS_2)
    repo.edit(DEPLOYMENT, "replicas: 2", "replicas: 3")
    repo.edit(NEW, "reason: ", "reason: Edited by force. ")
    repo.commit("On the same lines")
    repo.git("checkout", "-q", "-B", "change")
    repo.git("revert", "--no-edit", "main~2", check=False)
    assert repo.git("rev-parse", "REVERT_HEAD") == repo.git("rev-parse", "main~2")
    repo.git("rm", "-q", NEW)
    repo.git("add", "--all")
    assert repo.validate("--base", "main").short == []
    repo.git("commit", "-q", "--no-edit")
    assert repo.validate("--base", "main").short == []


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
def test_a_merged_pull_request_is_reverted_as_a_whole(repo: Repo, how: str) -> None:
    repo.commit("A draft", {path_of("3.1.0"): version("3.1.0", ("epochs: 20", "epochs: 19"))})
    repo.commit("Better", {path_of("3.1.0"): version("3.1.0")})
    repo.edit(DEPLOYMENT, 'version: "3.0.0"\nconfig', 'version: "3.1.0"\nconfig')
    repo.commit("Out with it")
    repo.git("checkout", "-q", "main")
    if how == "merge":
        repo.git("merge", "-q", "--no-ff", "--no-edit", "change")
        revert = ("revert", "--no-edit", "-m", "1", "main")
    elif how == "squash":
        repo.git("merge", "-q", "--squash", "change")
        repo.git("commit", "-q", "-m", "digits 3.1.0 (#12)")
        revert = ("revert", "--no-edit", "main")
    else:
        repo.git("merge", "-q", "--ff-only", "change")
        revert = ("revert", "--no-edit", "main~3..main")
    repo.git("checkout", "-q", "-B", "change")
    repo.git(*revert)
    assert not (repo.path / path_of("3.1.0")).exists()
    assert repo.validate("--base", "main").short == []


def test_a_draft_that_was_never_merged_as_such_does_not_come_back_unsaid(repo: Repo) -> None:
    draft = version("3.1.0", ("epochs: 20", "epochs: 19"))
    repo.commit("A draft", {path_of("3.1.0"): draft})
    better = repo.commit("Better", {path_of("3.1.0"): version("3.1.0")})
    merge(repo)
    repo.commit("Hm", {path_of("3.1.0"): draft})
    assert repo.validate("--base", "main").short == [("immutable-version", path_of("3.1.0"))]
    repo.git("reset", "-q", "--hard", "main")
    repo.git("revert", "--no-edit", better)
    assert repo.validate("--base", "main").short == [], "a revert says which commit it takes back"


def test_without_words_a_commit_is_undone_as_a_whole_or_not_at_all(repo: Repo) -> None:
    repo.write({NEW: None})
    assert ("deleted-version", NEW) in repo.validate("--base", "main").short
    repo.edit(DEPLOYMENT, ASKS_3, ASKS_2)
    assert repo.validate("--base", "main").short == []
    repo.commit("Back to 2.0.0")
    assert repo.validate("--base", "main").short == []


def test_undoing_a_later_edit_is_no_leave_to_delete(repo: Repo) -> None:
    repo.git("checkout", "-q", "main")
    repo.edit(DEPLOYMENT, ASKS_3, ASKS_2)
    repo.edit(NEW, "epochs: 20", "epochs: 21")
    repo.commit("Past the rules")
    repo.git("checkout", "-q", "-B", "change")
    repo.edit(DEPLOYMENT, ASKS_2, ASKS_3)
    repo.write({NEW: None})
    assert ("deleted-version", NEW) in repo.validate("--base", "main").short


def test_a_version_that_came_alone_needs_a_revert_that_says_so(repo: Repo) -> None:
    alone = repo.commit("Registered", {path_of("3.1.0"): version("3.1.0")})
    merge(repo)
    repo.commit("Nobody wants it", {path_of("3.1.0"): None})
    assert repo.validate("--base", "main").short == [("deleted-version", path_of("3.1.0"))]
    repo.git("reset", "-q", "--hard", "main")
    repo.git("revert", "--no-edit", alone)
    assert repo.validate("--base", "main").short == []


def test_a_version_that_is_still_asked_for_is_missed_even_by_a_revert(repo: Repo) -> None:
    alone = repo.commit("Registered", {path_of("3.1.0"): version("3.1.0")})
    repo.edit(DEPLOYMENT, 'version: "3.0.0"\nconfig', 'version: "3.1.0"\nconfig')
    repo.commit("Deployed")
    merge(repo)
    repo.git("revert", "--no-edit", alone)
    said = repo.validate("--base", "main")
    assert (said.code, said.short) == (1, [])
    assert "unknown-version" in {finding["rule"] for finding in said.others}


def test_a_merged_edit_may_be_taken_back_to_what_the_version_was(repo: Repo) -> None:
    repo.git("checkout", "-q", "main")
    repo.edit(V2, "size: 31245", "size: 31246")
    repo.commit("Past the rules")
    repo.git("checkout", "-q", "-B", "change")
    repo.write({V2: example()[V2]})
    assert repo.validate("--base", "main").short == []
    repo.edit(V2, "size: 31245", "size: 31247")
    assert repo.validate("--base", "main").short == [("immutable-version", V2)]


def test_going_back_to_an_older_version_is_nobodys_fault(repo: Repo) -> None:
    repo.edit(DEPLOYMENT, ASKS_3, ASKS_2)
    assert repo.validate("--base", "main").short == []
