"""A bare remote, people's clones and a controller's mirror: real git in a temporary folder."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import yaml

from tidegate.gitrepo import tree
from tidegate.gitrepo.git import Git
from tidegate.gitrepo.mirror import Mirror
from tidegate.spec.controller import Author
from tidegate.spec.release import Release, split_route

AUTHOR = Author(name="Tidegate", email="tidegate@example.com")
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "vision-platform",
    "GIT_AUTHOR_EMAIL": "vision-platform@example.com",
    "GIT_COMMITTER_NAME": "vision-platform",
    "GIT_COMMITTER_EMAIL": "vision-platform@example.com",
}


def git(*arguments: str | Path, cwd: Path | None = None, stdin: str | None = None) -> str:
    """Git as a person runs it."""
    done = subprocess.run(
        ["git", *map(str, arguments)],
        cwd=cwd,
        env=ENVIRONMENT,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Clone:
    """A person's clone."""

    def __init__(self, remote: Path, path: Path) -> None:
        git("clone", "--quiet", remote, path)
        self.path = path

    def git(self, *arguments: str | Path) -> str:
        return git(*arguments, cwd=self.path)

    def commit(self, message: str, files: Mapping[str, str | None], *, push: bool = True) -> str:
        """Write (None: delete) files, commit, push to main; the commit."""
        for path, content in files.items():
            place = self.path / path
            if content is None:
                place.unlink()
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content.encode())
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        if push:
            self.git("push", "--quiet", "origin", "HEAD:main")
        return self.git("rev-parse", "HEAD")

    def pull(self) -> None:
        self.git("pull", "--quiet", "--rebase", "origin", "main")

    def revert(self, commit: str) -> str:
        self.git("revert", "--no-edit", commit)
        self.git("push", "--quiet", "origin", "HEAD:main")
        return self.git("rev-parse", "HEAD")


class World:
    """A remote with one clone and one mirror."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.remote = folder / "remote.git"
        git("init", "--quiet", "--bare", "--initial-branch=main", self.remote)
        self.clone = Clone(self.remote, folder / "clone")
        self.mirror = self.another_mirror("state")

    def another_mirror(self, name: str, environment: str = "production") -> Mirror:
        path = self.folder / name / "mirror.git"
        return Mirror(path, str(self.remote), "main", author=AUTHOR, environment=environment)

    def another_clone(self, name: str) -> Clone:
        return Clone(self.remote, self.folder / name)

    def hook(self, name: str, script: str) -> None:
        """A hook of the remote."""
        place = self.remote / "hooks" / name
        place.parent.mkdir(exist_ok=True)
        place.write_text("#!/bin/sh\n" + script)
        place.chmod(0o755)

    def head(self, branch: str = "main") -> str:
        return git("rev-parse", f"refs/heads/{branch}", cwd=self.remote)

    def show(self, path: str, branch: str = "main") -> str:
        """A file as the remote has it, to the last character."""
        done = subprocess.run(
            ["git", "show", f"{branch}:{path}"], cwd=self.remote, env=ENVIRONMENT, capture_output=True, check=True
        )
        return done.stdout.decode()


def digest_at(repository: Git, route: str, commit: str) -> str | None:
    """What a route asks for at a commit, as a digest: of the version file and the config that it names."""
    model, feature = split_route(route)
    folder = f"models/{model}"
    text = tree.blob(repository, commit, f"{folder}/deployment.yaml")
    if text is None:
        return None
    data = yaml.safe_load(text)
    own = ((data.get("features") or {}).get(feature) or {}) if feature else data
    version = own.get("version") or data["version"]
    name, _, pin = (own.get("config") or data.get("config") or "").partition("@")
    content = tree.blob(repository, commit, f"{folder}/versions/{version}.yaml")
    config = tree.blob(repository, pin or commit, f"{folder}/configs/{name}.yaml") if name else b""
    parts = [part.split(b"#")[0] for part in (content or b"missing", config or b"missing")]
    return hashlib.sha256(b"\0".join([version.encode(), *parts])).hexdigest()


def release_at(repository: Git, route: str, commit: str) -> Release:
    """The release that a route asks for at a commit."""
    model, feature = split_route(route)
    data = yaml.safe_load(tree.blob(repository, commit, f"models/{model}/deployment.yaml") or b"")
    own = ((data.get("features") or {}).get(feature) or {}) if feature else data
    digest = digest_at(repository, route, commit)
    assert digest is not None
    config = own.get("config") or data.get("config")
    return Release(model, own.get("version") or data["version"], config, digest, "0" * 64, commit)
