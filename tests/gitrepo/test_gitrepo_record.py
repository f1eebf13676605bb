"""What git remembers: notes and promoted refs, written by several hands, read back on a new host."""

from __future__ import annotations

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from gitrepo_world import World, git

from tidegate.gitrepo.mirror import Mirror
from tidegate.gitrepo.record import Promotion, Record
from tidegate.spec.errors import NeedsPerson, RetryLater
from tidegate.spec.release import Release


def release(version: str, commit: str, digit: str = "a") -> Release:
    return Release("digits", version, "default", digit * 64, "0" * 64, commit)


def record(mirror: Mirror) -> Record:
    return Record(mirror, rng=random.Random(1), sleep=lambda _: None)


@pytest.fixture
def commit(world: World) -> str:
    found = world.clone.commit("one", {"a": "1"})
    world.mirror.fetch()
    return found


def test_a_promotion_leaves_a_note_and_a_ref_on_the_remote(world: World, commit: str) -> None:
    record(world.mirror).promote("digits", release("2.0.0", commit), touched=commit, reason="all steps passed", at=12.5)
    assert git("rev-parse", "refs/tidegate/production/digits", cwd=world.remote) == commit
    note = json.loads(git("notes", "--ref=tidegate", "show", commit, cwd=world.remote))
    assert (note["kind"], note["route"], note["release"], note["at"]) == ("promoted", "digits", "a" * 64, 12.5)
    assert note["environment"] == "production"


def test_a_rebuilt_host_reads_both_back(world: World, commit: str) -> None:
    later = world.clone.commit("two", {"a": "2"})
    world.mirror.fetch()
    writes = record(world.mirror)
    writes.promote("digits", release("2.0.0", commit), touched=commit, reason="passed", at=1.0)
    writes.promote("digits/archive", release("1.1.0", commit, "c"), touched=commit, reason="passed", at=2.0)
    writes.reject("digits", release("2.1.0", later, "b"), touched=later, reason="errors\nand more", at=3.0)
    rebuilt = world.another_mirror("rebuilt")
    rebuilt.fetch()
    reads = record(rebuilt)
    assert reads.promoted() == {"digits": commit, "digits/archive": commit}
    [rejection] = reads.rejections()
    assert (rejection.route, rejection.release, rejection.touched) == ("digits", "b" * 64, later)
    assert (rejection.reason, rejection.version, rejection.commit) == ("errors and more", "2.1.0", later)
    assert [note.kind for note in reads.notes()] == ["promoted", "promoted", "rejected"]


def test_an_empty_remote_remembers_nothing(world: World) -> None:
    world.mirror.fetch()
    assert record(world.mirror).promoted() == {}
    assert record(world.mirror).rejections() == ()


def test_writing_it_twice_writes_it_once(world: World, commit: str) -> None:
    writes = record(world.mirror)
    for at in (1.0, 2.0):
        writes.promote("digits", release("2.0.0", commit), touched=commit, reason=f"at {at}", at=at)
        writes.reject("digits", release("2.1.0", commit, "b"), touched=commit, reason=f"at {at}", at=at)
    assert [note.at for note in writes.notes()] == [1.0, 1.0]
    assert git("rev-list", "--count", "refs/notes/tidegate", cwd=world.remote) == "2"


def test_a_portfolio_is_told_by_one_push_and_one_refusal_stops_no_other(world: World, commit: str) -> None:
    world.hook("update", 'case "$1" in */route-7) echo "not this one" >&2; exit 1;; esac\n')
    pushes = world.remote / "pushes"
    world.hook("pre-receive", f"echo x >> {pushes}\n")
    later = world.clone.commit("two", {"a": "2"})
    world.mirror.fetch()
    promotions = [
        Promotion(f"route-{n}", release("1.0.0", commit), commit if n % 2 else later, "passed", float(n))
        for n in range(200)
    ]
    pushes.write_text("")
    errors = record(world.mirror).promote_all(promotions)
    assert [n for n, error in enumerate(errors) if error is not None] == [7]
    assert isinstance(errors[7], NeedsPerson) and "not this one" in str(errors[7])
    assert pushes.read_text() == "x\n"
    assert record(world.mirror).promoted() == {f"route-{n}": commit for n in range(200) if n != 7}
    assert {note.route for note in record(world.mirror).notes()} == {f"route-{n}" for n in range(200)}
    assert git("rev-list", "--count", "refs/notes/tidegate", cwd=world.remote) == "2"
    assert record(world.mirror).promote_all(promotions[:7]) == [None] * 7
    assert pushes.read_text() == "x\n", "what git knows is not pushed again"


