"""What happens around a rollout, on real servers, Envoy and git: capacity, turns, a watch after promotion, a person's say."""

from __future__ import annotations

import time

from support.world import Make, World
from tidegate.journal.reader import Reader

ABSOLUTE = {"metric": "error_rate", "max": 0.1, "min_requests": 15, "immediate": True}
HOT = {"parameters": {"temperature": 5}}


def count(world: World, version: str) -> int:
    """Servers of a version that run."""
    return sum(f"-{version}-" in name for name in world.running())


def test_replicas_are_there_before_the_weight_that_needs_them_and_stable_keeps_all_of_its_own(world: World) -> None:
    world.begin()
    world.deploy("1.0.0", replicas=4)
    world.wait(lambda: count(world, "1.0.0") == 4, "four replicas")
    steps = [
        {"name": "canary", "weight": "25%", "for": "4s"},
        {"name": "half", "weight": "50%", "for": "4s"},
        {"name": "full", "weight": "100%", "for": "1s"},
    ]
    world.policy(steps=steps, startup_timeout="2s")
    world.version("2.0.0")
    with world.traffic() as users:
        commit = world.deploy("2.0.0", replicas=4)
        seen = {}
        for step in ("canary", "half", "full"):
            world.until("step", commit=commit, step=step)
            seen[step] = (count(world, "1.0.0"), count(world, "2.0.0"))
        world.until("promoted", commit=commit)
        users.more(50)
    assert [stable for stable, _ in seen.values()] == [4, 4, 4]
    canary, half, full = (candidate for _, candidate in seen.values())
    assert canary == 1
    assert 2 <= half <= full == 4
    assert not users.failed()
    assert "held" not in world.kinds()


def test_a_rollback_of_a_half_grown_candidate_overloads_nobody(world: World) -> None:
    world.begin()
    world.deploy("1.0.0", replicas=3)
    world.wait(lambda: count(world, "1.0.0") == 3, "three replicas")
    world.version("2.0.0", env={"ERROR_RATE": "0.6"})
    with world.traffic() as users:
        commit = world.deploy("2.0.0", replicas=3)
        world.until("rolled_back", commit=commit)
        assert count(world, "1.0.0") == 3
        moved = users.gone("2.0.0")
        world.wait(lambda: count(world, "2.0.0") == 0, "the candidate's servers to drain and go")
        users.more(50)
    assert not users.failed(moved)


def test_a_watched_release_that_goes_bad_after_its_promotion_is_taken_back(world: World) -> None:
    first = world.begin()
    world.policy(watch=[ABSOLUTE])
    world.version("2.0.0", env={"FAIL_ABOVE": "1"})
    with world.traffic() as users:
        commit = world.deploy("2.0.0")
        world.until("promoted", commit=commit)
        users.more(20)
    world.kill()
    world.start()
    moment = time.time()
    with world.traffic(body=HOT) as users:
        event = world.until("rolled_back", since=moment)
        world.wait(lambda: '"1.0.0"' in world.at_remote("models/digits/deployment.yaml"), "the revert")
        told = time.time()
        users.more(50)
    assert event["version"] == "2.0.0"
    assert "after its promotion: error rate" in event["reason"]
    assert users.versions(told).keys() == {"1.0.0"}, "traffic moves before git is told"
    assert world.noted(commit, "rejected")["route"] == "digits"
    ref = "refs/tidegate/production/digits"
    world.wait(lambda: world.git("rev-parse", ref, at=world.remote) == first, "the promoted ref to be back as well")
    assert world.kinds(since=moment).count("started") == 0
    with Reader(world.state / "journal.db") as journal:
        [verdict] = [one for one in journal.verdicts("digits") if one["result"] == "fail"]
    assert verdict["release"] == event["release"]
    assert verdict["guardrails"][0]["observed"] > 0.1


def test_the_numbers_of_a_failing_verdict_are_in_the_journal(world: World) -> None:
    world.begin()
    world.version("2.0.0", env={"ERROR_RATE": "0.7"})
    with world.traffic():
        event = world.until("rolled_back", commit=world.deploy("2.0.0"))
    with Reader(world.state / "journal.db") as journal:
        last = journal.verdicts("digits")[-1]
    assert (last["release"], last["result"]) == (event["release"], "fail")
    assert event["reason"] == last["sentence"]


def test_one_rollout_at_once_and_the_other_is_told_to_wait(make_world: Make) -> None:
    world = make_world(start=False)
    world.configure(rollouts={"at_once": 1})
    world.start()
    world.begin("digits")
    world.begin("letters")
    world.policy(steps=[{"name": "half", "weight": "50%", "for": "2s"}])
    for model in ("digits", "letters"):
        world.version("2.0.0", model)
    with world.traffic("digits") as digits, world.traffic("letters") as letters:
        world.edit("models/letters/deployment.yaml", "1.0.0", "2.0.0")
        commit = world.deploy("2.0.0", "digits")
        names = ("digits", "letters")
        late = world.wait(
            lambda: next(
                (n for n in names if any("for its turn" in (e["reason"] or "") for e in world.events(n))), None
            ),
            "one to wait",
        )
        early = names[names[0] == late]
        held = world.until("held", late, commit=commit, saying="for its turn")
        assert held["reason"] == f"1 of 1 rollouts are under way ({early}): it waits for its turn"
        assert set(world.running(late)) and not any("-2.0.0-" in name for name in world.running(late))
        ended = world.until("promoted", early, commit=commit)
        began = world.until("step", late, commit=commit)
        world.until("promoted", late, commit=commit)
    assert began["at"] >= ended["at"]
    assert not [*digits.failed(), *letters.failed()]


