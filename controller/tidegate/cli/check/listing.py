"""Names and ids of everything below a root: of what is unchanged git knows them already, the rest is read and hashed.

Neighbours: tree.py asks here, entry.py says which paths count. git's words are asked for with `-z`, by what its index
holds (`ls-files`), what of it differs on the disk (`diff-files`) and what it does not hold (`ls-files --others`).
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

from tidegate.cli.check.entry import Entry, blob_id, counts, is_file, is_yaml
from tidegate.gitrepo.git import LOCAL_TIMEOUT, sort
from tidegate.spec.errors import NeedsPerson, RetryLater
from tidegate.spec.layout import MAX_BYTES

_BELOW = ("policies", "models")
_PLACES = (":(glob)*.yaml", ":(glob)*.yml", *_BELOW)
_SURROGATES = "surrogateescape"
_HERE = Entry("", "")


@dataclass(frozen=True)
class Listing:
    """What there is. `index`: git's own list; `own`: what stands on the disk instead of that, None for nothing.

    `contents`: of the files that had to be read to know their ids.
    """

    index: bytes
    own: Mapping[str, Entry | None]
    contents: Mapping[str, bytes]

    @cached_property
    def token(self) -> str:
        """Equal for equal trees. Found without taking git's list apart."""
        digest = blake2b(self.index, digest_size=20)
        for path, entry in sorted(self.own.items()):
            digest.update(f"\0{path}\0{entry}".encode("utf-8", _SURROGATES))
        return digest.hexdigest()

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """Mode and id of what stands where Tidegate reads, by path, in order of the paths."""
        return {path: entry for path, entry in self._all.items() if counts(path, entry.mode)}

    @cached_property
    def unread(self) -> tuple[str, ...]:
        """Paths of YAML files beside those that are read, and of links and submodules in their place."""
        return tuple(
            path
            for path, entry in self._all.items()
            if (not is_file(entry) if counts(path, entry.mode) else is_yaml(path))
        )

    @cached_property
    def _all(self) -> Mapping[str, Entry]:
        found: dict[str, Entry] = {}
        for line in self.index.decode("utf-8", _SURROGATES).split("\0")[:-1]:
            mode, blob, _, path = _staged(line)
            found[path] = Entry(mode, blob)
        if not self.own:
            return found  # git gives them in order
        found |= {path: entry for path, entry in self.own.items() if entry is not None}
        return {path: found[path] for path in sorted(found) if self.own.get(path, _HERE) is not None}


def list_index(root: Path, environment: Mapping[str, str]) -> Listing:
    """What the next commit would hold. Of paths in an unresolved merge, what lies on the disk."""
    (index,) = _git(root, environment, ("ls-files", "--stage", "-z", "--", *_PLACES))
    unresolved = set()
    if _has_conflict(index):
        lines = [_staged(line) for line in index.decode("utf-8", _SURROGATES).split("\0")[:-1]]
        unresolved = {path for _, _, stage, path in lines if stage != "0"}
    return _listing(root, index, unresolved, _algorithm(index))


def list_work_tree(root: Path, environment: Mapping[str, str]) -> Listing:
    """What lies on the disk, ignored and untracked files too: ids from the index where git finds the file unchanged."""
    differing = ("diff-files", "-z", "--name-only", "--no-renames", "--relative", "--ignore-submodules=all")
    index, changed, others = _git(
        root,
        environment,
        ("ls-files", "--stage", "-z", "--", *_PLACES),
        (*differing, "--", *_PLACES),
        ("ls-files", "--others", "-z", "--", *_BELOW),  # with a pattern it would walk through all there is
    )
    paths = {path.decode("utf-8", _SURROGATES) for path in (*changed.split(b"\0"), *others.split(b"\0")) if path}
    paths |= {name for name in _inside(root, "") if is_yaml(name) and b"\t%s\0" % os.fsencode(name) not in index}
    for folder in [path for path in paths if path.endswith("/")]:  # a repository of its own, which git does not enter
        paths.remove(folder)
        paths |= {path for path in _on_disk(root) if path.startswith(folder)}
    return _listing(root, index, paths, _algorithm(index))


def list_disk(root: Path) -> Listing:
    """What lies on the disk where there is no git."""
    return _listing(root, b"", _on_disk(root), "sha1")


