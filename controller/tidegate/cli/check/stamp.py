"""A name for the program that judges: what it remembers must not outlive an edit of a rule, or another version.

Neighbour: store.py keeps apart what different programs remember.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path

import tidegate

_ROOMS = ("spec", "rules", "gitrepo", "cli/check")
_LIBRARIES = ("pydantic", "yaml")


def stamp() -> str:
    """16 hex over Tidegate's version, Python's, the sources that findings depend on, and the libraries' versions."""
    digest = blake2b(f"{tidegate.__version__} {sys.version}".encode(), digest_size=8)
    for path in _sources():
        digest.update(os.fsencode(path.name))
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    top = Path(tidegate.__file__).parent
    for room in _ROOMS:
        yield from sorted(path for path in (top / room).rglob("*.py"))
    for name in _LIBRARIES:
        found = find_spec(name)
        for place in (found.submodule_search_locations or ()) if found is not None else ():
            yield from (path for path in (Path(place, "version.py"), Path(place, "__init__.py")) if path.is_file())
