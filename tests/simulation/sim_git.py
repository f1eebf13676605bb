"""Git in memory: the commands that gitrepo/ runs, answered as git answers them; the real mirror and revert run on it.

One `Store` of objects a remote, one a clone; `MemoryGit` stands in for `gitrepo.git.Git`. That both agree is tested
against real git in test_sim_git.py. Neighbours: sim_people.py commits, sim_world.py decides what fails.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidegate.gitrepo.git import Answer, Git

Files = Mapping[str, bytes]
BRANCH = "refs/heads/main"
OK = Answer(0, b"", "")


def blob_id(content: bytes) -> str:
    """As git computes it."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Commit:
    """One commit with its whole tree. `message` whole; `time` in epoch seconds."""

    id: str
    parents: tuple[str, ...]
    files: Files
    message: str
    author: str
    time: float

    @property
    def subject(self) -> str:
        return self.message.partition("\n")[0]


@dataclass(slots=True)
class Store:
    """One repository: its commits and its refs."""

    commits: dict[str, Commit] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(
        self, files: Files, parents: Iterable[str], message: str, author: str = "Team A", time: float = 0.0
    ) -> str:
        """Make a commit; the refs stay."""
        ids = tuple(parents)
        word = hashlib.sha1(usedforsecurity=False)
        for path in sorted(files):
            word.update(path.encode() + b"\0" + files[path] + b"\0")
        word.update(f"{ids}{message}{author}{time:.6f}".encode())
        made = Commit(word.hexdigest(), ids, files, message, author, time)
        self.commits[made.id] = made
        return made.id

    def ancestry(self, *starts: str) -> Iterator[Commit]:
        """These commits and all before them, newest first by reachability."""
        seen: set[str] = set()
        line = list(starts)
        while line:
            name = line.pop(0)
            if name not in seen:
                seen.add(name)
                yield self.commits[name]
                line += self.commits[name].parents

    def in_order(self, start: str) -> Iterator[Commit]:
        """A commit and all before it, each before its parents."""
        children = Counter(parent for one in self.ancestry(start) for parent in one.parents)
        line = [start]
        while line:
            one = self.commits[line.pop()]
            yield one
            for parent in reversed(one.parents):
                children[parent] -= 1
                if not children[parent]:
                    line.append(parent)

    def is_ancestor(self, before: str, after: str) -> bool:
        return any(one.id == before for one in self.ancestry(after))

    def touched(self, start: str, paths: Iterable[str]) -> str | None:
        """`rev-list -1 START -- PATHS` with git's simplification: a parent that agrees is followed alone."""
        wanted = tuple(paths)
        prefixes = tuple(f"{path.rstrip('/')}/" for path in wanted)

        def part(commit: Commit) -> dict[str, bytes]:
            return {p: c for p, c in commit.files.items() if p in wanted or p.startswith(prefixes)}

        at = self.commits[start]
        while True:
            mine = part(at)
            parents = [self.commits[name] for name in at.parents]
            same = next((one for one in parents if part(one) == mine), None)
            if same is None:
                return at.id if parents or mine else None
            at = same

    def take(self, other: Store, name: str) -> None:
        """Copy a commit and what it reaches."""
        line = [name]
        while line:
            found = line.pop()
            if found not in self.commits:
                self.commits[found] = other.commits[found]
                line += other.commits[found].parents


Effect = Callable[[str, Callable[[], Answer], Callable[[], Answer]], Answer]
"""(name, what it does, how it fails) to the answer: where the world may fail, crash or put somebody else's push before."""


class Host:
    """The other side: the remote's store, and who may push what. `guard` says why a ref refuses a push, '' when not."""

    def __init__(self, store: Store, effect: Effect, guard: Callable[[str], str]) -> None:
        self.store = store
        self.effect = effect
        self.guard = guard
        self.pushed: list[tuple[str, str, str | None]] = []


