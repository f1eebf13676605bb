"""Git in memory answers as git does, for all that the controller asks of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from sim_git import BRANCH, Host, MemoryGit, Store

from tidegate.gitrepo import tree
from tidegate.gitrepo.git import Git
from tidegate.gitrepo.remote import Remote, Update
from tidegate.gitrepo.walk import walk
from tidegate.spec.controller import Author

AUTHOR = Author(name="Team A", email="team-a@example.com")


class Twins:
    """The same history in real git and in memory; commits are named by their subject."""

    def __init__(self, folder: Path) -> None:
        self.remote, self.real = folder / "remote.git", Git(folder / "mirror.git")
        for path in (self.remote, self.real.directory):
            subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(path)], check=True)
        self.store = Store()
        host = Host(self.store, lambda _, act, fail: act(), lambda ref: "no" if "forbidden" in ref else "")
        self.memory = MemoryGit(folder, Store(), host, lambda: 0.0)
        self.names: dict[str, tuple[str, str]] = {}
        self._source = Git(self.remote)

    def commit(self, name: str, files: dict[str, str], *parents: str, message: str = "") -> None:
        """A commit in both remotes, on the branch."""
        text = f"{name}\n\n{message}\n" if message else f"{name}\n"
        index = {"GIT_INDEX_FILE": str(self.remote / f"index-{name}")}
        lines = ""
        for path, content in files.items():
            blob = self._source.line("hash-object", "-w", "--stdin", stdin=content.encode())
            lines += f"100644 {blob}\t{path}\n"
        self._source.run("update-index", "--add", "--index-info", stdin=lines.encode(), environment=index)
        written = self._source.line("write-tree", environment=index)
        identity = Remote(self._source, "", "main", "", AUTHOR).identity
        words = [word for parent in parents for word in ("-p", self.names[parent][0])]
        real = self._source.line("commit-tree", written, *words, stdin=text.encode(), environment=identity)
        self._source.run("update-ref", BRANCH, real)
        held = {path: content.encode() for path, content in files.items()}
        mine = self.store.commit(held, [self.names[parent][1] for parent in parents], text, "Team A", 0.0)
        self.store.refs[BRANCH] = mine
        self.names[name] = (real, mine)

    def remotes(self) -> tuple[Remote, Remote]:
        """The controller's view of both."""
        return (
            Remote(self.real, str(self.remote), "main", "refs/seen/main", AUTHOR),
            Remote(self.memory, "remote", "main", "refs/seen/main", AUTHOR),
        )

    def name_of(self, commit: str | None, which: int) -> str | None:
        """The name of a commit in one of the two."""
        return next((name for name, ids in self.names.items() if ids[which] == commit), commit)


@pytest.fixture
def twins(tmp_path: Path) -> Twins:
    both = Twins(tmp_path)
    both.commit("one", {"models/m/deployment.yaml": "1", "README.md": "a"})
    both.commit("two", {"models/m/deployment.yaml": "1", "README.md": "b"}, "one")
    both.commit("side", {"models/m/deployment.yaml": "2", "README.md": "a"}, "one")
    both.commit("merge", {"models/m/deployment.yaml": "2", "README.md": "b"}, "two", "side")
    both.commit(
        "last", {"models/n/x": "", "README.md": "b"}, "merge", message="Tidegate-Route: m\nTidegate-Rejects: abc"
    )
    for one in both.remotes():
        one.fetch()
    return both


def test_reading_gives_the_same(twins: Twins) -> None:
    for name, (real, mine) in twins.names.items():
        answers = []
        for git, commit, which in ((twins.real, real, 0), (twins.memory, mine, 1)):
            files = tree.read(git, commit, lambda _: True)
            touched = [
                twins.name_of(tree.touched(git, commit, paths), which)
                for paths in (["README.md"], ["models/m"], ["none"])
            ]
            parent = twins.name_of(tree.resolve(git, f"{commit}^"), which)
            some = tree.blobs_at(git, {(commit, "README.md"), (commit, "none"), (commit, "models/m/deployment.yaml")})
            one = tree.blob(git, commit, "README.md"), {path: text for (_, path), text in some.items()}
            subject = tree.describe(git, commit).subject
            answers.append(
                (files, touched, parent, one, subject, tree.resolve(git, "refs/none"), tree.changed_by(git, commit))
            )
        assert answers[0] == answers[1], name


def test_history_gives_the_same(twins: Twins) -> None:
    for before in twins.names:
        for after in twins.names:
            answers = []
            for git, which in ((twins.real, 0), (twins.memory, 1)):
                old, new = twins.names[before][which], twins.names[after][which]
                found = tree.with_trailers(git, new, old, {"Tidegate-Route": "m", "Tidegate-Rejects": "abc"})
                changed = tree.changed_between(git, old, new)
                differ = tree.differing(git, old, new)
                contents = tree.blobs(git, {blob for blob in differ.values() if blob is not None})
                answers.append(
                    (tree.is_ancestor(git, old, new), changed, twins.name_of(found, which), differ, contents)
                )
            assert answers[0] == answers[1], (before, after)


def test_a_walk_through_all_of_it_gives_the_same(twins: Twins) -> None:
    walks = []
    for git, which in ((twins.real, 0), (twins.memory, 1)):
        past = walk(git, twins.names["last"][which])
        by_name = {twins.name_of(one, which): one for one in past.parents}
        parents = {
            name: [twins.name_of(parent, which) for parent in past.parents[one]] for name, one in by_name.items()
        }
        walks.append((parents, {name: past.changed(one) for name, one in by_name.items()}))
    assert walks[0] == walks[1]


def test_pushing_gives_the_same(twins: Twins) -> None:
    hook = twins.remote / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ncase "$1" in *forbidden*) exit 1;; esac\n')
    hook.chmod(0o755)
    outcomes = []
    for which, remote in enumerate(twins.remotes()):
        old, new, other = (twins.names[name][which] for name in ("two", "last", "side"))
        pushed = remote.push([
            Update("refs/heads/new", old, ""), Update("refs/heads/forbidden", old, ""), Update(BRANCH, old, other),
        ])  # fmt: skip
        again = remote.push([Update("refs/heads/new", new, old)])
        late = remote.push([Update("refs/heads/new", other, old)])
        gone = remote.fetch_ref("refs/heads/none", "refs/seen/none")
        outcomes.append(([p.outcome for p in (*pushed, *again, *late)], gone, twins.name_of(remote.fetch(), which)))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] == ["ok", "refused", "race", "ok", "race"]


def test_notes_give_the_same(twins: Twins) -> None:
    for which, git in enumerate((twins.real, twins.memory)):
        identity = Remote(git, "", "main", "", AUTHOR).identity
        target = twins.names["one"][which]
        assert git.ask("notes", "--ref=refs/notes/x", "show", target).code != 0
        blob = git.line("hash-object", "-w", "--stdin", "--no-filters", stdin=b"one line\n")
        git.run("notes", "--ref=refs/notes/x", "add", "--force", "-C", blob, target, environment=identity)
        assert git.ask("notes", "--ref=refs/notes/x", "show", target).out == b"one line\n"
        assert list(tree.read(git, "refs/notes/x", lambda _: True).values()) == [b"one line\n"]
