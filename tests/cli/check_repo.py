"""The example repository as one whole, to compare with what is judged part by part; and random edits of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from history_repo import example
from hypothesis import strategies as st

from tidegate.cli.check.history import base_commit, gather
from tidegate.cli.check.surroundings import TreeSurroundings
from tidegate.cli.check.tree import tree_of
from tidegate.rules.context import Context
from tidegate.rules.engine import sift
from tidegate.rules.history import History
from tidegate.rules.suppress import Sifted
from tidegate.spec.declared import load


def whole(root: Path, base: str | None = None, *, staged: bool = False) -> Sifted:
    """Everything in one context, as the controller judges a commit, with the history and the tree around it."""
    tree = tree_of(root, staged)
    asked = base_commit(tree, base)
    history = None
    if asked is not None:
        past = gather(tree, asked)
        contents = tree.contents(past.blobs.values())
        merged = {path: contents[blob] for path, blob in past.blobs.items()}
        history = History(past.commit, merged, load(merged, None), past.changes, past.former, past.shallow, past.undone,
                          past.ahead, past.gone)  # fmt: skip
    files = tree.read(tree.files)
    return sift(
        Context(
            load(files, None),
            files,
            history,
            today=date.today(),  # noqa: DTZ011 as the command does
            surroundings=TreeSurroundings(tree),
            unread=tree.listing.unread,
        )
    )


WORDS = (
    (b"2.0.0", b"1.0.0"), (b"1.0.0", b"9.9.9"), (b"progressive", b"careful"), (b"digits", b"letters"), (b"5%", b"5"),
    (b"sha256:", b"sha256:0"), (b"production", b"retired"), (b"max_ratio", b"max"), (b"30m", b"30"), (b"models", b"model"),
    (b"archive", b"checkout"), (b"reason:", b"reasons:"), (b"vision-platform", b"nobody"), (b"latency_p95_ms", b"speed"),
)  # fmt: skip
PLACES = (
    "models/letters/model.yaml", "models/letters/versions/1.0.0.yaml", "models/digits/versions/3.0.0.yaml", "policies/new.yaml",
    "models/digits/deployments/staging.yaml", "models/digits/deployment.yml", "tidegate.yml", "models/letters/deployment.yaml",
)  # fmt: skip
NOTES = (
    b"# tidegate: ignore-file[modeline, weights-grow] as agreed\n", b"# tidegate: ignore[unknown-policy] it comes later\n",
    b"nonsense: [\n", b"extra: 1\n", b"\n",
)  # fmt: skip


@st.composite
def edits(draw: st.DrawFn) -> dict[str, bytes | None]:
    """New contents by path, None for a file that goes, of an edit of the example repository that somebody might make."""
    files: dict[str, bytes] = example()
    changed: dict[str, bytes | None] = {}
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(sorted(files)))
        match draw(st.sampled_from(("word", "word", "note", "line", "copy", "move", "delete"))):
            case "word":
                old, new = draw(st.sampled_from([pair for pair in WORDS if pair[0] in files[path]] or [(b"a", b"b")]))
                changed[path] = files[path].replace(old, new, draw(st.sampled_from((-1, 1))))
            case "note":
                changed[path] = draw(st.sampled_from(NOTES)) + files[path]
            case "line":
                lines = files[path].splitlines(keepends=True)
                del lines[draw(st.integers(0, len(lines) - 1))]
                changed[path] = b"".join(lines)
            case "copy":
                changed[draw(st.sampled_from(PLACES))] = files[path]
            case "move":
                changed |= {path: None, draw(st.sampled_from(PLACES)): files[path]}
            case "delete":
                changed[path] = None
        files |= {name: text for name, text in changed.items() if text is not None}
    return changed


def apply(root: Path, changes: Mapping[str, bytes | None]) -> None:
    """Write these below the root; None deletes."""
    for name, text in changes.items():
        place = root / name
        if text is None:
            place.unlink(missing_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text)
