"""A real git repository that holds the rules' example, and `tidegate validate` in it, as a person or a hook runs it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tidegate
import tidegate.rules
from support.typed import typed

CONTROLLER = Path(tidegate.__file__).parents[1]
EXAMPLE = Path(tidegate.rules.__file__).parent / "example"
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "GITHUB_", "PRE_COMMIT"))},
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_AUTHOR_NAME": "vision-platform",
    "GIT_AUTHOR_EMAIL": "vision-platform@example.com",
    "GIT_COMMITTER_NAME": "vision-platform",
    "GIT_COMMITTER_EMAIL": "vision-platform@example.com",
    "GIT_EDITOR": "true",
    "PYTHONPATH": str(CONTROLLER),
}
V1, V2 = "models/digits/versions/1.0.0.yaml", "models/digits/versions/2.0.0.yaml"
DEPLOYMENT = "models/digits/deployment.yaml"
HISTORY_RULES = frozenset({
    "immutable-version", "deleted-version", "deleted-model", "version-order", "semver-fits", "signature-break",
    "early-approval", "protocol-changed", "evaluation-set-changed",
})  # fmt: skip


def example() -> dict[str, bytes]:
    """The files of the example repository."""
    return {path.relative_to(EXAMPLE).as_posix(): path.read_bytes() for path in EXAMPLE.rglob("*") if path.is_file()}


def git(folder: Path, *words: str | Path, check: bool = True) -> str:
    """Git as a person runs it."""
    command = ["git", "-c", "protocol.file.allow=always", *map(str, words)]
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, check=False)
    assert not check or done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout.decode("utf-8", "surrogateescape").strip()


@dataclass(frozen=True)
class Said:
    """What `tidegate validate` said: its exit code, its findings of the history family, and standard error."""

    code: int
    findings: list[dict[str, Any]]
    others: list[dict[str, Any]]
    err: str

    @property
    def short(self) -> list[tuple[str, str]]:
        """(rule, path) of the history family's findings."""
        return [(finding["rule"], finding["path"]) for finding in self.findings]


class Repo:
    """A work tree with the configuration at `config` below it; `''` is its top."""

    def __init__(self, path: Path, config: str = "") -> None:
        self.path, self.config = path, path / config

    @classmethod
    def init(cls, path: Path, config: str = "") -> Repo:
        """A repository whose only commit, on main, holds the example."""
        path.mkdir(parents=True)
        git(path, "init", "-q", "-b", "main")
        repo = cls(path, config)
        repo.write(example())
        repo.commit("The example")
        return repo

    def git(self, *words: str | Path, check: bool = True) -> str:
        return git(self.path, *words, check=check)

    def write(self, files: Mapping[str, bytes | str | None]) -> None:
        """Write below the configuration's folder; None deletes."""
        for name, text in files.items():
            place = self.config / name
            if text is None:
                place.unlink()
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(text if isinstance(text, bytes) else text.encode())

    def read(self, name: str) -> str:
        return (self.config / name).read_text()

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text that must be there."""
        text = self.read(name)
        assert old in text
        self.write({name: text.replace(old, new)})

    def commit(self, message: str, files: Mapping[str, bytes | str | None] | None = None) -> str:
        """Write, add all, commit; the commit."""
        self.write(files or {})
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def validate(self, *words: str, at: Path | None = None, **environment: str) -> Said:
        """`tidegate validate --format json`. A traceback is never an answer."""
        words = ("validate", "--format", "json", *words)
        done = typed(at or self.config, *words, environment=ENVIRONMENT | environment)
        told = done.stderr.decode("utf-8", "surrogateescape")
        assert done.returncode in (0, 1, 2), told
        assert "Traceback" not in told
        found = json.loads(done.stdout)["findings"] if done.stdout else []
        return Said(
            done.returncode,
            [finding for finding in found if finding["rule"] in HISTORY_RULES],
            [finding for finding in found if finding["rule"] not in HISTORY_RULES],
            told,
        )


def version(number: str, *edits: tuple[str, str]) -> str:
    """The digits 2.0.0 of the example under another number, with other weights, and edited."""
    text = example()[V2].decode().replace('version: "2.0.0"', f'version: "{number}"')
    text = text.replace(
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", number.encode().hex().ljust(64, "a")[:64]
    )
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return text


def path_of(number: str) -> str:
    """Where that version lies."""
    return f"models/digits/versions/{number}.yaml"
