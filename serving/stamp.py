#!/usr/bin/env python3
"""Writes the serving image's reference into version files that no commit holds yet: stamp.py REFERENCE [ROOT]

build.sh prints the reference. A committed version file is left alone: which image a version runs is part of what was
merged. The demo stamps its own fresh repository the same way before its first commit.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

REFERENCE = re.compile(r"[a-z0-9.:/_-]+@sha256:[0-9a-f]{64}")
OURS = re.compile(r"(?m)^  command: \[python3, -m, tidegate_serving,")
IMAGE = re.compile(r"(?m)^  image: .*\n")


def main(words: list[str]) -> int:
    if len(words) not in (1, 2) or not REFERENCE.fullmatch(words[0]):
        print(
            "usage: stamp.py NAME@sha256:DIGEST [ROOT]     (serving/build.sh prints such a reference)", file=sys.stderr
        )
        return 2
    root = Path(words[1] if len(words) == 2 else ".").resolve()
    stamped = 0
    for path in sorted(root.glob("models/*/versions/*.yaml")):
        text = path.read_text(encoding="utf-8")
        if not OURS.search(text):
            continue  # another server's version
        if committed(root, path):
            print(f"{path.relative_to(root)}: committed, left alone; a new image is a new version", file=sys.stderr)
            continue
        text = IMAGE.sub("", text).replace("\nruntime:\n", f'\nruntime:\n  image: "{words[0]}"\n', 1)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(root))
        stamped += 1
    return 0 if stamped else 1


def committed(root: Path, path: Path) -> bool:
    """Whether HEAD holds this file. False where there is no repository, or no commit yet."""
    name = f"HEAD:./{path.relative_to(root).as_posix()}"
    return not subprocess.run(["git", "cat-file", "-e", name], cwd=root, capture_output=True, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
