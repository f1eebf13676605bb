"""The mirror: what it reads, what it survives, what it keeps."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from gitrepo_world import AUTHOR, World, git

from tidegate.gitrepo.mirror import Mirror
from tidegate.spec.errors import NeedsPerson


def test_an_empty_repository_has_no_head_and_stays_usable(world: World) -> None:
    assert world.mirror.fetch() is None
    assert world.mirror.head() is None
    commit = world.clone.commit("one", {"a": "1"})
    assert world.mirror.fetch() == commit == world.mirror.head()


def test_a_file_is_read_at_the_commit_and_never_from_a_work_tree(world: World) -> None:
    first = world.clone.commit("one", {"models/digits/deployment.yaml": "v1\n", "other/b": "b"})
    (world.clone.path / "models/digits/deployment.yaml").write_text("dirty\n")
    second = world.clone.commit("two", {"models/digits/deployment.yaml": "v2\n"})
    world.mirror.fetch()
    assert world.mirror.read(first, lambda p: p.startswith("models/")) == {"models/digits/deployment.yaml": b"v1\n"}
    assert world.mirror.blob(second, "models/digits/deployment.yaml") == b"v2\n"
    assert world.mirror.blob(second, "models/digits") is None
    assert world.mirror.blob(second, "none") is None


def test_odd_names_and_contents_come_through(world: World) -> None:
    files = {"mö del/a b.yaml": "é", "tab\there": "", "new\nline": "\0\n\n", "[x]*": "star", "-dash": "d"}
    commit = world.clone.commit("odd", files)
    world.mirror.fetch()
    assert world.mirror.read(commit, lambda _: True) == {path: text.encode() for path, text in files.items()}
    assert world.mirror.blob(commit, "[x]*") == b"star"
    assert world.mirror.touched(commit, ["-dash", "[x]*"]) == commit


def test_links_are_no_files(world: World) -> None:
    world.clone.commit("one", {"a": "1"})
    (world.clone.path / "link").symlink_to("/etc/passwd")
    commit = world.clone.commit("link", {})
    world.mirror.fetch()
    assert world.mirror.read(commit, lambda _: True) == {"a": b"1"}
    assert world.mirror.blob(commit, "link") is None


def test_reading_on_from_a_commit_gives_what_reading_the_other_whole_gives(world: World) -> None:
    def ours(path: str) -> bool:
        return path.startswith("m/")

    commits = [
        world.clone.commit("one", {"m/a": "1", "m/b é": "1", "other": "1"}),
        world.clone.commit("two", {"m/a": "2", "m/new\nline": "", "other": None}),
        world.clone.commit("three", {"m/b é": None, "m/c": "same"}),
        world.clone.commit("four", {"other": "2"}),
    ]
    (world.clone.path / "m/c").unlink()
    (world.clone.path / "m/c").symlink_to("/etc/passwd")
    commits.append(world.clone.commit("a link in place of a file", {}))
    world.mirror.fetch()
    for before in commits:
        files = world.mirror.read(before, ours)
        for after in commits:
            assert world.mirror.read_on(before, files, after, ours) == world.mirror.read(after, ours)


def test_the_newest_commit_that_touched_a_path_is_found(world: World) -> None:
    one = world.clone.commit("one", {"m/a": "1", "m/b": "1"})
    two = world.clone.commit("two", {"m/a": "2"})
    three = world.clone.commit("three", {"m/b": "2"})
    four = world.clone.commit("four", {"m/a": None, "c": "1"})
    world.mirror.fetch()
    assert world.mirror.touched(three, ["m/a"]) == two
    assert world.mirror.touched(three, ["m/a", "m/b"]) == three
    assert world.mirror.touched(three, ["m"]) == three
    assert world.mirror.touched(one, ["m/b"]) == one
    assert world.mirror.touched(four, ["m/a"]) == four
    assert world.mirror.touched(three, ["never"]) == three


def test_a_merged_pull_request_is_touched_by_the_commit_inside_it(world: World) -> None:
    world.clone.commit("one", {"a": "1", "b": "1"})
    world.clone.git("checkout", "--quiet", "-b", "topic")
    inside = world.clone.commit("ask for 2", {"a": "2"}, push=False)
    world.clone.git("checkout", "--quiet", "main")
    world.clone.commit("beside", {"b": "2"})
    world.clone.git("merge", "--quiet", "--no-ff", "-m", "Merge topic", "topic")
    world.clone.git("push", "--quiet", "origin", "HEAD:main")
    head = world.mirror.fetch()
    assert head is not None
    assert head != inside
    assert world.mirror.touched(head, ["a"]) == inside


def test_a_revert_of_a_revert_is_a_newer_touch(world: World) -> None:
    world.clone.commit("one", {"a": "1"})
    asked = world.clone.commit("two", {"a": "2"})
    back = world.clone.revert(asked)
    again = world.clone.revert(back)
    world.mirror.fetch()
    assert world.mirror.touched(again, ["a"]) == again
    assert world.mirror.touched(back, ["a"]) == back


def test_changes_are_listed_without_renames(world: World) -> None:
    one = world.clone.commit("one", {"m/a": "1\n" * 50, "b": "1"})
    two = world.clone.commit("two", {"m/a": None, "m/new": "1\n" * 50, "b": "2"})
    world.mirror.fetch()
    assert sorted(world.mirror.changed(one, two)) == [("A", "m/new"), ("D", "m/a"), ("M", "b")]
    assert world.mirror.changed(two, two) == []


def test_all_paths_between_two_commits_include_what_was_undone_in_between(world: World) -> None:
    one = world.clone.commit("one", {"a": "1", "b": "1"})
    asked = world.clone.commit("two", {"a": "2"})
    back = world.clone.revert(asked)
    world.mirror.fetch()
    assert world.mirror.changed_between(one, back) == {"a"}
    assert world.mirror.changed_between(back, back) == frozenset()
    assert world.mirror.changed_between(back, one) is None
    assert world.mirror.changed_between("f" * 40, one) is None


def test_a_commit_is_described(world: World) -> None:
    commit = world.clone.commit("Zwölf: ask for 2\n\nBody.", {"a": "1"})
    world.mirror.fetch()
    info = world.mirror.describe(commit)
    assert (info.commit, info.subject, info.author) == (commit, "Zwölf: ask for 2", "vision-platform")
    assert info.time == float(world.clone.git("show", "-s", "--format=%ct"))


def test_an_unknown_commit_needs_a_person(world: World) -> None:
    world.clone.commit("one", {"a": "1"})
    world.mirror.fetch()
    with pytest.raises(NeedsPerson, match="commit ffffffffffff is not in the repository"):
        world.mirror.read("f" * 40, lambda _: True)


def test_a_force_push_is_followed_and_what_it_left_stays_readable(world: World) -> None:
    world.clone.commit("one", {"a": "1"})
    lost = world.clone.commit("two", {"a": "2"})
    world.mirror.fetch()
    world.clone.git("reset", "--quiet", "--hard", "HEAD~1")
    world.clone.git("push", "--quiet", "--force", "origin", "HEAD:main")
    new = world.clone.commit("other two", {"a": "3"})
    assert world.mirror.fetch() == new
    git("gc", "--quiet", "--prune=now", cwd=world.mirror.path)
    assert world.mirror.blob(lost, "a") == b"2"
    keeps = git("for-each-ref", "refs/keep", cwd=world.mirror.path)
    assert keeps.count("\n") == 0, "one ref for what was left, none for what is history"
    assert lost in keeps


def test_a_deleted_branch_is_no_head_and_loses_nothing(world: World) -> None:
    commit = world.clone.commit("one", {"a": "1"})
    world.mirror.fetch()
    git("update-ref", "-d", "refs/heads/main", cwd=world.remote)
    assert world.mirror.fetch() is None
    assert world.mirror.head() is None
    assert world.mirror.blob(commit, "a") == b"1"
    world.clone.git("push", "--quiet", "origin", "HEAD:main")
    assert world.mirror.fetch() == commit


def _delete(path: Path) -> None:
    shutil.rmtree(path)


def _halve(path: Path) -> None:
    shutil.rmtree(path / "objects")
    (path / "HEAD").unlink()


def _empty_objects(path: Path) -> None:
    for file in (path / "objects").rglob("*"):
        if file.is_file():
            file.chmod(0o644)
            file.write_bytes(b"")


def _broken_ref(path: Path) -> None:
    (path / "refs/heads/main").write_text("not a commit\n")


def _broken_config(path: Path) -> None:
    (path / "config").write_text("[core\n")


@pytest.mark.parametrize("harm", [_delete, _halve, _empty_objects, _broken_ref, _broken_config])
def test_a_damaged_mirror_heals_itself(world: World, harm: object) -> None:
    commit = world.clone.commit("one", {"a": "1"})
    world.mirror.fetch()
    assert callable(harm)
    harm(world.mirror.path)
    assert world.mirror.fetch() == commit
    assert world.mirror.blob(commit, "a") == b"1"


def test_a_mirror_that_is_made_anew_has_the_record_too_though_only_the_branch_was_asked_for(world: World) -> None:
    commit = world.clone.commit("one", {"a": "1"})
    world.clone.git("push", "--quiet", "origin", f"{commit}:refs/tidegate/production/digits")
    assert world.mirror.fetch(record=False) == commit
    assert "refs/tidegate/production/digits" in git("for-each-ref", cwd=world.mirror.path), "it was made just now"
    git("update-ref", "-d", "refs/tidegate/production/digits", cwd=world.mirror.path)
    world.mirror.fetch(record=False)
    assert "refs/tidegate/" not in git("for-each-ref", cwd=world.mirror.path)
    _delete(world.mirror.path)
    world.mirror.fetch(record=False)
    assert "refs/tidegate/production/digits" in git("for-each-ref", cwd=world.mirror.path)


def test_damage_found_while_reading_heals_too(world: World) -> None:
    commit = world.clone.commit("one", {"a": "1"})
    world.mirror.fetch()
    blob = git("rev-parse", "HEAD:a", cwd=world.clone.path)
    loose = world.mirror.path / "objects" / blob[:2] / blob[2:]
    loose.chmod(0o644)
    loose.write_bytes(b"")
    assert world.mirror.blob(commit, "a") == b"1"


def test_a_folder_that_is_no_mirror_is_moved_aside_and_never_deleted(world: World) -> None:
    commit = world.clone.commit("one", {"a": "1"})
    world.mirror.path.mkdir(parents=True)
    (world.mirror.path / "letters.txt").write_text("mine")
    assert world.mirror.fetch() == commit
    assert (world.mirror.path.with_name("mirror.git.found-1") / "letters.txt").read_text() == "mine"


def test_a_mirror_that_was_half_made_by_a_killed_process_is_no_obstacle(world: World) -> None:
    commit = world.clone.commit("one", {"a": "1"})
    left = world.mirror.path.with_name(".mirror.git.4242.new")
    left.mkdir(parents=True)
    assert world.mirror.fetch() == commit
    assert not left.exists()


def test_a_remote_that_goes_away_leaves_the_old_commit_readable(world: World) -> None:
    commit = world.clone.commit("one", {"a": "1"})
    world.mirror.fetch()
    world.remote.rename(world.folder / "gone.git")
    with pytest.raises(NeedsPerson, match="repository"):
        world.mirror.fetch()
    assert world.mirror.head() == commit
    assert world.mirror.blob(commit, "a") == b"1"


def test_a_shallow_repository_can_be_mirrored(world: World) -> None:
    world.clone.commit("one", {"a": "1"})
    commit = world.clone.commit("two", {"a": "2"})
    shallow = world.folder / "shallow.git"
    git("clone", "--quiet", "--bare", "--depth=1", f"file://{world.remote}", shallow)
    mirror = Mirror(world.folder / "s2" / "m.git", str(shallow), "main", author=AUTHOR, environment="production")
    assert mirror.fetch() == commit
    assert mirror.touched(commit, ["a"]) == commit


def test_a_file_url_and_a_non_bare_repository_are_remotes_too(world: World) -> None:
    commit = world.clone.commit("one", {"a": "1"})
    for name, url in (("file", f"file://{world.remote}"), ("clone", str(world.clone.path))):
        mirror = Mirror(world.folder / name / "m.git", url, "main", author=AUTHOR, environment="production")
        assert mirror.fetch() == commit


def test_another_repository_behind_the_same_state_folder_is_followed(world: World) -> None:
    world.clone.commit("one", {"a": "1"})
    world.mirror.fetch()
    other = _other(world)
    commit = other.clone.commit("elsewhere", {"z": "1"})
    mirror = Mirror(world.mirror.path, str(other.remote), "main", author=AUTHOR, environment="production")
    assert mirror.fetch() == commit


def _other(world: World) -> World:
    folder = world.folder / "other"
    folder.mkdir()
    return World(folder)