def read_file(root: Path, path: str) -> bytes | None:
    """A file's content, of one that is too large just enough to tell; None when it is not there, or is no file.

    Raises NeedsPerson when it cannot be read.
    """
    whole = os.path.join(root, path)  # noqa: PTH118 ten thousand of them
    try:
        number = os.open(whole, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if stat.S_ISREG(os.lstat(whole).st_mode):
            raise _unreadable(whole, error) from error
        return None
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            return None
        content = os.read(number, MAX_BYTES + 1)
        while 0 < len(content) <= MAX_BYTES and (more := os.read(number, MAX_BYTES + 1 - len(content))):
            content += more
    except OSError as error:
        raise _unreadable(whole, error) from error
    finally:
        os.close(number)
    return content


def _listing(root: Path, index: bytes, paths: Iterable[str], algorithm: str) -> Listing:
    own: dict[str, Entry | None] = {}
    contents: dict[str, bytes] = {}
    for path in sorted(paths):
        if not counts(path, "120000") and not is_yaml(path):
            continue
        entry, content = _look(root, path, algorithm)
        if entry is not None or index:
            own[path] = entry
        if content is not None:
            contents[path] = content
    return Listing(index, own, contents)


def _look(root: Path, path: str, algorithm: str) -> tuple[Entry | None, bytes | None]:
    """What lies at that path: a file with its content, a link, or nothing that counts."""
    whole = root / path
    try:
        status = whole.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None, None
    except OSError as error:
        raise _unreadable(whole, error) from error
    if stat.S_ISLNK(status.st_mode):
        return Entry("120000", blob_id(os.fsencode(os.readlink(whole)), algorithm=algorithm)), None  # noqa: PTH115 bytes
    if not counts(path, "100644") and stat.S_ISREG(status.st_mode):
        return Entry("100644", ""), None  # its name is all that matters
    content = read_file(root, path) if counts(path, "100644") else None
    if content is None:
        return None, None
    mode = "100755" if status.st_mode & stat.S_IXUSR else "100644"
    return Entry(mode, blob_id(content, max(status.st_size, len(content)), algorithm)), content


def _on_disk(root: Path) -> Iterator[str]:
    """Every path that may matter, from the disk alone. Links to folders are not entered."""
    yield from (name for name in _inside(root, "") if is_yaml(name))
    folders = ["models", "policies"]
    while folders:
        folder = folders.pop()
        yield folder
        found = _inside(root, folder)
        yield from (path for path in found if is_yaml(path))
        folders += [path for path in found if not is_yaml(path) and (root / path).is_dir()]


def _inside(root: Path, folder: str) -> list[str]:
    """The paths in a folder, if it is one; a link to one is none."""
    whole = root / folder
    try:
        if folder and whole.is_symlink():
            return []
        names = os.listdir(whole)  # noqa: PTH208 names, not paths
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _unreadable(whole, error) from error
    return [f"{folder}/{name}" if folder else name for name in names if name != ".git"]


def _unreadable(path: Path | str, error: OSError) -> NeedsPerson:
    return NeedsPerson(f"cannot be read: {error.strerror}", where=str(path), fix="look at its permissions")


def _git(root: Path, environment: Mapping[str, str], *commands: tuple[str, ...]) -> list[bytes]:
    """The answers to several questions, asked side by side."""
    asking = {name: value for name, value in environment.items() if name != "GIT_LITERAL_PATHSPECS"}
    children = [
        subprocess.Popen(
            ["git", "-C", str(root), "-c", "core.fsmonitor=false", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=asking,
        )
        for command in commands
    ]
    answers = []
    try:
        for child in children:
            out, err = child.communicate(timeout=LOCAL_TIMEOUT)
            if child.returncode:
                raise sort(err.decode("utf-8", "replace"), where=str(root))
            answers.append(out)
    except subprocess.TimeoutExpired as error:
        raise RetryLater(f"git gave no answer for {LOCAL_TIMEOUT:g} s", where=str(root)) from error
    finally:
        for child in children:
            if child.returncode is None:
                child.kill()
                child.communicate()
    return answers


def _staged(line: str) -> tuple[str, str, str, str]:
    """Mode, blob id, stage and path of one line of `ls-files --stage`."""
    head, _, path = line.partition("\t")
    mode, blob, stage = head.split(" ")
    return mode, blob, stage, path


def _has_conflict(index: bytes) -> bool:
    return any(mark in index for mark in (b" 1\t", b" 2\t", b" 3\t"))


def _algorithm(index: bytes) -> str:
    """By the length of its ids, which hash this repository is built on."""
    head = index.partition(b"\t")[0].split(b" ")
    return "sha256" if len(head) == 3 and len(head[1]) == 64 else "sha1"
