"""The two sides of a plan: the base that a change leaves, and the head, a commit or the work tree.

Neighbours: cli/plan.py asks for them, start.py finds out what serves, about.py compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tidegate.gitrepo.deployment import request
from tidegate.gitrepo.git import Git
from tidegate.gitrepo.touch import Touches
from tidegate.gitrepo.tree import blob, read, resolve
from tidegate.rollout.plan_frame import Side
from tidegate.rollout.routes import Asking, desired_routes
from tidegate.rollout.state import Desired
from tidegate.rules.api import blocking, validate_declared
from tidegate.rules.finding import Finding
from tidegate.rules.worktree import read_files
from tidegate.spec.declared import Declared, Loaded, load, load_config
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.inference import InferenceConfig
from tidegate.spec.layout import wanted

NEW = "new"
"""Stands for the commit that a merge will make: no commit was rejected by that name."""


@dataclass(frozen=True, slots=True)
class Clone:
    """A person's clone. `prefix` leads from its top to the configuration: '' or 'a/b/'."""

    git: Git
    root: Path
    prefix: str
    environment: str

    def files(self, commit: str, below: tuple[str, ...] = ("",)) -> dict[str, bytes]:
        """The files that Tidegate reads at a commit, by path relative to the root; `below`: only in these folders."""
        prefix, starts = self.prefix, tuple(self.prefix + folder for folder in below)
        found = read(self.git, commit, lambda p: p.startswith(starts) and wanted(p.removeprefix(prefix)))
        return {path.removeprefix(prefix): text for path, text in found.items()}

    def pinned(self, model: str, name: str, commit: str) -> Loaded[InferenceConfig] | None:
        """A config as it stood in another commit; None when it was not there."""
        path = f"models/{model}/configs/{name}.yaml"
        at = resolve(self.git, commit)
        text = blob(self.git, at, self.prefix + path) if at else None
        return load_config(text, path)[0] if text is not None else None

    def asked(self, route: str, commit: str) -> Desired | str | None:
        """What one route asked for at a commit; its model alone is read."""
        model = route.partition("/")[0]
        declared = load(self.files(commit, (f"models/{model}/", "policies/")), self.environment)
        found = desired_routes(declared, commit, lambda _: commit, self.pinned)
        return found.get(route, found.get(model))


@dataclass(frozen=True, slots=True)
class Half:
    """One side, read and judged. `desired`: by route, as a controller would take it."""

    side: Side
    files: Mapping[str, bytes]
    declared: Declared
    desired: Mapping[str, Desired | str]
    findings: tuple[Finding, ...]


def open_clone(root: Path, environment: str) -> Clone:
    """The clone that the configuration at `root` lies in. Raises NeedsPerson when it lies in none."""
    git = Git.of_clone(root)
    top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
    prefix = "" if top == root else root.relative_to(top).as_posix() + "/"
    return Clone(git, root, prefix, environment)


def find_head(clone: Clone, name: str | None) -> Side:
    """The head by its name; without one, the work tree. Raises NeedsPerson for an unknown name."""
    if name is None:
        return Side("the work tree")
    commit = resolve(clone.git, name)
    if commit is None:
        raise NeedsPerson("there is no such commit", where=name, fix="fetch it, or name another with --head")
    return Side(name, commit)


def find_base(clone: Clone, name: str | None, branch: str, head: Side) -> tuple[Side, bool]:
    """The commit that the head left, mostly a merge base; and whether it is on the branch that the controller follows.

    Without a name that branch, as the clone knows it. Raises NeedsPerson when there is no such commit.
    """
    followed = [tip for known in (f"origin/{branch}", branch) if (tip := resolve(clone.git, known))]
    names = [name] if name is not None else [f"origin/{branch}", branch]
    found = next(((one, tip) for one in names if (tip := resolve(clone.git, one))), None)
    if found is None:
        fix = "fetch it, or name another with --base"
        if clone.git.ask("rev-parse", "--is-shallow-repository").out.strip() == b"true":
            fix = "git fetch --unshallow (in GitHub Actions: 'fetch-depth: 0' for actions/checkout)"
        raise NeedsPerson("there is no such commit", where=" or ".join(names), fix=fix)
    said, tip = found
    commit = head.commit or resolve(clone.git, "HEAD")
    common = clone.git.ask("merge-base", tip, commit).out.decode().strip() if commit is not None else ""
    return Side(said, common or tip), name is None or tip in followed


def read_half(clone: Clone, side: Side, *, before: Half | None = None) -> Half:
    """Read and judge one side as a controller would. `before` is the base's: what it changes counts as asked for anew."""
    files = clone.files(side.commit) if side.commit is not None else read_files(clone.root)
    declared = load(files, clone.environment)
    findings = tuple(validate_declared(declared, files))
    commit = side.commit or NEW
    desired: dict[str, Desired | str] = dict(
        desired_routes(declared, commit, _touched(clone, side, files, before), clone.pinned)
    )
    blocked = blocking(findings, declared)
    for route in desired:
        errors = blocked.get(route.partition("/")[0])
        if errors:
            desired[route] = f"{errors[0].path}:{errors[0].line}:{errors[0].column}: {errors[0].message}"
    return Half(side, files, declared, desired, findings)


def _touched(clone: Clone, side: Side, files: Mapping[str, bytes], before: Half | None) -> Callable[[Asking], str]:
    """Who asked: for the base git says, once it matters; what the head changes is asked for by the merge to come."""
    if before is None:
        return lambda _: side.commit or NEW
    commit = before.side.commit

    touches = Touches(clone.git)

    def wish(at: Mapping[str, bytes], asking: Asking) -> object:
        return request(at.get(asking.deployment, b"").decode("utf-8", "replace"), asking.feature)

    def asked(asking: Asking) -> str:
        same = all(files.get(path) == before.files.get(path) for path in asking.others)
        same = same and wish(files, asking) == wish(before.files, asking)
        if not same or commit is None:
            return NEW
        others = tuple(clone.prefix + path for path in asking.others)
        return touches.newest(commit, clone.prefix + asking.deployment, asking.feature, others)

    return asked