class MemoryGit(Git):
    """`Git` over a `Store`. Knows what gitrepo/ says and nothing more; an unknown command is a defect of the test."""

    def __init__(self, directory: Path, store: Store, host: Host, now: Callable[[], float]) -> None:
        super().__init__(directory)
        self.store = store
        self.host = host
        self.now = now
        self._blobs: dict[str, bytes] = {}
        self._trees: dict[str, Files] = {}
        self._indexes: dict[str, dict[str, bytes]] = {}

    def ask(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        environment: Mapping[str, str] | None = None,
        timeout: float = 0.0,
    ) -> Answer:
        verb = arguments[0].replace("-", "_")
        found: Any = getattr(self, f"_do_{verb}", None)
        assert found is not None, arguments
        words = list(arguments[1:])
        answer = found(words, stdin, dict(environment or {}))
        return answer if isinstance(answer, Answer) else Answer(0, answer, "")

    # -- names ---------------------------------------------------------------------------------------------------------

    def _resolve(self, name: str) -> str | None:
        name = re.sub(r"\^\{(commit|tree)\}$", "", name)
        if name.endswith("^"):
            child = self._resolve(name[:-1])
            return next(iter(self.store.commits[child].parents), None) if child else None
        if name in self.store.refs:
            return self.store.refs[name]
        if name in self.store.commits:
            return name
        if re.fullmatch(r"[0-9a-f]{7,39}", name):
            return next((one for one in self.store.commits if one.startswith(name)), None)
        return None

    def _files(self, name: str) -> Files | None:
        found = self._resolve(name)
        return self.store.commits[found].files if found else None

    def _unknown(self, name: str) -> Answer:
        return Answer(128, b"", f"fatal: Not a valid object name {name}")

    def _do_rev_parse(self, words: list[str], stdin: object, env: object) -> Answer | bytes:
        if words == ["--is-bare-repository"]:
            return b"true\n"
        found = self._resolve(words[-1])
        return f"{found}\n".encode() if found else Answer(1, b"", "")

    def _do_for_each_ref(self, words: list[str], stdin: object, env: object) -> bytes:
        prefix, form = words[-1], words[0].removeprefix("--format=").replace("%00", "\0")
        found = sorted((ref, at) for ref, at in self.store.refs.items() if ref.startswith(prefix))
        return "".join(
            form.replace("%(refname)", ref).replace("%(objectname)", at) + "\n" for ref, at in found
        ).encode()

    def _do_update_ref(self, words: list[str], stdin: bytes | None, env: object) -> Answer:
        lines = [words]
        if words == ["--stdin"]:
            lines = [line.split() for line in (stdin or b"").decode().splitlines()]
        for line in lines:
            if line[0] in ("-d", "delete"):
                self.store.refs.pop(line[1], None)
            else:
                ref, at = line[1:] if line[0] == "update" else line
                self.store.refs[ref] = at
        return OK

    # -- reading -------------------------------------------------------------------------------------------------------

    def _do_cat_file(self, words: list[str], stdin: bytes | None, env: object) -> Answer | bytes:
        if words[0] == "-e":
            return OK if self._resolve(words[1]) else self._unknown(words[1])
        if words[0].startswith("--batch-check"):
            names = (stdin or b"").decode().splitlines()
            return "".join(f"{n} commit\n" if n in self.store.commits else f"{n} missing\n" for n in names).encode()
        out = b""
        for name in (stdin or b"").decode().split():
            commit, _, path = name.partition(":")
            content = (self._files(commit) or {}).get(path) if path else self._blobs[name]
            if content is None:
                out += f"{name} missing\n".encode()
            else:
                out += f"{blob_id(content)} blob {len(content)}\n".encode() + content + b"\n"
        return out

    def _do_ls_tree(self, words: list[str], stdin: object, env: object) -> Answer | bytes:
        only = words[words.index("--") + 1] if "--" in words else None
        name = words[words.index("--") - 1] if "--" in words else words[-1]
        files = self._files(name)
        if files is None:
            return self._unknown(name)
        out = ""
        for path in sorted(files) if only is None else [only] if only in files else []:
            number = blob_id(files[path])
            self._blobs[number] = files[path]
            out += f"100644 blob {number}\t{path}\0"
        return out.encode()

    def _do_rev_list(self, words: list[str], stdin: object, env: object) -> Answer | bytes:
        if words[:2] == ["--topo-order", "--parents"]:
            return "".join(f"{' '.join((one.id, *one.parents))}\n" for one in self.store.in_order(words[2])).encode()
        if words[0] == "-1":
            start, paths = words[1], words[words.index("--") + 1 :]
            if self._resolve(start) is None:
                return self._unknown(start)
            found = self.store.touched(start, paths)
            return f"{found}\n".encode() if found else b""
        wanted = [
            re.compile(word.removeprefix("--grep="), re.MULTILINE) for word in words if word.startswith("--grep=")
        ]
        after, without = words[-2], words[-1].removeprefix("^")
        if wanted:
            gone = {one.id for one in self.store.ancestry(without)}
            line = (one for one in self.store.ancestry(after) if one.id not in gone)
            found = next((one.id for one in line if all(grep.search(one.message) for grep in wanted)), None)
            return f"{found}\n".encode() if found else b""
        seen = {one.id for one in self.store.ancestry(without)}
        return "".join(f"{one.id}\n" for one in self.store.ancestry(after) if one.id not in seen).encode()

    def _do_show(self, words: list[str], stdin: object, env: object) -> Answer | bytes:
        found = self._resolve(words[-1])
        if found is None:
            return self._unknown(words[-1])
        one = self.store.commits[found]
        return f"{one.id}\0{one.subject}\0{one.author}\0{one.author}@example.com\0{int(one.time)}\n".encode()

    def _do_diff_tree(self, words: list[str], stdin: bytes | None, env: object) -> bytes:
        if "--raw" in words:
            return self._raw(*(self._files(name) or {} for name in words[-2:]))
        assert "--stdin" in words
        if "--always" in words:
            pairs = [line.split() for line in (stdin or b"").decode().splitlines()]
            return "".join(f"{one}\0{''.join(self._names(one, *parent))}" for one, *parent in pairs).encode()
        paths: set[str] = set()
        for name in (stdin or b"").decode().split():
            one = self.store.commits[name]
            for parent in [self.store.commits[p].files for p in one.parents] or [{}]:
                paths |= {p for p in one.files.keys() | parent.keys() if one.files.get(p) != parent.get(p)}
        return "".join(f"{path}\0" for path in sorted(paths)).encode()

    def _names(self, commit: str, parent: str | None = None) -> list[str]:
        after, before = self._files(commit) or {}, (self._files(parent) or {}) if parent is not None else {}
        return [f"{p}\0" for p in sorted(after.keys() | before.keys()) if after.get(p) != before.get(p)]

    def _raw(self, before: Files, after: Files) -> bytes:
        out = ""
        for path in sorted(p for p in before.keys() | after.keys() if before.get(p) != after.get(p)):
            if path in after:
                self._blobs[blob_id(after[path])] = after[path]
            old, new = (blob_id(side[path]) if path in side else "0" * 40 for side in (before, after))
            modes = ["100644" if path in side else "000000" for side in (before, after)]
            letter = "M" if path in before and path in after else "A" if path in after else "D"
            out += f":{modes[0]} {modes[1]} {old} {new} {letter}\0{path}\0"
        return out.encode()

    def _do_merge_base(self, words: list[str], stdin: object, env: object) -> Answer:
        before, after = (self._resolve(word) for word in words[1:])
        if before is None or after is None:
            return self._unknown(words[1])
        return OK if self.store.is_ancestor(before, after) else Answer(1, b"", "")

    # -- writing -------------------------------------------------------------------------------------------------------

    def _do_hash_object(self, words: list[str], stdin: bytes | None, env: object) -> bytes:
        content = stdin or b""
        number = blob_id(content)
        self._blobs[number] = content
        return number.encode()

    def _do_read_tree(self, words: list[str], stdin: object, env: dict[str, str]) -> Answer:
        self._indexes[env["GIT_INDEX_FILE"]] = dict(self._files(words[0]) or {})
        return OK

    def _do_update_index(self, words: list[str], stdin: bytes | None, env: dict[str, str]) -> Answer:
        index = self._indexes[env["GIT_INDEX_FILE"]]
        for line in filter(None, (stdin or b"").decode().split("\0")):
            head, _, path = line.partition("\t")
            index[path] = self._blobs[head.split()[1]]
        return OK

    def _do_write_tree(self, words: list[str], stdin: object, env: dict[str, str]) -> bytes:
        files = self._indexes.pop(env["GIT_INDEX_FILE"])
        number = hashlib.sha1(repr(sorted(files.items())).encode(), usedforsecurity=False).hexdigest()
        self._trees[number] = files
        return number.encode()

    def _do_commit_tree(self, words: list[str], stdin: bytes | None, env: dict[str, str]) -> bytes:
        tree, parent = words[0], words[words.index("-p") + 1]
        message = (stdin or b"").decode()
        made = self.store.commit(self._trees[tree], [parent], message, env["GIT_AUTHOR_NAME"], self.now())
        return made.encode()

    def _do_notes(self, words: list[str], stdin: object, env: dict[str, str]) -> Answer | bytes:
        ref, verb, target = words[0].removeprefix("--ref="), words[1], words[-1]
        files = dict(self._files(ref) or {})
        if verb == "show":
            return files[target] if target in files else Answer(1, b"", f"error: no note found for object {target}.")
        files[target] = self._blobs[words[words.index("-C") + 1]]
        before = self.store.refs.get(ref)
        made = self.store.commit(files, [before] if before else [], "Notes", env["GIT_AUTHOR_NAME"], self.now())
        self.store.refs[ref] = made
        return OK

    # -- the network ---------------------------------------------------------------------------------------------------

    def _down(self, url: str) -> Answer:
        return Answer(128, b"", f"fatal: unable to access '{url}': Could not resolve host")

    def _do_fetch(self, words: list[str], stdin: object, env: object) -> Answer:
        at = words.index("--")
        url, specs = words[at + 1], words[at + 2 :]
        return self.host.effect("git.fetch", lambda: self._fetched(specs), lambda: self._down(url))

    def _fetched(self, specs: list[str]) -> Answer:
        theirs = self.host.store
        for spec in specs:
            source, _, into = spec.removeprefix("+").partition(":")
            if not source.endswith("*"):
                if source not in theirs.refs:
                    return Answer(128, b"", f"fatal: couldn't find remote ref {source}")
                self.store.take(theirs, theirs.refs[source])
                self.store.refs[into] = theirs.refs[source]
                continue
            prefix, local = source[:-1], into[:-1]
            there = {ref: at for ref, at in theirs.refs.items() if ref.startswith(prefix)}
            for ref in [ref for ref in self.store.refs if ref.startswith(local)]:
                if prefix + ref.removeprefix(local) not in there:
                    del self.store.refs[ref]
            for ref, at in there.items():
                self.store.take(theirs, at)
                self.store.refs[local + ref.removeprefix(prefix)] = at
        return OK

    def _do_push(self, words: list[str], stdin: object, env: object) -> Answer:
        at = words.index("--")
        url, specs = words[at + 1], words[at + 2 :]
        leases = (word.removeprefix("--force-with-lease=") for word in words if word.startswith("--force-with-lease="))
        expected = {ref: old for ref, _, old in (lease.rpartition(":") for lease in leases)}
        return self.host.effect("git.push", lambda: self._pushed(specs, expected), lambda: self._down(url))

    def _pushed(self, specs: list[str], expected: Mapping[str, str]) -> Answer:
        host, out, failed = self.host, "To remote\n", False
        for spec in specs:
            commit, _, ref = spec.partition(":")
            before, refused = host.store.refs.get(ref), host.guard(ref)
            if (before or "") != expected[ref]:
                out += f"!\t{spec}\t[rejected] (stale info)\n"
                failed = True
            elif refused:
                out += f"!\t{spec}\t[remote rejected] ({refused})\n"
                failed = True
            elif not commit:
                del host.store.refs[ref]
                out += f"-\t{spec}\t[deleted]\n"
            else:
                host.store.take(self.store, commit)
                host.store.refs[ref] = commit
                host.pushed.append((ref, commit, before))
                out += f"*\t{spec}\t{(before or '')[:7]}..{commit[:7]}\n"
        return Answer(int(failed), f"{out}Done\n".encode(), "")
