"""What every runtime promises: each test runs against real containers and against real processes."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import replace

import pytest

from support.engine import eventually
from support.places import DIGEST, Place, ended, env_of, get, only, ready
from tidegate.spec.errors import NeedsPerson


@pytest.fixture
def artifact(tmp_path):
    path = tmp_path / "cache" / "model.onnx"
    path.parent.mkdir()
    path.write_bytes(b"weights")
    path.chmod(0o444)
    return path


def kill(place: Place, docker_engine, instance) -> None:
    if place.kind == "docker":
        docker_engine.containers.get(instance.ref).kill("KILL")
    else:
        os.kill(int(instance.ref), 9)


def test_nothing_runs_at_first(place):
    assert place.open().observe() == []


def test_a_started_workload_is_observed_with_all_its_marks_and_answers(place):
    runtime = place.open()
    before = time.time()
    workload = place.workload()
    runtime.start(workload)
    instance = ready(runtime)
    assert instance.name == workload.name == f"digits-2.0.0_data.7-{DIGEST[:12]}-0"
    assert (instance.model, instance.version, instance.digest, instance.replica) == (
        "digits",
        "2.0.0+data.7",
        DIGEST,
        0,
    )
    assert instance.running
    assert instance.exit_code is None
    assert before - 2 < instance.started_at < time.time() + 2
    assert instance.labels["io.tidegate.release"] == "abcdef012345"
    assert instance.labels["io.tidegate.workload"] == DIGEST
    assert instance.labels["io.tidegate.instance"] == place.instance


def test_starting_again_changes_nothing(place):
    runtime = place.open()
    runtime.start(place.workload())
    first = only(runtime)
    runtime.start(place.workload())
    assert only(runtime).ref == first.ref


def test_two_threads_and_two_controllers_start_one(place):
    runtimes = [place.open(), place.open()]
    barrier = threading.Barrier(6)
    failures: list[Exception] = []

    def begin(number: int) -> None:
        barrier.wait()
        try:
            runtimes[number % 2].start(place.workload())
        except Exception as error:  # noqa: BLE001 the assertion below shows whatever it was
            failures.append(error)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert only(runtimes[0]).running
    ready(runtimes[0])


def test_replicas_run_side_by_side(place):
    runtime = place.open()
    for replica in (0, 1):
        runtime.start(place.workload(replica=replica))
    addresses = {ready(runtime, place.workload(replica=replica).name).address for replica in (0, 1)}
    assert len(addresses) == 2


def test_stop_ends_and_removes_and_may_be_repeated(place):
    runtime = place.open()
    runtime.start(place.workload())
    instance = ready(runtime)
    runtime.stop(instance.name, grace=5)
    assert runtime.observe() == []
    with pytest.raises(OSError):
        get(instance, "/ready", timeout=0.5)  # nobody refuses at the address of a container that is gone
    runtime.stop(instance.name, grace=5)


def test_a_server_that_handles_term_is_not_killed_and_one_that_ignores_it_is(place):
    runtime = place.open()
    runtime.start(place.workload())
    began = time.monotonic()
    runtime.stop(ready(runtime).name, grace=30)
    assert time.monotonic() - began < 29, "its grace was not used up"
    runtime.start(place.workload(env={"IGNORE_TERM": "1"}))
    instance = ready(runtime)
    began = time.monotonic()
    runtime.stop(instance.name, grace=1)
    assert time.monotonic() - began > 0.9
    assert runtime.observe() == []


def test_a_fresh_runtime_adopts_what_runs(place):
    first = place.open()
    first.start(place.workload())
    before = ready(first)
    first.close()
    second = place.open()
    assert only(second) == before
    second.start(place.workload())
    assert only(second).ref == before.ref
    assert get(only(second), "/ready")[0] == 200


def test_the_exit_code_is_known_also_to_a_controller_that_was_away(place):
    first = place.open()
    first.start(place.workload())
    instance = ready(first)
    first.close()
    get(instance, "/exit?3")
    second = place.open()
    after = ended(second)
    assert after.exit_code == 3
    assert after.address is None


def quiet(hints):
    """How many hints there were, once none of the start has come for a while."""
    seen = []

    def still():
        seen.append(hints.seen)
        return len(seen) > 20 and len(set(seen[-20:])) == 1

    eventually(still)
    return seen[-1]


def test_a_kill_gives_a_hint_and_an_exit_code(place, hints, docker_engine):
    runtime = place.open()
    runtime.start(place.workload())
    instance = ready(runtime)
    runtime.watch(hints)
    eventually(lambda: hints.seen)
    before = quiet(hints)
    kill(place, docker_engine, instance)
    eventually(lambda: hints.seen > before)
    assert ended(runtime).exit_code == 137


def test_a_start_and_a_stop_give_hints(place, hints):
    runtime = place.open()
    runtime.watch(hints)
    eventually(lambda: hints.seen)
    before = hints.seen
    runtime.start(place.workload())
    eventually(lambda: hints.seen > before)
    before = hints.seen
    runtime.stop(place.workload().name, grace=0)
    eventually(lambda: hints.seen > before)


def test_an_ended_instance_is_replaced_by_the_next_start(place, docker_engine):
    runtime = place.open()
    runtime.start(place.workload())
    first = ready(runtime)
    kill(place, docker_engine, first)
    ended(runtime)
    runtime.start(place.workload())
    second = ready(runtime)
    assert second.ref != first.ref
    assert second.exit_code is None


def test_artifact_and_port_are_filled_in_and_exported(place, artifact):
    runtime = place.open()
    runtime.start(
        place.workload(
            "--model=${TIDEGATE_ARTIFACT}",
            "--port=${TIDEGATE_PORT}",
            env={"WHERE": "at ${TIDEGATE_ARTIFACT}"},
            artifact=artifact,
        )
    )
    instance = ready(runtime)
    seen = env_of(instance)
    assert seen["argv"][1:] == [f"--model={seen['TIDEGATE_ARTIFACT']}", f"--port={seen['TIDEGATE_PORT']}"]
    assert seen["WHERE"] == f"at {seen['TIDEGATE_ARTIFACT']}"
    assert seen["TIDEGATE_ARTIFACT"].endswith("/model.onnx")
    assert get(instance, "/model") == (200, b"weights")


def test_configs_that_come_later_are_read_in_the_folder_that_the_server_was_started_with(place, tmp_path):
    folder = tmp_path / "configs" / "digits"
    folder.mkdir(parents=True)
    file = folder / "default@0123456789ab.json"
    runtime = place.open()
    workload = place.workload(env={"TIDEGATE_ARTIFACT": f"${{TIDEGATE_CONFIGS}}/{file.name}"})
    with pytest.raises(NeedsPerson, match="the server gets no such folder"):
        runtime.start(workload)
    runtime.start(replace(workload, configs=folder))
    instance = ready(runtime)
    file.write_bytes(b"{}")
    file.chmod(0o644)
    assert get(instance, "/model") == (200, b"{}")
    assert instance.labels["io.tidegate.configs"] == env_of(instance)["TIDEGATE_CONFIGS"]


def test_a_placeholder_without_an_artifact_needs_a_person(place):
    with pytest.raises(NeedsPerson, match="has no artifact"):
        place.open().start(place.workload("${TIDEGATE_ARTIFACT}"))


def test_the_controllers_own_environment_does_not_leak(place, monkeypatch):
    monkeypatch.setenv("JOURNAL_PASSWORD", "secret")
    runtime = place.open()
    runtime.start(place.workload(env={"MODE": "test"}))
    seen = env_of(ready(runtime))
    assert "JOURNAL_PASSWORD" not in seen
    assert seen["MODE"] == "test"


def test_logs_give_all_lines_or_the_last_ones_also_after_the_end(place):
    runtime = place.open()
    runtime.start(place.workload("one"))
    instance = ready(runtime)
    for word in ("two", "three"):
        get(instance, f"/say?{word}")
    eventually(lambda: list(runtime.logs(instance.name)) == ["serving one", "two", "three"])
    assert list(runtime.logs(instance.name, tail=2)) == ["two", "three"]
    assert list(runtime.logs(instance.name, tail=0)) == []
    get(instance, "/exit?0")
    ended(runtime)
    assert list(runtime.logs(instance.name)) == ["serving one", "two", "three"]


def test_logs_of_an_unknown_name_need_a_person(place):
    with pytest.raises(NeedsPerson, match="no instance of that name"):
        list(place.open().logs("digits-9.9.9-000000000000-0"))


def test_following_logs_sees_new_lines_and_ends_with_the_instance(place):
    runtime = place.open()
    runtime.start(place.workload("one"))
    instance = ready(runtime)
    seen: list[str] = []
    reader = threading.Thread(target=lambda: seen.extend(runtime.logs(instance.name, tail=1, follow=True)))
    lines = runtime.logs(instance.name, follow=True)
    assert next(lines) == "serving one"
    get(instance, "/say?two")
    assert next(lines) == "two"
    lines.close()
    reader.start()
    get(instance, "/say?three")
    get(instance, "/exit?0")
    reader.join(20)
    assert not reader.is_alive()
    assert seen[-1] == "three"


def test_two_instances_of_tidegate_do_not_touch_each_other(place):
    ours, theirs = place.open(), place.open(f"{place.instance}-x")
    ours.start(place.workload())
    theirs.start(place.workload())
    first, second = ready(ours), ready(theirs)
    assert first.ref != second.ref
    assert first.address != second.address
    ours.stop(first.name, grace=1)
    assert ours.observe() == []
    assert only(theirs).ref == second.ref
    assert get(second, "/ready")[0] == 200


def test_closing_leaves_everything_running(place):
    runtime = place.open()
    runtime.watch(lambda: None)
    runtime.start(place.workload())
    instance = ready(runtime)
    runtime.close()
    assert get(instance, "/ready")[0] == 200


def test_observed_values_can_be_printed_as_json(place):
    runtime = place.open()
    runtime.start(place.workload())
    assert json.dumps(dict(only(runtime).labels))