def test_a_promotion_moves_the_ref_forward_and_back(world: World, commit: str) -> None:
    later = world.clone.commit("two", {"a": "2"})
    world.mirror.fetch()
    writes = record(world.mirror)
    for target in (commit, later, commit):
        writes.promote("digits", release("2.0.0", target), touched=target, reason="passed", at=1.0)
        assert git("rev-parse", "refs/tidegate/production/digits", cwd=world.remote) == target


def test_two_environments_share_the_notes_and_not_the_refs(world: World, commit: str) -> None:
    staging = world.another_mirror("staging", "staging")
    staging.fetch()
    record(staging).reject("digits", release("2.1.0", commit, "b"), touched=commit, reason="bad there", at=1.0)
    record(staging).promote("digits", release("2.0.0", commit), touched=commit, reason="good there", at=2.0)
    record(world.mirror).reject("digits", release("2.2.0", commit, "c"), touched=commit, reason="bad here", at=3.0)
    world.mirror.fetch()
    assert [note.reason for note in record(world.mirror).rejections()] == ["bad here"]
    assert record(world.mirror).promoted() == {}
    assert len(record(world.mirror).notes()) == 3


def test_a_race_loses_nobodys_note(world: World, commit: str) -> None:
    """Both start from the same notes; the second push is stale, and the record is written anew on top."""
    other = world.another_mirror("other", "staging")
    other.fetch()
    record(world.mirror).reject("digits", release("2.1.0", commit, "b"), touched=commit, reason="here", at=1.0)
    git("notes", "--ref=tidegate", "append", "-m", "seen by a person", commit, cwd=world.remote)
    record(other).reject("digits", release("2.2.0", commit, "c"), touched=commit, reason="there", at=2.0)
    text = git("notes", "--ref=tidegate", "show", commit, cwd=world.remote)
    assert "seen by a person" in text
    other.fetch()
    assert [note.reason for note in record(other).notes()] == ["here", "there"]


def test_a_promoted_ref_moved_by_another_hand_is_moved_again(world: World, commit: str) -> None:
    later = world.clone.commit("two", {"a": "2"})
    world.mirror.fetch()
    git("update-ref", "refs/tidegate/production/digits", commit, cwd=world.remote)
    record(world.mirror).promote("digits", release("2.1.0", later), touched=later, reason="passed", at=1.0)
    assert git("rev-parse", "refs/tidegate/production/digits", cwd=world.remote) == later


def test_somebody_always_faster_is_tried_again_later(world: World, commit: str) -> None:
    record(world.mirror).promote("digits", release("2.0.0", commit), touched=commit, reason="passed", at=1.0)
    other = world.another_mirror("other", "staging")
    other.fetch()
    step = iter(range(100))

    fetch = world.mirror.fetch

    def fetch_then_lose() -> str | None:
        head = fetch()
        number = next(step)
        git("notes", "--ref=tidegate", "append", "-m", f"word {number}", commit, cwd=world.remote)
        return head

    world.mirror.fetch = fetch_then_lose  # type: ignore[method-assign]  # chance: the other hand is always faster
    git("notes", "--ref=tidegate", "append", "-m", "first", commit, cwd=world.remote)
    with pytest.raises(RetryLater, match="others wrote git's notes faster 6 times"):
        Record(world.mirror, sleep=lambda _: None).reject(
            "digits", release("2.1.0", commit, "b"), touched=commit, reason="x", at=2.0
        )


def test_a_remote_that_refuses_notes_needs_a_person(world: World, commit: str) -> None:
    world.hook("update", 'case "$1" in refs/notes/*) echo "no notes here" >&2; exit 1;; esac\n')
    with pytest.raises(NeedsPerson, match=r"refuses refs/notes/tidegate: hook declined: .*no notes here"):
        record(world.mirror).promote("digits", release("2.0.0", commit), touched=commit, reason="passed", at=1.0)
    assert git("rev-parse", "refs/tidegate/production/digits", cwd=world.remote) == commit, (
        "what could be kept was kept"
    )


