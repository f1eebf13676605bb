"""Plays many stories, each made from its seed; a failing one is shortened and printed with the command to replay it.

    python tests/simulation/fuzz.py --seeds 10000 --from 0 --jobs 2
    python tests/simulation/fuzz.py --story '[...]'

Ends with 1 when a rule was broken. Neighbours: sim_story.py has the stories, sim_watch.py the rules.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from sim_shrink import shrink
from sim_story import Story, make, mirror_folder, play, pure_work_once, template
from sim_watch import Broken

CHUNK = 25
AGED = 80
"""Chunks after which a process makes way for a new one: what stories leave in memory is collected seldom."""


@contextlib.contextmanager
def ready() -> Iterator[None]:
    """For many stories in one process: no log, pure work once, garbage collected seldom."""
    logging.disable(logging.CRITICAL)
    gc.freeze()
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 100)
    try:
        with pure_work_once():
            yield
    finally:
        logging.disable(logging.NOTSET)
        gc.set_threshold(*before)
        gc.unfreeze()


def run(seeds: Iterable[int]) -> list[tuple[int, str, str]]:
    """Play these; (seed, rule, what) of those that fail."""
    found = []
    for seed in seeds:
        try:
            play(make(seed))
        except Broken as broken:
            found.append((seed, broken.rule, broken.text))
    return found


def _chunk(bounds: tuple[int, int]) -> tuple[int, list[tuple[int, str, str]]]:
    return bounds[1] - bounds[0], run(range(*bounds))


def _begin(kept: contextlib.ExitStack) -> None:
    kept.enter_context(ready())


def report(seed: int, rule: str, text: str) -> str:
    """A failure for people: the shortest story found, and how to play it again."""
    story = shrink(make(seed), rule)
    told: list[str] = []
    try:
        play(story, told.extend)
    except Broken as broken:
        text = broken.text
    return "\n".join(
        [
            f"seed {seed} breaks '{rule}': {text}",
            str(story),
            "what happened:",
            *(f"  {line}" for line in told[-60:]),
            f"replay: python tests/simulation/fuzz.py --from {seed} --seeds 1",
            f"or the short one: python tests/simulation/fuzz.py --story '{story.to_json()}'",
        ]
    )


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--story", help="play this one story, and tell all of it")
    parser.add_argument("--show", type=int, default=3, help="how many failures to shorten and print")
    given = parser.parse_args()
    if given.story:
        return _one(Story.from_json(given.story))
    template(), mirror_folder()  # made here, used and removed by one process
    began, last = time.monotonic(), given.first + given.seeds
    chunks = [(at, min(at + CHUNK, last)) for at in range(given.first, last, CHUNK)]
    failed: list[tuple[int, str, str]] = []
    done = 0
    fork, kept = multiprocessing.get_context("fork"), contextlib.ExitStack()
    with fork.Pool(given.jobs, _begin, (kept,), maxtasksperchild=AGED) as pool:
        for count, found in pool.imap(_chunk, chunks):
            done += count
            failed += found
            for seed, rule, text in found:
                print(f"seed {seed} breaks '{rule}': {text}", file=sys.stderr, flush=True)
            if sys.stderr.isatty():
                print(f"\r{done} of {given.seeds}, {len(failed)} failed", end="", file=sys.stderr)
    seconds = time.monotonic() - began
    print(f"{done} seeds in {seconds:.0f} s ({done / seconds:.1f} a second), {len(failed)} failed")
    for rule, count in Counter(rule for _, rule, _ in failed).most_common():
        print(f"  {rule}: {count}, seeds {', '.join(str(s) for s, r, _ in sorted(failed) if r == rule)[:200]}")
    with ready():
        for seed, rule, text in sorted(failed)[: given.show]:
            print(report(seed, rule, text))
    return 1 if failed else 0


def _one(story: Story) -> int:
    with ready():
        told: list[str] = []
        try:
            play(story, told.extend)
        except Broken as broken:
            print("\n".join([str(story), *told, str(broken)]))
            return 1
        print("\n".join([str(story), *told, "every rule holds"]))
        return 0


if __name__ == "__main__":
    sys.exit(main())
