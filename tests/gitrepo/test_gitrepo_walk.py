"""One walk through the history answers for a whole portfolio what git answers for each route by itself."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from tidegate.gitrepo import tree
from tidegate.gitrepo.git import Git
from tidegate.gitrepo.touch import MANY, Touches
from tidegate.gitrepo.walk import walk

MODELS = 8


def history(folder: Path, seed: int, commits: int = 40) -> Git:
    """A repository with branches, merges that take either side or neither, reverts, deletions and empty commits."""
    rng = random.Random(seed)
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(folder)], check=True)
    files: list[dict[str, str]] = []
    lines: list[str] = []
    for number in range(commits):
        parents = [number - 1] if number else []
        if number > 2 and rng.random() < 0.4:
            parents = rng.sample(range(max(0, number - 6), number), k=rng.choice([1, 2, 2, 3]))
            parents = parents if number - 1 in parents else [number - 1, *parents][: len(parents) + 1]
        content = dict(files[rng.choice(parents)]) if parents else {}
        for _ in range(rng.choice([0, 1, 1, 2, 5] if number else [5])):
            model = f"models/m{rng.randrange(MODELS)}"
            if rng.random() < 0.1:
                content.pop(f"{model}/deployment.yaml", None)
            elif rng.random() < 0.5:
                version, hold = rng.choice(["1.0.0", "2.0.0"]), rng.choice(["true", "false"])
                content[f"{model}/deployment.yaml"] = f'version: "{version}"\npolicy: p\nhold: {hold}\n'
            else:
                content[f"{model}/versions/1.0.0.yaml"] = f"v: {rng.randrange(3)}\n"
        files.append(content)
        lines.append(
            f"commit refs/heads/main\nmark :{number + 1}\ncommitter a <a@example.com> {1_000_000 + number} +0000\ndata 1\nx"
        )
        lines += [f"{'from' if i == 0 else 'merge'} :{p + 1}" for i, p in enumerate(parents)]
        lines.append("deleteall")
        lines += [f"M 644 inline {path}\ndata {len(text)}\n{text}" for path, text in content.items()]
    command = ["git", "-C", str(folder), "fast-import", "--quiet", "--force"]
    subprocess.run(command, input="\n".join(lines) + "\n", text=True, check=True)
    return Git(folder)


@pytest.mark.parametrize("seed", range(12))
def test_a_walk_says_what_git_says_of_any_paths(tmp_path: Path, seed: int) -> None:
    git = history(tmp_path / "r.git", seed)
    head = tree.resolve(git, "main")
    assert head is not None
    past = walk(git, head)
    rng = random.Random(seed)
    paths = [f"models/m{n}/{name}" for n in range(MODELS) for name in ("deployment.yaml", "versions/1.0.0.yaml")]
    groups = [frozenset(rng.sample(paths, k=rng.choice([1, 2, 3]))) for _ in range(60)] + [frozenset({"never/there"})]
    assert past.newest(groups) == [tree.touched(git, head, group) for group in groups]
    for commit in past.parents:
        assert past.changed(commit) == tree.changed_by(git, commit)


@pytest.mark.parametrize("seed", range(12, 18))
def test_a_portfolio_is_told_what_each_of_its_routes_would_be(tmp_path: Path, seed: int) -> None:
    git = history(tmp_path / "r.git", seed)
    head = tree.resolve(git, "main")
    assert head is not None
    each: list[tuple[str, str | None, tuple[str, ...]]] = [
        (f"models/m{n}/deployment.yaml", None, others)
        for n in range(MODELS)
        for others in ((), (f"models/m{n}/versions/1.0.0.yaml",))
    ]
    expected = [Touches(git).newest(head, *question) for question in each]
    again = MANY // len(each) + 1
    assert Touches(git).newest_of_all(head, each * again) == expected * again
    assert Touches(git).newest_of_all(head, each) == expected, "few questions are asked one by one"


def test_files_at_many_commits_are_read_at_once(tmp_path: Path) -> None:
    git = history(tmp_path / "r.git", 3)
    commits = git.run("rev-list", "main").decode().split()
    wanted = {(commit, f"models/m{n}/deployment.yaml") for commit in commits for n in range(MODELS)}
    found = tree.blobs_at(git, wanted)
    assert 0 < len(found) < len(wanted)
    assert all(found.get(pair) == tree.blob(git, *pair) for pair in random.Random(1).sample(sorted(wanted), 40))
    assert tree.blobs_at(git, set()) == {}