def test_a_note_for_a_commit_that_history_lost_goes_to_the_head(world: World, commit: str) -> None:
    record(world.mirror).reject("digits", release("2.1.0", commit, "b"), touched="f" * 40, reason="bad", at=1.0)
    assert record(world.mirror).rejections()[0].touched == "f" * 40
    assert "bad" in git("notes", "--ref=tidegate", "show", commit, cwd=world.remote)


def test_a_remote_out_of_reach_raises_and_the_next_try_succeeds(world: World, commit: str) -> None:
    away = Path(f"{world.remote}.away")
    world.remote.rename(away)
    with pytest.raises(NeedsPerson):
        record(world.mirror).reject("digits", release("2.1.0", commit, "b"), touched=commit, reason="bad", at=1.0)
    away.rename(world.remote)
    world.mirror.fetch()
    assert record(world.mirror).rejections() == ()
    record(world.mirror).reject("digits", release("2.1.0", commit, "b"), touched=commit, reason="bad", at=1.0)
    assert len(record(world.mirror).rejections()) == 1


def test_lines_of_people_and_of_newer_versions_are_left_alone(world: World, commit: str) -> None:
    lines = 'a word\n{"tidegate": 2, "kind": "promoted"}\n{"kind": "rejected"}\n[1]\n'
    lines += '{"tidegate": 1, "kind": "rejected", "x": 1}\n'
    git("notes", "--ref=tidegate", "add", "-F", "-", commit, cwd=world.remote, stdin=lines)
    world.mirror.fetch()
    assert record(world.mirror).notes() == ()
    record(world.mirror).reject("digits", release("2.1.0", commit, "b"), touched=commit, reason="bad", at=1.0)
    assert git("notes", "--ref=tidegate", "show", commit, cwd=world.remote).startswith(lines.rstrip())


def test_many_notes_survive_gits_own_fan_out(world: World, commit: str) -> None:
    head = "commit refs/notes/tidegate\ncommitter a <a@example.com> 1 +0000\ndata 1\nx\n"
    notes = "".join(f"M 644 inline {n % 256:02x}/{n:038x}\ndata 1\nx\n" for n in range(300))
    git("fast-import", "--quiet", cwd=world.remote, stdin=f"{head}{notes}\n")
    world.mirror.fetch()
    record(world.mirror).reject("digits", release("2.1.0", commit, "b"), touched=commit, reason="bad", at=1.0)
    assert [note.reason for note in record(world.mirror).notes()] == ["bad"]


def test_a_fetch_sees_a_commit_while_a_push_of_promotions_is_under_way(world: World, commit: str) -> None:
    began, may_end = world.folder / "began", world.folder / "may-end"
    hold = f"touch {began}\nfor i in $(seq 600); do test -e {may_end} && exit 0; sleep 0.05; done\nexit 1\n"
    promotion = Promotion("digits", release("2.0.0", commit), commit, "passed", 1.0)
    with ThreadPoolExecutor(1) as pool:
        world.hook("pre-receive", hold)
        pushing = pool.submit(record(world.mirror).promote_all, [promotion])
        try:
            deadline = time.monotonic() + 60
            while not began.exists():
                assert time.monotonic() < deadline and not pushing.done()
                time.sleep(0.01)
            world.hook("pre-receive", "exit 0\n")
            later = world.clone.commit("two", {"a": "2"})
            assert world.mirror.fetch() == later
            assert not pushing.done()
        finally:
            may_end.touch()
        assert pushing.result(20) == [None]
    assert record(world.mirror).promoted() == {"digits": commit}
    assert git("rev-parse", "refs/tidegate/production/digits", cwd=world.remote) == commit


def test_what_a_fetch_set_back_during_a_push_is_made_anew_on_what_is_there(world: World, commit: str) -> None:
    writes = record(world.mirror)
    writes.promote("digits", release("2.0.0", commit), touched=commit, reason="passed", at=1.0)
    later = world.clone.commit("two", {"a": "2"})
    world.mirror.fetch()
    for ref in ("refs/tidegate/production/digits", "refs/notes/tidegate"):
        world.mirror.git.run("update-ref", "-d", ref)  # as the remote was when that fetch looked
    writes.promote("digits", release("2.1.0", later, "b"), touched=later, reason="passed", at=2.0)
    assert git("rev-parse", "refs/tidegate/production/digits", cwd=world.remote) == later
    assert [note.version for note in writes.notes()] == ["2.0.0", "2.1.0"]
