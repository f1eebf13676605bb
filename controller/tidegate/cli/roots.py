"""Which root a path of a finding belongs to, and what the path is called there and from the top of git.

Neighbours: check/judge.py shows paths as seen from the working directory, where they lie below it; baseline and fixes
want them from the root.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from tidegate.rules.finding import Finding


class Roots:
    """The roots that were judged, as seen from the working directory `here`."""

    def __init__(self, roots: Iterable[Path], here: Path) -> None:
        self.roots = tuple(roots)
        self._here = here

    def shown(self, root: Path, path: str) -> str:
        """The path as the caller sees it, from the path below the root."""
        whole = root / path
        if whole.is_relative_to(self._here):
            return whole.relative_to(self._here).as_posix()
        apart = len(self.roots) > 1 and not self._here.is_relative_to(root)
        return whole.as_posix() if apart else path

    def owner(self, path: str) -> tuple[Path, str]:
        """The root of a shown path, and the path from there. Of nested ones that fit alike, the one where the file is."""
        fitting = [(root, name) for root in self.roots for name in self._names(root, path)]
        return next((one for one in fitting if (one[0] / one[1]).exists()), fitting[0])

    def _names(self, root: Path, path: str) -> Iterator[str]:
        whole = self._here / path
        if whole.is_relative_to(root):
            yield whole.relative_to(root).as_posix()
        if self.shown(root, path) == path and whole != root / path:
            yield path

    def split(self, findings: Iterable[Finding]) -> dict[Path, list[Finding]]:
        """The findings of each root, with paths from there."""
        found: dict[Path, list[Finding]] = {root: [] for root in self.roots}
        for finding in findings:
            root, path = self.owner(finding.path)
            found[root].append(replace(finding, path=path))
        return found

    def places(self, paths: Iterable[str]) -> dict[str, str]:
        """For shown paths the paths from the top of the git repository that the root lies in."""
        found: dict[str, str] = {}
        tops: dict[Path, str] = {}
        for path in paths:
            root, name = self.owner(path)
            if root not in tops:
                top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
                tops[root] = "" if top == root else root.relative_to(top).as_posix() + "/"
            found[path] = tops[root] + name
        return found
