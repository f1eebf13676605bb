"""Anchors of the prediction record: now and then the head of its chain is noted in git, where its host cannot change it unseen.

One JSON line an anchor, in `refs/notes/tidegate-audit`, on the branch's newest commit of that moment.
Neighbours: audit/verify.py compares them with the chain, the engine's archiving.py writes them.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from tidegate.gitrepo import notes, tree
from tidegate.gitrepo.access import access_to
from tidegate.gitrepo.git import NETWORK_TIMEOUT, Git
from tidegate.gitrepo.mirror import NOTES_REF, Mirror
from tidegate.gitrepo.record import ATTEMPTS
from tidegate.gitrepo.remote import Update
from tidegate.spec.errors import NeedsPerson, RetryLater

ANCHORS_REF = f"{NOTES_REF}-audit"


@dataclass(frozen=True, slots=True)
class Anchor:
    """What the chain was `at` a moment (epoch seconds): `links` of them, the newest with the digest `head`.

    `chain`: the digest of its first link, which tells it from others of that environment.
    """

    environment: str
    chain: str
    links: int
    head: str
    at: float

    def line(self) -> str:
        """The anchor as one line of JSON."""
        return json.dumps({"tidegate": 1, "kind": "record", **asdict(self)}, separators=(", ", ": "))


def anchor(mirror: Mirror, made: Anchor, *, rng: random.Random, sleep: Callable[[float], None] = time.sleep) -> None:
    """Note it on the newest commit, and push. Idempotent. Raises RetryLater (out of reach, a race), NeedsPerson (refused)."""
    git = mirror.git
    with mirror.lock:
        for attempt in range(ATTEMPTS):
            head = mirror.head()
            if head is None:
                raise RetryLater(
                    "the branch is gone: there is no commit to put a note on", where=ANCHORS_REF, delay=10.0
                )
            text = notes.on(git, ANCHORS_REF, head)
            if made.line() in text.splitlines():
                return
            before = tree.resolve(git, ANCHORS_REF)
            texts = {head: notes.extended(text, [made.line()])}
            update = Update(ANCHORS_REF, notes.written(git, ANCHORS_REF, texts, mirror.remote.identity), before or "")
            [pushed] = mirror.remote.push([update])
            match pushed.outcome:
                case "ok":
                    git.run("update-ref", update.ref, update.commit)
                    return
                case "refused":
                    fix = f"let Tidegate push to {ANCHORS_REF}: without it nobody can tell a chain that was made anew"
                    raise NeedsPerson(f"the remote refuses {ANCHORS_REF}: {pushed.reason}", where="record", fix=fix)
                case "race":
                    sleep(rng.uniform(0.02, 0.1) * 2**attempt)
                    mirror.fetch()
    raise RetryLater(f"others wrote git's notes faster {ATTEMPTS} times", where=ANCHORS_REF, delay=5.0)


def anchors_of(git: Git) -> tuple[Anchor, ...]:
    """All anchors that a repository has, oldest first."""
    if tree.resolve(git, ANCHORS_REF) is None:
        return ()
    contents = tree.read(git, ANCHORS_REF, lambda _: True).values()
    found = (_parse(line) for content in contents for line in content.decode("utf-8", "replace").splitlines())
    return tuple(sorted((one for one in found if one is not None), key=lambda one: (one.at, one.links)))


def anchors_at(url: str) -> tuple[Anchor, ...]:
    """The anchors as the remote has them now: no copy on this host is asked. Raises RetryLater, NeedsPerson."""
    with tempfile.TemporaryDirectory(prefix="tidegate-anchors-") as folder:
        git = Git(Path(folder) / "anchors.git")
        git.run("init", "--quiet", "--bare", "--template=", "--object-format=sha1")
        pattern = f"+{ANCHORS_REF}*:{ANCHORS_REF}*"  # with a `*` it may match nothing
        to = access_to(url)
        words = ("fetch", "--quiet", "--no-tags", "--", to.url, pattern)
        git.run(*words, environment=to.environment, timeout=NETWORK_TIMEOUT, where=to.url)
        return anchors_of(git)


def _parse(line: str) -> Anchor | None:
    try:
        fields = json.loads(line)
        if not isinstance(fields, dict) or fields.pop("tidegate", None) != 1 or fields.pop("kind", None) != "record":
            return None
        return Anchor(**fields)
    except (ValueError, TypeError):  # a person's own words in the same note
        return None
