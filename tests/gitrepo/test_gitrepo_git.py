"""Running git: what the environment may not change, and which error means what."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

import pytest
from gitrepo_world import World, git

from tidegate.gitrepo.clone import origin_of, person, remote_head
from tidegate.gitrepo.git import DamagedRepository, Git, clean_environment, redact, sort
from tidegate.spec.errors import NeedsPerson, RetryLater


def test_variables_that_point_elsewhere_do_not_reach_git(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = world.clone.commit("one", {"a": "1"})
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_WORK_TREE"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -i key")
    assert world.mirror.fetch() == commit
    assert "GIT_DIR" not in clean_environment()
    assert clean_environment()["GIT_SSH_COMMAND"] == "ssh -i key"
    assert clean_environment()["GIT_TERMINAL_PROMPT"] == "0"


def test_a_users_signing_and_hooks_change_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("reference-transaction", "pre-push", "post-checkout"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexit 1\n")
        (hooks / name).chmod(0o755)
    settings = tmp_path / "gitconfig"
    settings.write_text(
        f"[core]\n hooksPath = {hooks}\n autocrlf = true\n[commit]\n gpgSign = true\n[push]\n gpgSign = true\n"
        "[log]\n showSignature = true\n[diff]\n renames = copies\n[fetch]\n prune = true\n"
    )
    commit = world.clone.commit("one", {"a": "1\r\n"})
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    assert world.mirror.fetch() == commit
    assert world.mirror.blob(commit, "a") == b"1\r\n"
    assert world.mirror.describe(commit).subject == "one"
    assert not (tmp_path / "ran").exists()


def test_no_repository_at_the_path_needs_a_person(tmp_path: Path) -> None:
    with pytest.raises(NeedsPerson, match=r"does not (exist|appear to be a git repository)") as caught:
        remote_head(str(tmp_path / "none"), "main")
    assert "repository" in str(caught.value.fix)
    with pytest.raises(NeedsPerson, match="not a git repository"):
        Git.of_clone(tmp_path)


def test_the_head_of_a_remote_is_read_without_a_copy(world: World) -> None:
    assert remote_head(str(world.remote), "main") is None
    commit = world.clone.commit("one", {"a": "1"})
    assert remote_head(str(world.remote), "main") == commit
    assert remote_head(f"file://{world.remote}", "main") == commit
    assert remote_head(str(world.remote), "other") is None


def test_a_refused_connection_is_tried_again_later() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(RetryLater, match="onnect"):
            remote_head(f"http://user:hidden@127.0.0.1:{port}/r.git", "main")


def test_a_silent_remote_ends_with_its_time(tmp_path: Path) -> None:
    git("init", "--quiet", "--bare", tmp_path / "r.git")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(RetryLater, match=r"git ls-remote gave no answer for 0\.3 s"):
            Git(tmp_path / "r.git").run("ls-remote", f"http://127.0.0.1:{silent.getsockname()[1]}/r.git", timeout=0.3)
        assert time.monotonic() - began < 60


def test_git_missing_from_the_path_needs_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NeedsPerson, match="'git' was not found"):
        Git(tmp_path).run("version")


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("fatal: Authentication failed for 'https://git.example.com/r.git/'", NeedsPerson),
        ("fatal: could not read Username for 'https://git.example.com': terminal prompts disabled", NeedsPerson),
        (
            "git@git.example.com: Permission denied (publickey).\nfatal: Could not read from remote repository.",
            NeedsPerson,
        ),
        ("remote: Repository not found.\nfatal: repository 'https://git.example.com/r/' not found", NeedsPerson),
        ("fatal: detected dubious ownership in repository at '/srv/r.git'", NeedsPerson),
        ("Host key verification failed.\nfatal: Could not read from remote repository.", NeedsPerson),
        ("fatal: unable to access 'https://git.example.com/': The requested URL returned error: 403", NeedsPerson),
        ("fatal: unable to access 'https://git.example.com/': Could not resolve host: git.example.com", RetryLater),
        ("fatal: unable to access 'https://git.example.com/': The requested URL returned error: 502", RetryLater),
        ("ssh: connect to host git.example.com port 22: Connection timed out", RetryLater),
        ("fatal: Unable to create '/s/mirror.git/packed-refs.lock': File exists.", RetryLater),
        ("error: unable to write file: No space left on device", RetryLater),
        ("error: object file objects/ab/cd is empty\nfatal: loose object abcd is corrupt", DamagedRepository),
        ("something nobody has seen before", RetryLater),
    ],
)
def test_errors_say_who_can_mend_them(words: str, kind: type) -> None:
    assert type(sort(words)) is kind


def test_a_remotes_own_damage_is_not_ours() -> None:
    assert type(sort("remote: fatal: loose object abcd is corrupt\nfatal: early EOF")) is RetryLater


def test_passwords_of_urls_stay_out_of_messages() -> None:
    assert redact("from https://me:hidden@git.example.com/r.git") == "from https://***@git.example.com/r.git"
    error = sort(
        "fatal: unable to access 'https://me:hidden@h.example.com/': x", where="https://me:hidden@h.example.com/"
    )
    assert "hidden" not in str(error)


def test_a_clone_knows_its_person_and_its_origin(world: World, tmp_path: Path) -> None:
    with pytest.raises(NeedsPerson, match="git does not know who you are"):
        person(world.clone.path)
    world.clone.git("config", "user.name", "on-call")
    world.clone.git("config", "user.email", "on-call@example.com")
    assert (person(world.clone.path).name, person(world.clone.path).email) == ("on-call", "on-call@example.com")
    assert origin_of(world.clone.path) == str(world.remote)
    world.clone.git("remote", "set-url", "origin", "../remote.git")
    assert origin_of(world.clone.path) == str(world.remote)
    world.clone.git("remote", "remove", "origin")
    assert origin_of(world.clone.path) is None


def test_a_ref_that_only_ends_like_the_branch_is_not_its_head(world: World) -> None:
    world.clone.commit("one", {"a": "1"})
    git("update-ref", "refs/archive/refs/heads/topic", "main", cwd=world.remote)
    assert remote_head(str(world.remote), "topic") is None


def test_nothing_of_git_stays_behind_after_a_call(world: World) -> None:
    world.clone.commit("one", {"a": "1"})
    world.mirror.fetch()
    children = subprocess.run(["ps", "-o", "args=", "--ppid", "1"], capture_output=True, text=True, check=True).stdout
    assert str(world.mirror.path) not in children
