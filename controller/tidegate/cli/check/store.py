"""What one run leaves to the next, in a folder that is in no work tree: `.git/tidegate`, else the user's cache folder.

Neighbours: judge.py asks and remembers, stamp.py names the program that judged. A file that is damaged, cut off, foreign
or not to be written is as good as none: what was remembered is only ever a shorter way to the same answer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from tidegate.cli.check.pack import packed, unpacked

_HEAD: Final = b"tidegate-remembers-1\n"
_DIGEST: Final = 16
_LARGEST: Final = 32 * 1024 * 1024
_PROGRAMS: Final = 3
_ROOTS: Final = 64
_ABANDONED: Final = 3600.0


class Store:
    """Named dictionaries of one root and one program (`stamp`). Without a folder it forgets everything."""

    def __init__(self, folder: Path | None, stamp: str) -> None:
        self._folder = folder
        self._stamp = stamp

    def load(self, name: str) -> dict[Any, Any]:
        """What was saved under that name; empty when there is nothing that can be trusted."""
        if self._folder is None:
            return {}
        try:
            data = (self._folder / f"{name}-{self._stamp}").read_bytes()
            payload = memoryview(data)[len(_HEAD) + _DIGEST :]
            if data[: len(_HEAD) + _DIGEST] != _HEAD + _digest(payload):
                return {}
            found = unpacked(payload)
        except (OSError, ValueError, EOFError, TypeError, AttributeError, ImportError):
            return {}
        return found if isinstance(found, dict) else {}

    def save(self, name: str, value: Mapping[Any, Any]) -> None:
        """Keep this under that name, all at once: whoever reads meanwhile finds the old or the new, never a part."""
        if self._folder is None:
            return
        payload = packed(dict(value))
        if len(payload) > _LARGEST:
            return
        path = self._folder / f"{name}-{self._stamp}"
        draft = self._folder / f"{name}-{self._stamp}.{os.getpid()}.{time.time_ns()}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(_HEAD + _digest(payload) + payload)
            draft.replace(path)
            self._tidy(name)
        except OSError:  # a full or a read-only disk: the next run judges anew
            with suppress(OSError):
                draft.unlink()

    def _tidy(self, name: str) -> None:
        """Leave what the latest few programs remember, and no draft of a run that was ended."""
        assert self._folder is not None
        found = sorted(self._folder.glob(f"{name}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
        drafts = [path for path in found if path.suffix]
        kept = [path for path in found if not path.suffix]
        old = [path for path in drafts if time.time() - path.stat().st_mtime > _ABANDONED]
        for path in (*kept[_PROGRAMS:], *old):
            path.unlink(missing_ok=True)


def folder_of(root: Path, private: Path | None) -> Path | None:
    """Where to remember for this root; None where there is no such place.

    `private`: a folder that git keeps out of every commit. Below it, roots that share a repository keep apart.
    """
    name = blake2b(os.fsencode(root), digest_size=8).hexdigest()
    if private is not None:
        return private / name
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")  # noqa: PTH111, PTH118 '~' may not be known
    if not os.path.isabs(home):  # noqa: PTH117 as above
        return None
    _forget_roots(Path(home) / "tidegate")
    return Path(home) / "tidegate" / name


def _forget_roots(folder: Path) -> None:
    """Leave the folders of those roots that were judged last."""
    try:
        known = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in known[_ROOTS:]:
            for path in old.iterdir():
                path.unlink()
            old.rmdir()
    except OSError:
        return


def _digest(payload: bytes | memoryview) -> bytes:
    return blake2b(payload, digest_size=_DIGEST).digest()
