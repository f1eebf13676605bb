"""Questions about a person's clone, and about a repository before it is mirrored: who, from where, how far.

Neighbours: `tidegate rollback` signs in the person's name, `tidegate doctor` looks before the controller does.
"""

from __future__ import annotations

from pathlib import Path

from tidegate.gitrepo.access import access_to
from tidegate.gitrepo.git import NETWORK_TIMEOUT, Git
from tidegate.gitrepo.tree import resolve
from tidegate.spec.controller import Author
from tidegate.spec.errors import NeedsPerson


def person(folder: Path) -> Author:
    """Who works in this folder, as the clone or else the user has told git. Raises NeedsPerson when neither has."""
    git = _clone_of(folder) or Git(Path("/"))
    name, email = (git.ask("config", "--get", f"user.{key}").out.decode().strip() for key in ("name", "email"))
    if not name or not email:
        raise NeedsPerson(
            "git does not know who you are",
            where=str(folder),
            fix="git config user.name NAME; git config user.email EMAIL",
        )
    return Author(name=name, email=email)


def meaning(folder: Path, name: str) -> str:
    """The commit that a tag, branch or abbreviated id means in the clone of this folder; the name itself where none does."""
    git = _clone_of(folder)
    return (resolve(git, name) if git else None) or name


def _clone_of(folder: Path) -> Git | None:
    try:
        return Git.of_clone(folder)
    except NeedsPerson:  # no clone: what the caller asks has an answer without one
        return None


def origin_of(path: Path) -> str | None:
    """The URL of the clone's `origin`, an absolute path where it is a local one; None without an origin."""
    answer = Git.of_clone(path).ask("config", "--get", "remote.origin.url")
    url = answer.out.decode().strip()
    if answer.code or not url:
        return None
    return str((path / url).resolve()) if url.startswith(".") else url


def remote_head(url: str, branch: str) -> str | None:
    """The newest commit of a branch, asked of the remote itself; None without that branch. Raises RetryLater, NeedsPerson."""
    git, ref, to = Git(Path("/")), f"refs/heads/{branch}", access_to(url)
    words = ("ls-remote", "--", to.url, ref)
    out = git.run(*words, environment=to.environment, timeout=NETWORK_TIMEOUT, where=to.url)
    # The pattern also finds refs that only end like this, such as refs/remotes/x/refs/heads/main.
    found = (line.split("\t") for line in out.decode("utf-8", "replace").splitlines())
    return next((commit for commit, name in found if name == ref), None)
