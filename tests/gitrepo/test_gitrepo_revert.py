"""Git is made true: what the revert commit restores, how it is pushed, and that doing it twice does it once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
import yaml
from gitrepo_world import ENVIRONMENT, World, digest_at, git, release_at

from tidegate.gitrepo import message
from tidegate.gitrepo.clone import person as whoever
from tidegate.gitrepo.git import Git
from tidegate.gitrepo.remote import Remote
from tidegate.gitrepo.revert import ATTEMPTS, Result, Undo, restore
from tidegate.spec.errors import NeedsPerson, RetryLater
from tidegate.spec.release import Release, split_route

DEPLOYMENT = "models/digits/deployment.yaml"
CONFIG = "models/digits/configs/default.yaml"
REASON = "error rate 19.1 % against 1.2 % (max_ratio 2.0, 1,204 requests)"
GOOD = """\
# yaml-language-server: $schema=../../schemas/deployment.json
api: tidegate/v1
kind: Deployment
model: digits
version: "2.0.0"   # July scans
config: default
policy: progressive   # slow and sure
replicas: 2
features: {archive: {version: "1.1.0"}}
"""
BAD = GOOD.replace('"2.0.0"   # July scans', '"2.1.0"').replace("replicas", "reason: August scans.\nreplicas")


@pytest.fixture
def good(world: World) -> str:
    """The commit that all is well at."""
    return world.clone.commit(
        "digits 2.0.0",
        {
            DEPLOYMENT: GOOD,
            CONFIG: "parameters: {temperature: 0.2}\n",
            "models/digits/configs/terse.yaml": "parameters: {temperature: 0.0}\n",
            "models/digits/versions/1.1.0.yaml": 'version: "1.1.0"\n',
            "models/digits/versions/2.0.0.yaml": 'version: "2.0.0"\n',
            "README.md": "one\n",
        },
    )


def ask(world: World, files: dict[str, str | None], subject: str = "digits 2.1.0") -> str:
    """A commit that asks for something else."""
    return world.clone.commit(subject, {"models/digits/versions/2.1.0.yaml": 'version: "2.1.0"\n', **files})


def undo(world: World, good: str, bad: str, route: str = "digits", **more: object) -> Undo:
    """What the engine would want taken back."""
    world.mirror.fetch()
    was, rejected = (release_at(world.mirror.git, route, commit) for commit in (good, bad))
    words = message.rejection(route, rejected, was, REASON, asked_by=bad)
    return Undo(route, f"models/{split_route(route)[0]}", DEPLOYMENT, rejected, was, words, REASON, **more)  # type: ignore[arg-type]  # test brevity


def run(world: World, wanted: Undo, remote: Remote | None = None) -> Result:
    used = remote or world.mirror.remote
    return restore(used, wanted, lambda commit: digest_at(used.git, wanted.route, commit), rng=random.Random(1))


def test_a_rejected_release_is_reverted_on_the_branch_in_tidegates_name(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: BAD})
    result = run(world, undo(world, good, bad))
    assert (result.how, result.ref, result.files) == ("reverted", "refs/heads/main", (DEPLOYMENT,))
    assert world.head() == result.commit == world.mirror.fetch()
    assert world.show(DEPLOYMENT) == GOOD
    lines = git("log", "-1", "--format=%P%n%an <%ae>%n%cn", cwd=world.remote).splitlines()
    assert lines == [bad, "Tidegate <tidegate@example.com>", "Tidegate"]
    assert git("diff", "--name-only", good, "main", cwd=world.remote) == "models/digits/versions/2.1.0.yaml"


def test_the_message_says_what_happened_and_its_trailers_parse(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: BAD})
    wanted = undo(world, good, bad)
    run(world, wanted)
    text = git("log", "-1", "--format=%B", cwd=world.remote)
    assert text.startswith('Revert "digits 2.1.0": error rate 19.1 % against 1.2 %')
    assert len(text.splitlines()[0]) <= 100
    assert wanted.rejected.label in text
    assert f"asked for by commit {bad[:12]}." in " ".join(text.split())
    assert git("interpret-trailers", "--parse", stdin=text).splitlines() == [
        "Tidegate-Route: digits",
        f"Tidegate-Release: {wanted.rejected.digest}",
        f"Tidegate-Rejects: {bad}",
        f"Tidegate-Reason: {REASON}",
    ]


@pytest.mark.parametrize(
    "reason", ["two\nlines\r\nand Tidegate-Route: other", "", "x: y", "é" * 500, "tab\there\x1b[0m"]
)
def test_no_reason_can_break_the_trailers(reason: str) -> None:
    release = Release("digits", "2.1.0", None, "b" * 64, "0" * 64, "c" * 40)
    text = message.rejection("digits/archive", release, release, reason)
    parsed = git("interpret-trailers", "--parse", stdin=text).splitlines()
    assert [line.partition(":")[0] for line in parsed] == [
        message.ROUTE,
        message.RELEASE,
        message.REJECTS,
        message.REASON,
    ]
    assert parsed[0] == "Tidegate-Route: digits/archive"
    assert parsed[3] == f"Tidegate-Reason: {message.one_line(reason) or 'none given'}"
    assert text.splitlines()[1] == ""


def test_a_mixed_commit_loses_only_this_routes_fields(world: World, good: str) -> None:
    mixed = BAD.replace("replicas: 2", "replicas: 5").replace("slow and sure", "slow").replace('"1.1.0"', '"1.2.0"')
    bad = ask(world, {DEPLOYMENT: mixed, "README.md": "two\n", "models/digits/versions/1.2.0.yaml": "x\n"})
    result = run(world, undo(world, good, bad))
    assert result.files == (DEPLOYMENT,)
    assert world.show("README.md") == "two\n"
    expected = GOOD.replace("replicas: 2", "replicas: 5").replace("slow and sure", "slow").replace('"1.1.0"', '"1.2.0"')
    assert world.show(DEPLOYMENT) == expected


def test_one_features_release_comes_back_and_nothing_else_moves(world: World, good: str) -> None:
    text = GOOD.replace('{version: "1.1.0"}', '{version: "2.1.0", replicas: 3}').replace("replicas: 2", "replicas: 4")
    bad = ask(world, {DEPLOYMENT: text})
    run(world, undo(world, good, bad, "digits/archive"))
    assert world.show(DEPLOYMENT) == text.replace('"2.1.0", replicas: 3', '"1.1.0", replicas: 3')


def test_a_config_only_change_brings_back_the_config_file_alone(world: World, good: str) -> None:
    bad = ask(world, {CONFIG: "parameters: {temperature: 1.9}\n", "README.md": "two\n"}, "warmer")
    wanted = undo(world, good, bad)
    result = run(world, wanted)
    assert result.files == (CONFIG,)
    assert world.show(CONFIG) == "parameters: {temperature: 0.2}\n"
    assert world.show("README.md") == "two\n"
    subject = git("log", "-1", "--format=%s", cwd=world.remote)
    assert subject.startswith('Revert "digits 2.0.0 (config default)": error rate')


def test_version_and_config_changed_together_come_back_together(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: BAD, CONFIG: "parameters: {temperature: 1.9}\n"})
    wanted = undo(world, good, bad)
    result = run(world, wanted)
    assert result.files == (CONFIG, DEPLOYMENT)
    assert (world.show(DEPLOYMENT), world.show(CONFIG)) == (GOOD, "parameters: {temperature: 0.2}\n")
    assert digest_at(world.mirror.git, "digits", world.head()) == wanted.good.digest


def test_a_config_that_a_feature_names_itself_is_pinned_instead(world: World, good: str) -> None:
    named = GOOD.replace('{version: "1.1.0"}', '{version: "1.1.0", config: default}')
    start = world.clone.commit("archive names its config", {DEPLOYMENT: named})
    bad = ask(world, {CONFIG: "parameters: {temperature: 1.9}\n"}, "warmer")
    wanted = undo(world, start, bad)
    before = digest_at(world.mirror.git, "digits/archive", bad)
    result = run(world, wanted)
    assert result.files == (DEPLOYMENT,)
    assert world.show(DEPLOYMENT) == named.replace("config: default\n", f"config: default@{start}\n")
    assert digest_at(world.mirror.git, "digits", world.head()) == wanted.good.digest
    assert digest_at(world.mirror.git, "digits/archive", world.head()) == before


def test_a_feature_is_pinned_to_the_config_it_had(world: World, good: str) -> None:
    bad = ask(world, {CONFIG: "parameters: {temperature: 1.9}\n"}, "warmer")
    wanted = undo(world, good, bad, "digits/archive")
    model = digest_at(world.mirror.git, "digits", bad)
    run(world, wanted)
    assert yaml.safe_load(world.show(DEPLOYMENT))["features"] == {
        "archive": {"version": "1.1.0", "config": f"default@{good}"}
    }
    assert digest_at(world.mirror.git, "digits/archive", world.head()) == wanted.good.digest
    assert digest_at(world.mirror.git, "digits", world.head()) == model


def test_a_switch_to_another_config_comes_back_by_name(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: GOOD.replace("config: default", "config: terse")}, "terse")
    assert run(world, undo(world, good, bad)).files == (DEPLOYMENT,)
    assert world.show(DEPLOYMENT) == GOOD


def test_a_config_edited_while_another_was_in_use_is_pinned_not_overwritten(world: World, good: str) -> None:
    new = {DEPLOYMENT: GOOD.replace("config: default", "config: terse"), CONFIG: "parameters: {temperature: 1.0}\n"}
    bad = ask(world, new, "terse, and default for later")
    wanted = undo(world, good, bad)
    run(world, wanted)
    assert world.show(CONFIG) == "parameters: {temperature: 1.0}\n"
    assert world.show(DEPLOYMENT) == GOOD.replace("config: default", f"config: default@{good}")
    assert digest_at(world.mirror.git, "digits", world.head()) == wanted.good.digest


def test_files_deleted_by_the_bad_commit_come_back(world: World, good: str) -> None:
    text = BAD.replace("config: default", "config: terse")
    bad = ask(world, {DEPLOYMENT: text, CONFIG: None, "models/digits/versions/2.0.0.yaml": None})
    wanted = undo(world, good, bad)
    assert run(world, wanted).files == (CONFIG, DEPLOYMENT, "models/digits/versions/2.0.0.yaml")
    assert world.show(DEPLOYMENT) == GOOD
    assert digest_at(world.mirror.git, "digits", world.head()) == wanted.good.digest


def test_a_version_file_edited_in_place_is_restored(world: World, good: str) -> None:
    bad = world.clone.commit("sneaky", {"models/digits/versions/2.0.0.yaml": 'version: "2.0.0"\nartifact: other\n'})
    assert run(world, undo(world, good, bad)).files == ("models/digits/versions/2.0.0.yaml",)
    assert world.show("models/digits/versions/2.0.0.yaml") == 'version: "2.0.0"\n'


def test_a_deployment_file_that_was_renamed_is_edited_where_it_is(world: World, good: str) -> None:
    other = "models/digits/deployments/production.yaml"
    bad = ask(world, {DEPLOYMENT: None, other: BAD})
    world.mirror.fetch()
    was = release_at(world.mirror.git, "digits", good)
    rejected = Release("digits", "2.1.0", "default", "b" * 64, "0" * 64, bad)
    wanted = Undo("digits", "models/digits", other, rejected, was, "Revert\n", REASON)
    digests = {bad: rejected.digest}
    result = restore(world.mirror.remote, wanted, digests.get)
    assert result.files == (other,)
    data = yaml.safe_load(world.show(other))
    assert (data["version"], data["config"], data["replicas"]) == ("2.0.0", "default", 2)
    assert data["reason"] == f"Back from 2.1.0: {REASON}"


def test_a_good_release_whose_commit_is_gone_is_named_by_its_version(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: BAD})
    wanted = undo(world, good, bad)
    gone = Release("digits", "2.0.0", "default", wanted.good.digest, "0" * 64, "f" * 40)
    run(world, Undo("digits", "models/digits", DEPLOYMENT, wanted.rejected, gone, "Revert\n", REASON))
    assert yaml.safe_load(world.show(DEPLOYMENT))["version"] == "2.0.0"


def test_a_persons_revert_in_between_makes_one_rollback_not_two(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: BAD})
    wanted = undo(world, good, bad)
    reverted = world.clone.revert(bad)
    result = run(world, wanted)
    assert (result.how, result.commit) == ("already", reverted)
    assert world.head() == reverted


def test_calling_it_again_after_the_push_changes_nothing(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: BAD})
    wanted = undo(world, good, bad)
    first = run(world, wanted)
    again = run(world, wanted)
    assert (again.how, again.commit) == ("already", first.commit)
    rebuilt = world.another_mirror("rebuilt")
    rebuilt.fetch()
    assert run(world, wanted, rebuilt.remote).how == "already"
    assert world.head() == first.commit


def test_a_newer_request_is_left_alone(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: BAD})
    wanted = undo(world, good, bad)
    newer = ask(world, {DEPLOYMENT: BAD.replace("2.1.0", "2.2.0"), "models/digits/versions/2.2.0.yaml": "x\n"})
    assert run(world, wanted).how == "already"
    assert world.head() == newer


def test_a_push_in_between_is_built_upon(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: BAD})
    wanted = undo(world, good, bad)
    other = world.another_clone("other")
    pushed: list[str] = []

    def digest(commit: str) -> str | None:
        if len(pushed) < 2 and commit != world.head():  # our own new commit: just before it is pushed
            pushed.append(other.commit(f"beside {len(pushed)}", {f"notes-{len(pushed)}.txt": "x"}))
        return digest_at(world.mirror.git, "digits", commit)

    waits: list[float] = []
    result = restore(world.mirror.remote, wanted, digest, rng=random.Random(1), sleep=waits.append)
    assert result.how == "reverted"
    assert git("log", "-1", "--format=%P", cwd=world.remote) == pushed[1]
    assert world.show("notes-0.txt") == "x"
    assert world.show(DEPLOYMENT) == GOOD
    assert len(waits) == 2
    assert waits[0] < waits[1]


def test_a_race_inside_the_remote_is_built_upon_too(world: World, good: str) -> None:
    """The remote moves while it receives our push: a hook of its own pushes once."""
    bad = ask(world, {DEPLOYMENT: BAD})
    wanted = undo(world, good, bad)
    other = world.another_clone("other")
    other.commit("beside", {"notes.txt": "x"}, push=False)
    flag = world.folder / "raced"
    world.hook(
        "pre-receive",
        f'[ -e {flag} ] && exit 0\ntouch {flag}\nenv -i PATH="$PATH" git -C {other.path} push -q origin HEAD:main\n',
    )
    assert run(world, wanted).how == "reverted"
    assert flag.exists()
    assert world.show("notes.txt") == "x"
    assert world.show(DEPLOYMENT) == GOOD


def test_a_force_push_in_between_is_never_undone(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: BAD})
    wanted = undo(world, good, bad)
    rewritten: list[str] = []

    def digest(commit: str) -> str | None:
        if not rewritten and commit != world.head():
            world.clone.git("push", "--quiet", "--force", "origin", f"{good}:main")
            rewritten.append(good)
        return digest_at(world.mirror.git, "digits", commit)

    result = restore(world.mirror.remote, wanted, digest, sleep=lambda _: None)
    assert result.how == "already"
    assert world.head() == good


PROTECT = (
    'while read old new ref; do [ "$ref" = refs/heads/main ] || continue\n'
    'echo "main is protected: open a pull request" >&2; exit 1; done\n'
)


def test_a_protected_branch_gets_a_branch_beside_it(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: BAD})
    wanted = undo(world, good, bad)
    world.hook("pre-receive", PROTECT)
    result = run(world, wanted)
    branch = f"tidegate/rollback-digits-{wanted.rejected.id}"
    assert (result.how, result.ref) == ("branch", f"refs/heads/{branch}")
    assert "main is protected: open a pull request" in result.detail
    assert world.head() == bad
    assert world.head(branch) == result.commit
    assert world.show(DEPLOYMENT, branch) == GOOD
    again = run(world, wanted)
    assert (again.how, again.commit) == ("branch", result.commit)


def test_a_proposed_branch_that_people_added_to_stays_as_it_is(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: BAD})
    wanted = undo(world, good, bad, mode="branch")
    run(world, wanted)
    world.clone.git("fetch", "--quiet", "origin", wanted.branch)
    world.clone.git("checkout", "--quiet", "FETCH_HEAD")
    added = world.clone.commit("and a word", {"why.md": "x"}, push=False)
    world.clone.git("push", "--quiet", "origin", f"HEAD:refs/heads/{wanted.branch}")
    assert run(world, wanted).commit == added
    assert world.head(wanted.branch) == added


def test_a_branch_left_from_an_earlier_merge_is_moved_on(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: BAD})
    wanted = undo(world, good, bad, mode="branch")
    first = run(world, wanted)
    world.clone.git("fetch", "--quiet", "origin", wanted.branch)
    world.clone.git("merge", "--quiet", "FETCH_HEAD")
    world.clone.commit("asked again", {DEPLOYMENT: BAD})
    second = run(world, wanted)
    assert second.how == "branch"
    assert second.commit != first.commit
    assert world.head(wanted.branch) == second.commit
    assert git("log", "-1", "--format=%P", wanted.branch, cwd=world.remote) == world.head()


def test_a_feature_s_branch_has_a_name_git_takes(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: GOOD.replace('"1.1.0"', '"2.1.0"')})
    wanted = undo(world, good, bad, "digits/archive", mode="branch")
    assert run(world, wanted).ref == f"refs/heads/tidegate/rollback-digits-archive-{wanted.rejected.id}"


def test_a_remote_that_refuses_everything_needs_a_person(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: BAD})
    wanted = undo(world, good, bad)
    world.hook("pre-receive", "echo 'read only today' >&2; exit 1\n")
    with pytest.raises(NeedsPerson, match="read only today") as caught:
        run(world, wanted)
    assert "let Tidegate push to 'main' or to 'tidegate/*'" in str(caught.value.fix)


def test_a_checked_out_branch_of_a_plain_repository_gets_a_branch_beside_it(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: BAD})
    wanted = undo(world, good, bad)
    world.clone.git("checkout", "--quiet", "-B", "main")
    remote = Remote(world.mirror.git, str(world.clone.path), "main", "refs/heads/elsewhere", world.mirror.remote.author)
    result = run(world, wanted, remote)
    assert result.how == "branch"
    assert "checked out" in result.detail
    assert (world.clone.path / DEPLOYMENT).read_text() == BAD


def test_somebody_always_faster_ends_in_a_branch(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: BAD})
    wanted = undo(world, good, bad)
    other = world.another_clone("other")

    def digest(commit: str) -> str | None:
        if commit != world.head():
            other.commit("beside", {})
        return digest_at(world.mirror.git, "digits", commit)

    waits: list[float] = []
    result = restore(world.mirror.remote, wanted, digest, sleep=waits.append)
    assert result.how == "branch"
    assert f"others were faster {ATTEMPTS} times" in result.detail
    assert len(waits) == ATTEMPTS - 1


def test_a_remote_out_of_reach_leaves_the_duty(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: BAD})
    wanted = undo(world, good, bad)
    remote = Remote(world.mirror.git, "http://127.0.0.1:9/r.git", "main", "refs/heads/main", world.mirror.remote.author)
    with pytest.raises(RetryLater):
        run(world, wanted, remote)
    assert run(world, wanted).how == "reverted"


def test_policy_may_leave_git_alone(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: BAD})
    assert run(world, undo(world, good, bad, mode="none")).how == "none"
    assert world.head() == bad


def test_a_revert_that_would_not_help_is_not_pushed(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: BAD})
    wanted = undo(world, good, bad)
    with pytest.raises(NeedsPerson, match=r"digits would still get the rejected digits 2.1.0"):
        restore(world.mirror.remote, wanted, lambda _: wanted.rejected.digest)
    assert world.head() == bad


def test_a_change_that_no_file_of_the_route_explains_needs_a_person(world: World, good: str) -> None:
    bad = world.clone.commit("beside", {"README.md": "two\n"})
    wanted = undo(world, good, bad)
    with pytest.raises(NeedsPerson, match=r"nothing in 'models/digits/deployment.yaml' explains"):
        restore(world.mirror.remote, wanted, lambda _: wanted.rejected.digest)


def test_a_deployment_that_cannot_be_edited_needs_a_person(world: World, good: str) -> None:
    wanted = undo(world, good, ask(world, {DEPLOYMENT: BAD}))
    for content, words in ((None, "is not in git any more"), ("a: [", "cannot be edited")):
        world.clone.commit("broken", {DEPLOYMENT: content})
        with pytest.raises(NeedsPerson, match=words):
            restore(world.mirror.remote, wanted, lambda _: wanted.rejected.digest)
    (world.clone.path / DEPLOYMENT).write_bytes(b"version: \xff\n")
    world.clone.commit("latin", {})
    with pytest.raises(NeedsPerson, match="is not UTF-8"):
        restore(world.mirror.remote, wanted, lambda _: wanted.rejected.digest)


def test_a_branch_that_is_gone_leaves_the_duty(world: World, good: str) -> None:
    wanted = undo(world, good, ask(world, {DEPLOYMENT: BAD}))
    git("update-ref", "-d", "refs/heads/main", cwd=world.remote)
    with pytest.raises(RetryLater, match="no branch 'main'"):
        run(world, wanted)


def test_the_mode_of_a_file_stays(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: BAD})
    world.clone.git("update-index", "--chmod=+x", DEPLOYMENT)
    world.clone.git("commit", "--quiet", "-m", "odd mode")
    world.clone.git("push", "--quiet", "origin", "HEAD:main")
    run(world, undo(world, good, bad))
    assert git("ls-tree", "main", DEPLOYMENT, cwd=world.remote).startswith("100755")


def test_a_person_rolls_back_from_a_clone_without_touching_its_work_tree(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: BAD})
    person = world.another_clone("person")
    person.git("config", "user.name", "on-call")
    person.git("config", "user.email", "on-call@example.com")
    (person.path / DEPLOYMENT).write_text("half edited\n")
    (person.path / "new.txt").write_text("mine\n")
    person.git("add", "new.txt")
    status = person.git("status", "--porcelain")
    remote = Remote(Git.of_clone(person.path), "origin", "main", "refs/remotes/origin/main", whoever(person.path))
    remote.fetch()
    was, left = (release_at(remote.git, "digits", commit) for commit in (good, bad))
    words = message.rollback("digits", left, was, "users see wrong digits")
    result = run(world, Undo("digits", "models/digits", DEPLOYMENT, left, was, words, "users see wrong digits"), remote)
    assert result.how == "reverted"
    assert world.show(DEPLOYMENT) == GOOD
    assert person.git("status", "--porcelain") == status
    assert git("log", "-1", "--format=%an%n%s", cwd=world.remote).splitlines() == [
        "on-call",
        "Roll back digits to 2.0.0: users see wrong digits",
    ]
    trailers = git("interpret-trailers", "--parse", stdin=git("log", "-1", "--format=%B", cwd=world.remote))
    assert "Tidegate-Rejects" not in trailers


def test_a_config_only_rollback_keeps_the_version_and_pins_the_config(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: BAD, CONFIG: "parameters: {temperature: 1.9}\n"})
    result = run(world, undo(world, good, bad, config_only=True))
    assert result.files == (DEPLOYMENT,)
    assert world.show(DEPLOYMENT) == BAD.replace("config: default", f"config: default@{good}")


def test_a_crash_between_commit_and_push_leaves_nothing_and_the_next_try_makes_one_commit(
    world: World, good: str
) -> None:
    bad = ask(world, {DEPLOYMENT: BAD})
    wanted = undo(world, good, bad)
    crashed(world, wanted, "commit")
    assert world.head() == bad
    result = run(world, wanted)
    assert result.how == "reverted"
    assert git("rev-list", "--count", f"{bad}..main", cwd=world.remote) == "1"


def test_who_asks_once_more_after_the_revert_is_not_taken_back_by_a_controller_that_died_after_its_push(
    world: World, good: str
) -> None:
    bad = ask(world, {DEPLOYMENT: BAD})
    wanted = undo(world, good, bad, rejects=bad)
    first = run(world, wanted)
    assert first.how == "reverted"
    world.clone.git("pull", "-q", "--rebase", "origin", "main")
    again = ask(world, {DEPLOYMENT: BAD}, "digits 2.1.0, once more")
    second = run(world, wanted)
    assert (second.how, second.commit) == ("already", first.commit)
    assert world.head() == again


def test_a_crash_right_after_the_push_is_seen_as_done(world: World, good: str) -> None:
    bad = ask(world, {DEPLOYMENT: BAD})
    wanted = undo(world, good, bad)
    crashed(world, wanted, "push")
    result = run(world, wanted)
    assert (result.how, result.commit) == ("already", world.head())
    assert git("rev-list", "--count", f"{bad}..main", cwd=world.remote) == "1"


def crashed(world: World, wanted: Undo, where: str) -> None:
    """The same call in a process of its own, killed when git has just committed, or has just pushed."""
    wrapper = world.folder / "bin"
    wrapper.mkdir()
    real = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()
    word = {"commit": "push", "push": "update-ref refs/tidegate-seen/main"}[where]
    (wrapper / "git").write_text(
        textwrap.dedent(f"""\
        #!/bin/sh
        case "$*" in *" {word} "*) kill -KILL {"$PPID"}; exit 1;; esac
        exec {real} "$@"
        """)
    )
    (wrapper / "git").chmod(0o755)
    program = textwrap.dedent(f"""\
        import sys
        sys.path[:0] = {sys.path!r}
        from pathlib import Path
        from gitrepo_world import AUTHOR, digest_at
        from tidegate.gitrepo.mirror import Mirror
        from tidegate.gitrepo.revert import Undo, restore
        from tidegate.spec.release import Release
        mirror = Mirror(Path({str(world.mirror.path)!r}), {str(world.remote)!r}, "main", author=AUTHOR, environment="production")
        restore(mirror.remote, {wanted!r}, lambda commit: digest_at(mirror.git, "digits", commit))
        """)
    environment = {**ENVIRONMENT, "PATH": f"{wrapper}:{os.environ['PATH']}"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_the_git_of_a_clone_is_found_from_a_folder_inside(world: World, good: str) -> None:
    inside = Path(world.clone.path, "models", "digits")
    assert Git.of_clone(inside).directory == world.clone.path / ".git"


def test_two_routes_at_once_each_get_their_commit_without_a_race(world: World, good: str) -> None:
    text = BAD.replace('"1.1.0"', '"2.1.0"')
    bad = ask(world, {DEPLOYMENT: text})
    duties = [undo(world, good, bad), undo(world, good, bad, "digits/archive")]
    results: list[Result] = []
    waits: list[float] = []

    def fulfil(wanted: Undo) -> None:
        read = world.mirror.git
        results.append(
            restore(
                world.mirror.remote, wanted, lambda commit: digest_at(read, wanted.route, commit), sleep=waits.append
            )
        )

    threads = [threading.Thread(target=fulfil, args=(wanted,)) for wanted in duties]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.how for result in results] == ["reverted", "reverted"]
    assert waits == []
    assert world.show(DEPLOYMENT) == GOOD
    assert git("rev-list", "--count", f"{bad}..main", cwd=world.remote) == "2"
