"""Where commits come from and go to: one branch of one remote. Fetch, and push by compare-and-set.

Neighbours: mirror.py makes one, over the controller's own copy; revert.py and record.py push.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tidegate.gitrepo import tree
from tidegate.gitrepo.git import NETWORK_TIMEOUT, DamagedRepository, Git, sort
from tidegate.spec.controller import Author

_RACE = re.compile(
    r"fetch first|non-fast-forward|stale info|cannot lock ref|failed to (?:update|lock) ref|incorrect old value"
    r"|already exists|needs force"
)


@dataclass(frozen=True, slots=True)
class Update:
    """Set `ref` on the remote to `commit`, if it still is `expected` ("" when it must not exist yet)."""

    ref: str
    commit: str
    expected: str


@dataclass(frozen=True, slots=True)
class Pushed:
    """What came of one update. `race`: somebody was faster. `refused`: the remote will not, `reason` why."""

    ref: str
    outcome: Literal["ok", "race", "refused"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Remote:
    """`url` is a URL, a path, or the name of a remote; `tracking` the local ref that follows the branch.

    `access`: the environment with what git needs to reach it (access.py); none of it stands in `url`. `author` signs the
    commits made here. `lock`: held while refs of `git` are fetched or set, by whichever thread.
    """

    git: Git
    url: str
    branch: str
    tracking: str
    author: Author
    access: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    lock: threading.RLock = field(default_factory=threading.RLock, compare=False, repr=False)

    @property
    def identity(self) -> dict[str, str]:
        """The environment that makes `author` author and committer."""
        name, email = self.author.name, self.author.email
        return {
            "GIT_AUTHOR_NAME": name,
            "GIT_AUTHOR_EMAIL": email,
            "GIT_COMMITTER_NAME": name,
            "GIT_COMMITTER_EMAIL": email,
        }

    @property
    def branch_ref(self) -> str:
        """`refs/heads/<branch>`, as the remote has it."""
        return f"refs/heads/{self.branch}"

    def fetch(self) -> str | None:
        """The newest commit of the branch; None when the remote has no such branch. Raises RetryLater, NeedsPerson."""
        return self.fetch_ref(self.branch_ref, self.tracking)

    def fetch_ref(self, ref: str, into: str, *also: str) -> str | None:
        """Fetch one ref into a local one, following it wherever it went; None (and no local ref) when it is not there.

        `also`: refspecs with a `*`, which may match nothing; local refs that the remote lacks go.
        """
        with self.lock:
            return self._fetch_ref(ref, into, also)

    def _fetch_ref(self, ref: str, into: str, also: tuple[str, ...]) -> str | None:
        options = ("fetch", "--quiet", "--no-tags", "--force", "--prune", "--update-shallow", "--no-write-fetch-head")
        words = (*options, "--", self.url)
        answer = self.git.ask(*words, f"+{ref}:{into}", *also, environment=self.access, timeout=NETWORK_TIMEOUT)
        if answer.code and f"couldn't find remote ref {ref}" in answer.err:
            if also:
                self.git.run(*words, *also, environment=self.access, timeout=NETWORK_TIMEOUT, where=self.url)
            self.git.run("update-ref", "-d", into)
            return None
        if answer.code:
            raise sort(answer.err, where=self.url)
        found = tree.resolve(self.git, into)
        if found is None:
            raise DamagedRepository(f"git: {ref} was fetched and cannot be read", where=str(self.git.directory))
        return found

    def push(self, updates: Sequence[Update]) -> list[Pushed]:
        """Push, each update only if the remote still is as expected. Raises RetryLater, NeedsPerson."""
        leases = [f"--force-with-lease={u.ref}:{u.expected}" for u in updates]
        specs = [f"{u.commit}:{u.ref}" for u in updates]
        words = ("push", "--porcelain", "--no-verify", *leases, "--", self.url, *specs)
        answer = self.git.ask(*words, environment=self.access, timeout=NETWORK_TIMEOUT)
        said = "; ".join(
            line.removeprefix("remote:").strip() for line in answer.err.splitlines() if line.startswith("remote:")
        )
        results: dict[str, Pushed] = {}
        for line in answer.out.decode("utf-8", "replace").splitlines():
            flag, _, rest = line.partition("\t")
            names, _, summary = rest.partition("\t")
            if len(flag) != 1 or ":" not in names:
                continue
            ref = names.rpartition(":")[2]
            if flag != "!":
                results[ref] = Pushed(ref, "ok")
            elif _RACE.search(summary):
                results[ref] = Pushed(ref, "race", summary)
            else:
                reason = re.sub(r"^\[remote rejected\] \((.*)\)$", r"\1", summary)
                results[ref] = Pushed(ref, "refused", f"{reason}: {said}" if said.strip("; ") else reason)
        if any(u.ref not in results for u in updates):
            raise sort(answer.err or f"git push ended with {answer.code}", where=self.url)
        return [results[u.ref] for u in updates]
