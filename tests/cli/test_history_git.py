"""What git holds and what a change does to it: `tidegate validate` with a base, in real repositories of every shape."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from history_repo import DEPLOYMENT, ENVIRONMENT, V1, V2, Repo, example, git, path_of, version

from support.typed import typed

VERSIONS = {path for path in example() if path.startswith("models/digits/versions/")}
EDIT = ("size: 31245", "size: 31246")


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """The example on main, and a branch `change` checked out."""
    made = Repo.init(tmp_path / "repo")
    made.git("checkout", "-q", "-b", "change")
    return made


def test_a_branch_that_changes_nothing_is_clean(repo: Repo) -> None:
    said = repo.validate("--base", "main")
    assert (said.code, said.findings, said.err) == (0, [], "")


def test_an_edited_version_is_found_at_the_line_that_changes(repo: Repo) -> None:
    repo.edit(V2, *EDIT)
    for committed in (False, True):
        if committed:
            repo.commit("A quiet change")
        said = repo.validate("--base", "main")
        assert said.code == 1
        assert said.short == [("immutable-version", V2)]
        finding = said.findings[0]
        assert repo.read(V2).splitlines()[finding["line"] - 1].startswith("artifact:")
        assert "changes 'artifact'" in finding["message"]


def test_a_commit_that_only_deletes_is_found_at_the_deleted_path(repo: Repo) -> None:
    repo.commit("Tidy up", {V1: None})
    said = repo.validate("--base", "main")
    assert said.code == 1
    assert ("deleted-version", V1) in said.short
    finding = next(finding for finding in said.findings if finding["rule"] == "deleted-version")
    assert (finding["line"], finding["column"], finding["severity"]) == (1, 1, "error")
    words = finding["fix"].removeprefix("bring it back: ").split()
    repo.git(*[word.strip("'") for word in words[1:]])
    assert repo.validate("--base", "main").code == 0


@pytest.mark.parametrize("name", ["text", "github", "sarif", "gitlab", "junit", "jsonl"])
def test_every_report_can_tell_of_a_deleted_file(repo: Repo, name: str) -> None:
    repo.commit("Tidy up", {V1: None})
    done = typed(repo.path, "validate", "--base", "main", "--format", name, environment=ENVIRONMENT)
    assert done.returncode == 1, done.stderr
    assert V1.encode() in done.stdout and b"deleted-version" in done.stdout
    if name == "sarif":
        results = json.loads(done.stdout)["runs"][0]["results"]
        regions = [result["locations"][0]["physicalLocation"].get("region", {}) for result in results]
        assert all(region.get("startLine", 1) >= 1 and region.get("startColumn", 1) >= 1 for region in regions)


def test_a_rename_is_told_from_a_deletion(repo: Repo) -> None:
    repo.git("mv", V2, path_of("2.0.1"))
    repo.edit(path_of("2.0.1"), 'version: "2.0.0"', 'version: "2.0.1"')
    repo.edit(DEPLOYMENT, 'version: "2.0.0"', 'version: "2.0.1"')
    repo.commit("A better number")
    said = repo.validate("--base", "main")
    assert said.code == 1
    messages = [finding["message"] for finding in said.findings if finding["rule"] == "deleted-version"]
    assert messages == [
        f"version '2.0.0' of 'digits' is merged already, and this renames its file to {path_of('2.0.1')}"
    ]


def test_a_name_that_differs_in_case_only_is_another_name(repo: Repo) -> None:
    repo.git("checkout", "-q", "main")
    repo.commit("A candidate", {path_of("3.0.0-RC.1"): version("3.0.0-RC.1")})
    repo.git("checkout", "-q", "-B", "change")
    repo.git("mv", path_of("3.0.0-RC.1"), path_of("3.0.0-rc.1"))
    repo.edit(path_of("3.0.0-rc.1"), "3.0.0-RC.1", "3.0.0-rc.1")
    said = repo.validate("--base", "main")
    assert (said.code, said.short[0]) == (1, ("deleted-version", path_of("3.0.0-RC.1")))


def test_a_version_that_becomes_executable_is_the_same_version(repo: Repo) -> None:
    (repo.path / V2).chmod(0o755)
    assert repo.validate("--base", "main").code == 0
    repo.commit("Executable")
    assert repo.git("ls-tree", "HEAD", V2).startswith("100755")
    assert repo.validate("--base", "main").code == 0


@pytest.mark.parametrize("committed", [False, True])
def test_a_version_that_becomes_a_link_has_changed(repo: Repo, committed: bool) -> None:
    repo.write({"elsewhere.yaml": example()[V1]})
    (repo.path / V1).unlink()
    (repo.path / V1).symlink_to("../../../elsewhere.yaml")
    if committed:
        repo.commit("One copy is enough")
    said = repo.validate("--base", "main")
    assert said.code == 1
    assert [(f["rule"], f["path"], f["line"], f["column"]) for f in said.findings] == [("immutable-version", V1, 1, 1)]
    assert "symbolic link" in said.findings[0]["message"]


def test_a_version_that_becomes_a_folder_is_deleted(repo: Repo) -> None:
    (repo.path / V1).unlink()
    repo.commit("A folder", {f"{V1}/readme.md": "nothing\n"})
    said = repo.validate("--base", "main")
    assert (said.code, ("deleted-version", V1) in said.short) == (1, True)
    repo.git("checkout", "-q", "-B", "main")
    (repo.path / f"{V1}/readme.md").unlink()
    (repo.path / V1).rmdir()
    repo.write({V1: example()[V1]})
    assert repo.validate("--base", "main").code == 0, "it comes back as it was"


def test_a_folder_of_versions_that_becomes_a_link_or_a_file_has_lost_them(repo: Repo) -> None:
    repo.git("mv", "models/digits/versions", "moved")
    (repo.path / "models/digits/versions").symlink_to("../../moved")
    repo.commit("Elsewhere")
    said = repo.validate("--base", "main")
    assert said.code == 1
    assert {path for rule, path in said.short if rule == "deleted-version"} == VERSIONS


def test_a_branch_that_is_behind_is_not_told_that_it_deletes_what_others_added(repo: Repo) -> None:
    repo.git("checkout", "-q", "main")
    repo.commit("Somebody else's", {path_of("2.1.0"): version("2.1.0")})
    repo.git("checkout", "-q", "change")
    repo.commit("Mine", {"README.md": "Ours\n"})
    assert repo.validate("--base", "main").code == 0
    said = repo.validate("--base", "main..")
    assert (said.code, said.short) == (1, [("deleted-version", path_of("2.1.0"))]), "REF.. is that very commit"


def test_a_number_that_was_merged_meanwhile_is_taken(repo: Repo) -> None:
    repo.git("checkout", "-q", "main")
    repo.commit("Somebody else's", {path_of("2.1.0"): version("2.1.0")})
    repo.git("checkout", "-q", "change")
    repo.write({path_of("2.0.5"): version("2.0.5")})
    said = repo.validate("--base", "main")
    assert (said.code, said.short) == (1, [("version-order", path_of("2.0.5"))])
    assert "2.1.0, which is merged meanwhile" in said.findings[0]["message"]
    repo.write({path_of("2.0.5"): None, path_of("2.1.0"): version("2.1.0", EDIT)})
    said = repo.validate("--base", "main")
    assert [finding["message"] for finding in said.findings] == ["2.1.0 is merged meanwhile, with other content"]
    repo.write({path_of("2.1.0"): version("2.1.0")})
    assert repo.validate("--base", "main").code == 0, "merged by squash: the same content is no second version"


def test_merging_main_into_a_branch_leaves_only_the_branch_to_be_judged(repo: Repo) -> None:
    repo.commit("Mine", {path_of("3.0.0"): version("3.0.0")})
    repo.git("checkout", "-q", "main")
    repo.commit("Somebody else's", {path_of("2.1.0"): version("2.1.0"), DEPLOYMENT: None})
    repo.git("checkout", "-q", "change")
    repo.git("merge", "-q", "--no-ff", "--no-commit", "main")
    under_way = repo.validate("--base", "main")
    assert (under_way.code, under_way.short) == (0, [])
    repo.git("commit", "-q", "-m", "Merge main")
    assert repo.validate("--base", "main").short == []


def test_what_a_merge_sneaks_in_is_found(repo: Repo) -> None:
    repo.commit("Mine", {"README.md": "Ours\n"})
    repo.git("checkout", "-q", "main")
    repo.commit("Somebody else's", {path_of("2.1.0"): version("2.1.0")})
    repo.git("checkout", "-q", "change")
    repo.git("merge", "-q", "--no-ff", "--no-commit", "main")
    repo.edit(V2, *EDIT)
    repo.edit(path_of("2.1.0"), *EDIT)
    repo.commit("Merge main")
    assert repo.validate("--base", "main").short == [("immutable-version", V2), ("immutable-version", path_of("2.1.0"))]


def test_a_conflict_under_way_is_told_by_its_file_and_not_by_a_traceback(repo: Repo) -> None:
    repo.edit(V2, "size: 31245", "size: 1")
    repo.commit("Mine")
    repo.git("checkout", "-q", "main")
    repo.edit(V2, "size: 31245", "size: 2")
    repo.commit("Theirs, by force")
    repo.git("checkout", "-q", "change")
    repo.git("merge", "-q", "main", check=False)
    said = repo.validate("--base", "main")
    assert said.code == 1
    assert [finding["rule"] for finding in said.others if finding["path"] == V2] == ["yaml-syntax"]
    assert repo.validate("--base", "main", PRE_COMMIT="1").code == 1


def test_a_detached_head_is_compared_like_a_branch(repo: Repo) -> None:
    repo.edit(V2, *EDIT)
    repo.commit("A quiet change")
    repo.git("checkout", "-q", "--detach")
    repo.git("branch", "-q", "-D", "change")
    assert repo.validate("--base", "main").short == [("immutable-version", V2)]


def test_before_the_first_commit_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    git(tmp_path / "new", "init", "-q", "-b", "main")
    new = Repo(tmp_path / "new")
    new.write(example())
    new.git("add", "--all")
    assert new.validate().code == 0
    assert new.validate(PRE_COMMIT="1").code == 0
    said = new.validate("--base", "main")
    assert (said.code, "there is no such commit" in said.err) == (2, True)


def test_the_first_commit_of_a_clone_whose_branch_has_no_commit_yet_is_compared_with_the_named_one(repo: Repo) -> None:
    repo.git("checkout", "-q", "--orphan", "fresh")
    repo.edit(V2, *EDIT)
    assert repo.validate("--base", "main").short == [("immutable-version", V2)]


def test_a_branch_with_another_root_is_compared_with_the_named_commit_itself(repo: Repo) -> None:
    repo.git("checkout", "-q", "--orphan", "fresh")
    repo.commit("Another root", {V1: None})
    assert ("deleted-version", V1) in repo.validate("--base", "main").short


def test_the_base_may_be_rewritten_by_force(repo: Repo, tmp_path: Path) -> None:
    repo.git("checkout", "-q", "main")
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "remote.git")
    repo.git("remote", "add", "origin", tmp_path / "remote.git")
    dropped = repo.commit("Will be dropped", {path_of("2.1.0"): version("2.1.0")})
    repo.git("push", "-q", "origin", "main")
    repo.git("checkout", "-q", "-B", "change")
    repo.commit("On top of it", {path_of("2.2.0"): version("2.2.0")})
    assert repo.validate("--base", "origin/main").code == 0
    repo.git("push", "-q", "--force", "origin", "main~1:main")
    assert repo.validate("--base", "origin/main").code == 0, "what this branch still holds is new again"
    repo.git("checkout", "-q", "-B", "main", "origin/main")
    assert repo.validate("--base", dropped).code == 0, "the merge base does not hold what was dropped"
    said = repo.validate("--base", f"{dropped}..")
    assert said.short == [("deleted-version", path_of("2.1.0"))]
    git(tmp_path, "clone", "-q", "--no-local", "remote.git", "elsewhere")
    gone = Repo(tmp_path / "elsewhere").validate("--base", dropped)
    assert (gone.code, dropped in gone.err, "fetch it" in gone.err) == (2, True, True)


def test_a_shallow_clone_says_how_to_fetch_what_is_missing(repo: Repo, tmp_path: Path) -> None:
    repo.commit("Mine", {"README.md": "Ours\n"})
    repo.git("checkout", "-q", "main")
    repo.commit("Theirs", {"NOTES.md": "Theirs\n"})
    url = f"file://{repo.path}"
    git(tmp_path, "clone", "-q", "--depth", "1", "--branch", "change", url, "one")
    shallow = Repo(tmp_path / "one")
    assert shallow.validate().code == 0
    said = shallow.validate("--base", "origin/main")
    assert (said.code, "git fetch --unshallow" in said.err, "fetch-depth: 0" in said.err) == (2, True, True)
    shallow.git("fetch", "-q", "--depth", "1", "origin", "main:refs/remotes/origin/main")
    said = shallow.validate("--base", "origin/main")
    assert (said.code, "too shallow" in said.err, "fetch-depth: 0" in said.err) == (2, True, True)
    shallow.git("fetch", "-q", "--unshallow", "origin")
    shallow.edit(V2, *EDIT)
    assert shallow.validate("--base", "origin/main").short == [("immutable-version", V2)]


def test_a_shallow_clone_that_holds_the_base_is_judged(repo: Repo, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--depth", "1", "--branch", "main", f"file://{repo.path}", "one")
    shallow = Repo(tmp_path / "one")
    shallow.commit("Tidy up", {V1: None})
    said = shallow.validate("--base", "origin/main")
    assert (said.code, ("deleted-version", V1) in said.short) == (1, True)


def test_outside_of_git_a_base_is_refused_and_nothing_else(tmp_path: Path) -> None:
    plain = Repo(tmp_path / "plain")
    plain.write(example())
    assert plain.validate().code == 0
    assert plain.validate(PRE_COMMIT="1").code == 0
    said = plain.validate("--base", "main")
    assert (said.code, "is in no git repository" in said.err) == (2, True)


def test_an_empty_base_is_a_mistake_and_not_no_base(repo: Repo) -> None:
    for nothing in ("", ".."):
        said = repo.validate("--base", nothing)
        assert (said.code, "the base is empty" in said.err) == (2, True)
    said = repo.validate("--base", "--output=/dev/null")
    assert said.code == 2


def test_the_configuration_may_lie_below_the_top(tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / "all", "ops/config of ours")
    others = "../../models/digits/versions/0.9.0.yaml"
    repo.commit("Elsewhere", {others: "other: yes\n"})
    repo.git("checkout", "-q", "-b", "change")
    repo.commit("None of ours", {others: None})
    assert repo.validate("--base", "main").code == 0
    repo.edit(V2, *EDIT)
    repo.commit("Here", {V1: None})
    said = repo.validate("--base", "main")
    assert {rule for rule, _ in said.short} == {"deleted-version", "immutable-version"}
    assert {path for _, path in said.short} == {V1, V2}
    said = repo.validate("ops/config of ours", "--base", "main", at=repo.path)
    assert {path for _, path in said.short} == {f"ops/config of ours/{V1}", f"ops/config of ours/{V2}"}


@pytest.mark.parametrize(
    "name", [b"a b", b"new\nline", b'quo"te', b"l\xe9gal", b"\xff\xfe", "é".encode(), b"-dash", b"*glob*", b"a:b%c"]
)
def test_file_names_may_be_anything(repo: Repo, name: bytes) -> None:
    path = "models/digits/versions/" + os.fsdecode(name) + ".yaml"
    repo.git("checkout", "-q", "main")
    repo.commit("An odd name", {path: version("2.1.0")})
    repo.git("checkout", "-q", "-B", "change")
    repo.commit("Tidy up", {path: None})
    for kind in ("json", "text", "github", "sarif"):
        done = typed(repo.path, "validate", "--base", "main", "--format", kind, environment=ENVIRONMENT)
        assert (done.returncode, b"Traceback" in done.stderr, b"deleted-version" in done.stdout) == (1, False, True)
        done.stdout.decode()
    repo.write({path: version("2.1.0", EDIT)})
    assert [rule for rule, _ in repo.validate("--base", "main").short if rule == "immutable-version"]


def test_a_repository_whose_folder_has_an_odd_name_is_read(tmp_path: Path) -> None:
    repo = Repo.init(tmp_path / os.fsdecode(b"odd \xff name"))
    repo.edit(V2, *EDIT)
    command = [sys.executable, "-m", "tidegate", "validate", "--base", "main"]
    done = subprocess.run(command, cwd=repo.path, env=ENVIRONMENT, capture_output=True, check=False)
    assert (done.returncode, b"immutable-version" in done.stdout) == (1, True), done.stderr


def test_a_linked_work_tree_is_compared_with_its_own_head(repo: Repo, tmp_path: Path) -> None:
    repo.git("worktree", "add", "-q", tmp_path / "beside", "-b", "other", "main")
    beside = Repo(tmp_path / "beside")
    beside.edit(V2, *EDIT)
    assert beside.validate("--base", "main").short == [("immutable-version", V2)]
    assert repo.validate("--base", "main").code == 0


def test_a_submodule_is_a_repository_of_its_own(repo: Repo, tmp_path: Path) -> None:
    outer = Repo(tmp_path / "outer")
    outer.path.mkdir()
    outer.git("init", "-q", "-b", "main")
    outer.git("submodule", "add", "-q", "-b", "main", repo.path, "config")
    outer.git("commit", "-q", "-m", "With its configuration")
    inner = Repo(outer.path / "config")
    assert (inner.path / ".git").is_file()
    inner.edit(V2, *EDIT)
    assert inner.validate("--base", "origin/main").short == [("immutable-version", V2)]
    assert inner.validate(PRE_COMMIT="1").short == [], "nothing is staged"
    inner.git("add", "--all")
    assert inner.validate(PRE_COMMIT="1").short == [("immutable-version", V2)]
    inner.git("commit", "-q", "-m", "A quiet change")
    outer.git("add", "config")
    said = outer.validate("config", "--base", "origin/main")
    assert said.short == [("immutable-version", f"config/{V2}")]


def test_a_model_that_becomes_a_submodule_has_lost_its_versions(repo: Repo, tmp_path: Path) -> None:
    other = Repo.init(tmp_path / "digits")
    repo.git("rm", "-q", "-r", "models/digits")
    repo.git("submodule", "add", "-q", other.path, "models/digits")
    repo.git("commit", "-q", "-m", "A repository of its own")
    said = repo.validate("--base", "main")
    assert said.code == 1
    assert {path for rule, path in said.short if rule == "deleted-version"} == VERSIONS
    assert ("deleted-model", "models/digits/model.yaml") in said.short


def test_a_deleted_model_says_what_becomes_of_it_and_a_retired_one_may_go(repo: Repo) -> None:
    repo.git("rm", "-q", "-r", "models/digits")
    said = repo.validate("--base", "main")
    assert said.code == 1
    assert [f["message"] for f in said.findings if f["rule"] == "deleted-model"] == [
        "'digits' leaves git: what serves as 'digits' goes on serving, and nobody steers it"
    ]
    repo.git("reset", "-q", "--hard")
    repo.edit("models/digits/model.yaml", "lifecycle: {state: production}", "lifecycle: {state: retired}")
    repo.commit("Retired")
    repo.git("checkout", "-q", "-B", "main")
    repo.git("rm", "-q", "-r", "models/digits")
    assert repo.validate("--base", "main").short == []


def test_a_renamed_model_is_a_new_one(repo: Repo) -> None:
    repo.git("mv", "models/digits", "models/numbers")
    for path in (repo.path / "models/numbers").rglob("*.yaml"):
        path.write_text(
            path.read_text().replace("model: digits", "model: numbers").replace("name: digits", "name: numbers")
        )
    said = repo.validate("--base", "main")
    assert [f["message"] for f in said.findings if f["rule"] == "deleted-model"] == [
        "'digits' becomes 'numbers', a new model to Tidegate: what serves as 'digits' goes on serving, and nobody steers it"
    ]
    assert {path for rule, path in said.short if rule == "deleted-version"} == VERSIONS


def test_a_clone_that_is_cut_off_says_what_it_cannot_know(repo: Repo, tmp_path: Path) -> None:
    repo.git("checkout", "-q", "main")
    repo.edit(V2, *EDIT)
    repo.commit("Past the rules")
    git(tmp_path, "clone", "-q", "--depth", "1", "--branch", "main", f"file://{repo.path}", "one")
    shallow = Repo(tmp_path / "one")
    shallow.commit("Back to what it was", {V2: example()[V2], V1: None})
    found = {finding["rule"]: finding["fix"] for finding in shallow.validate("--base", "origin/main").findings}
    assert {"immutable-version", "deleted-version"} <= set(found)
    assert all("fetch-depth: 0" in found[rule] for rule in ("immutable-version", "deleted-version"))
    shallow.git("fetch", "-q", "--unshallow", "origin")
    assert ("immutable-version", V2) not in shallow.validate("--base", "origin/main").short


def test_a_change_of_very_many_versions_is_compared_in_one_go(repo: Repo) -> None:
    files = {path_of(f"3.{number}.0"): version(f"3.{number}.0") for number in range(120)}
    repo.git("checkout", "-q", "main")
    repo.commit("An import", files)
    repo.git("checkout", "-q", "-B", "change")
    repo.commit("All gone", dict.fromkeys(files))
    deleted = [path for rule, path in repo.validate("--base", "main").short if rule == "deleted-version"]
    assert sorted(deleted) == sorted(files)
    repo.git("checkout", "-q", "-B", "main")
    repo.write({path: text for path, text in files.items() if "3.7" in path})
    repo.write({path_of("3.70.0"): version("3.70.0", EDIT)})
    assert repo.validate("--base", "main").short == [("immutable-version", path_of("3.70.0"))]