def test_after_a_rejection_the_next_release_waits_for_the_cool_down(make_world: Make) -> None:
    world = make_world(start=False)
    world.configure(rollouts={"cool_down": "15s"})
    world.start()
    world.begin()
    world.version("2.0.0", env={"ERROR_RATE": "0.7"})
    world.version("2.0.1")
    with world.traffic() as users:
        bad = world.until("rolled_back", commit=world.deploy("2.0.0"))
        world.wait(lambda: '"1.0.0"' in world.at_remote("models/digits/deployment.yaml"), "the revert")
        world.pull()
        commit = world.deploy("2.0.1")
        world.until("held", commit=commit, saying="was rejected")
        step = world.until("step", commit=commit)
        world.until("promoted", commit=commit)
        users.more(10)
    assert step["at"] - bad["at"] >= 15.0


def test_a_person_holds_resumes_approves_and_asks_again_by_commands(world: World) -> None:
    world.begin()
    world.policy(
        steps=[
            {"name": "canary", "weight": "30%", "for": "1s"},
            {"name": "half", "weight": "50%", "for": "1s", "approve": "manual"},
        ]
    )
    world.version("2.0.0")
    with world.traffic() as users:
        commit = world.deploy("2.0.0")
        world.until("step", commit=commit)
        assert world.cli("hold", "digits").returncode == 0
        world.wait(lambda: (world.route()["candidate"] or {}).get("hold") == "manual", "the hold")
        assert world.cli("resume", "digits").returncode == 0
        waits = world.wait(
            lambda: next(
                (e for e in world.events() if e["kind"] == "held" and "waits for a person" in e["reason"]), None
            ),
            "the step to wait",
        )
        assert "tidegate approve digits half" in waits["reason"]
        assert world.cli("approve", "digits", "half").returncode == 0
        world.until("promoted", commit=commit)
        assert world.kinds().count("started") == 2, "none of these commits asks for anything anew"

        world.version("3.0.0", env={"ERROR_RATE": "0.7"})
        world.pull()
        bad = world.deploy("3.0.0")
        world.until("rolled_back", commit=bad)
        world.noted(bad, "rejected")
        world.wait(lambda: '"2.0.0"' in world.at_remote("models/digits/deployment.yaml"), "the revert")
        again = time.time()
        assert world.cli("retry", "digits", "--reason", "once more").returncode == 0
        assert world.until("started", since=again)["version"] == "3.0.0"
        assert world.until("rolled_back", since=again)["version"] == "3.0.0"
        users.more(10)


def test_an_edit_of_something_else_tries_nothing_again(world: World) -> None:
    world.begin(features=["archive"])
    world.policy(rollback={"git": "none"})
    world.version("2.0.0", env={"ERROR_RATE": "0.7"})
    with world.traffic() as users:
        world.until("rolled_back", commit=world.deploy("2.0.0"))
        world.until("skipped_rejected")
        commit = world.deploy("2.0.0", replicas=2, approvals=["half"], features={"archive": {"version": "1.0.0"}})
        world.wait(lambda: world.live()["commit"] == commit and count(world, "1.0.0") == 2, "the commit to be followed")
        users.more(50)
        assert world.kinds().count("started") == 2
        world.deploy("2.0.0", replicas=2, retry=1)
        world.wait(lambda: world.kinds().count("started") == 3, "the retry")


def test_a_feature_that_goes_home_leaves_no_promoted_ref_behind(world: World) -> None:
    world.begin(features=["archive"])
    world.version("2.0.0")
    ref = "refs/tidegate/production/digits+archive"
    with world.traffic("digits/archive"):
        commit = world.deploy("1.0.0", features={"archive": {"version": "2.0.0"}})
        world.until("promoted", "digits/archive", commit=commit)
        world.wait(lambda: ref in world.git("for-each-ref", at=world.remote), "the ref")
        world.pull()
        world.deploy("1.0.0")
        world.wait(lambda: not world.route("digits/archive"), "the feature's route to dissolve")
    world.wait(lambda: ref not in world.git("for-each-ref", at=world.remote), "the ref to go")
    world.wait(lambda: not world.route()["git_pending"], "git to be told everything")


def test_a_deleted_deployment_stops_nothing_until_the_policy_retires_it(world: World) -> None:
    world.begin("letters")
    world.begin("digits")
    (world.clone / "models/digits/deployment.yaml").unlink()
    moment = time.time()
    with world.traffic() as users:
        gone = world.commit("digits is not asked for any more")
        world.wait(lambda: world.live()["commit"] == gone, "the commit to be followed")
        users.more(50)
    assert not users.failed()
    assert count(world, "1.0.0") == 1
    world.policy(retire={"after": "2s", "keep": 1})
    world.deploy("1.0.0")
    world.wait(lambda: not world.route()["problem"] and world.live()["commit"] != gone, "it to be asked for again")
    (world.clone / "models/digits/deployment.yaml").unlink()
    world.commit("and now it may go")
    event = world.until("standby_released", since=moment)
    assert "retire lets it go" in event["reason"]
    world.wait(lambda: not world.running("digits"), "its servers to drain, half a minute where no policy says how long")
    assert world.ask("letters").status == 200
