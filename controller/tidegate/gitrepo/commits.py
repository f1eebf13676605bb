"""A commit made in the object database alone: no work tree, no index of anybody.

Neighbours: revert.py and edit.py decide what changes; remote.py pushes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from tidegate.gitrepo import tree
from tidegate.gitrepo.remote import Remote


def commit_files(remote: Remote, head: str, files: Mapping[str, bytes], message: str) -> str:
    """The commit on top of `head` in which these files have this content; their modes stay. In the remote's author's name."""
    git = remote.git
    with tempfile.TemporaryDirectory(prefix="tidegate-index-") as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        git.run("read-tree", head, environment=index)
        entries = b""
        for path, content in files.items():
            blob_id = git.line("hash-object", "-w", "--no-filters", "--stdin", stdin=content)
            before = tree.entry(git, head, path)
            entries += f"{before[0] if before else '100644'} {blob_id}\t{path}\0".encode()
        git.run("update-index", "-z", "--index-info", stdin=entries, environment=index)
        written = git.line("write-tree", environment=index)
    return git.line("commit-tree", written, "-p", head, stdin=message.encode(), environment=remote.identity)
