"""Processes in particular: what they see, what they leave behind, and whom we take for ours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.engine import eventually
from support.places import DIGEST, ended, env_of, get, only, ready
from tidegate.runtime import process as process_module
from tidegate.runtime.interface import Workload
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.version import Runtime as RuntimeSpec


def command(*words: str) -> Workload:
    return Workload("digits", "1.0.0", DIGEST, 0, RuntimeSpec(command=words))


def state_file(place, name: str) -> Path:
    return place.state / "processes" / place.instance / name / "state.json"


def alive(pid: int) -> bool:
    try:
        return b") Z" not in Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        return False


def test_a_command_that_is_not_there_needs_a_person_and_leaves_nothing(process_place):
    runtime = process_place.open()
    with pytest.raises(NeedsPerson, match="cannot run 'no-such-server': No such file") as raised:
        runtime.start(command("no-such-server"))
    assert "runtime.path" in (raised.value.fix or "")
    assert runtime.observe() == []


def test_a_version_without_a_command_needs_a_person(process_place):
    with pytest.raises(NeedsPerson, match="has no command"):
        process_place.open().start(command())


def test_a_server_has_its_own_session_folder_and_a_short_environment(process_place):
    runtime = process_place.open()
    runtime.start(process_place.workload(env={"MODE": "test"}))
    instance = ready(runtime)
    pid = int(instance.ref)
    assert os.getsid(pid) == os.getpgid(pid) == pid
    assert Path(f"/proc/{pid}/cwd").readlink() == state_file(process_place, instance.name).parent / "work"
    known = {
        "HOME",
        "LANG",
        "PATH",
        "LD_LIBRARY_PATH",
        "MODE",
        "TIDEGATE_PORT",
        "TIDEGATE_PROCESS",
        "uid",
        "argv",
        "LC_CTYPE",
    }
    assert set(env_of(instance)) <= known
    assert instance.address == ("127.0.0.1", int(env_of(instance)["TIDEGATE_PORT"]))


def test_programs_are_found_in_the_folders_of_the_settings_first(process_place, tmp_path):
    folder = tmp_path / "serving" / "bin"
    folder.mkdir(parents=True)
    (folder / "my-server").symlink_to(sys.executable)
    runtime = process_place.open(path=(str(folder),))
    workload = process_place.workload()
    spec = workload.spec.model_copy(update={"command": ("my-server", *workload.spec.command[1:])})
    runtime.start(Workload("digits", "1.0.0", DIGEST, 0, spec))
    assert env_of(ready(runtime))["PATH"].split(":")[0] == str(folder)


def test_output_is_bounded_and_the_newest_of_it_is_kept(process_place, monkeypatch):
    monkeypatch.setattr(process_module, "LOG_LIMIT", 20_000)
    runtime = process_place.open()
    runtime.start(command(sys.executable, "-c", "for i in range(20000): print('line', i)"))
    instance = ended(runtime)
    assert instance.exit_code == 0
    folder = state_file(process_place, instance.name).parent
    assert sum(path.stat().st_size for path in folder.glob("log*")) <= 2 * 20_000 + (1 << 16)
    lines = list(runtime.logs(instance.name))
    assert lines[-1] == "line 19999"
    numbers = [int(line.split()[1]) for line in lines[1:]]
    assert numbers == list(range(numbers[0], 20000))


def test_a_server_that_prints_forever_to_a_follower_loses_no_line_over_a_rotation(process_place, monkeypatch):
    monkeypatch.setattr(process_module, "LOG_LIMIT", 4000)
    runtime = process_place.open()
    program = "import time\nfor i in range(2000):\n print('line', i, flush=True)\n if i % 100 == 0: time.sleep(0.12)"
    runtime.start(command(sys.executable, "-c", program))
    lines = list(runtime.logs(only(runtime).name, follow=True))
    assert [int(line.split()[1]) for line in lines] == list(range(2000))


def test_no_zombie_and_no_shim_stays_after_a_stop(process_place):
    runtime = process_place.open()
    runtime.start(process_place.workload())
    instance = ready(runtime)
    shim = json.loads(state_file(process_place, instance.name).read_text())["shim"][0]
    runtime.stop(instance.name, grace=5)
    eventually(lambda: not alive(shim))
    assert not Path(f"/proc/{instance.ref}").exists()
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    assert str(shim) not in children
    assert list((process_place.state / "processes" / process_place.instance).glob("*")) == [
        process_place.state / "processes" / process_place.instance / ".locks"
    ]


def test_what_a_controller_killed_in_a_stop_has_left_goes_when_the_next_one_watches(process_place):
    runtime = process_place.open()
    runtime.start(process_place.workload())
    kept = ready(runtime)
    root = process_place.state / "processes" / process_place.instance
    for name in ("digits-1.0.0-0123456789ab-0", kept.name):
        (root / f".gone-{name}" / "work").mkdir(parents=True)
        (root / ".locks" / name).touch()
    (root / ".locks" / "digits-0.9.0-0123456789ab-0").touch()
    process_place.open().watch(lambda: None)
    assert sorted(path.name for path in root.iterdir()) == [".locks", kept.name]
    assert [path.name for path in (root / ".locks").iterdir()] == [kept.name]
    assert [one.ref for one in runtime.observe()] == [kept.ref]


WORKERS = """
import os, subprocess, sys, time
worker = [sys.executable, "-c", "import time; time.sleep(600)"]
grouped = subprocess.Popen(worker).pid
apart = subprocess.Popen(worker, start_new_session=True).pid
print(grouped, apart, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("how", ["stop", "kill the server", "kill the shim"])
def test_workers_of_a_server_end_with_it(process_place, how):
    runtime = process_place.open()
    runtime.start(command(sys.executable, "-c", WORKERS))
    name = only(runtime).name
    words = eventually(lambda: list(runtime.logs(name)))[0].split()
    server, workers = int(only(runtime).ref), [int(word) for word in words]
    assert all(alive(pid) for pid in (server, *workers))
    if how == "stop":
        runtime.stop(name, grace=5)
    elif how == "kill the server":
        os.kill(server, signal.SIGKILL)
        assert ended(runtime).exit_code == 137
    else:
        os.kill(json.loads(state_file(process_place, name).read_text())["shim"][0], signal.SIGKILL)
        assert ended(runtime).exit_code is None
        eventually(lambda: not alive(server))
        runtime.stop(name, grace=0)
    eventually(lambda: not any(alive(pid) for pid in (server, *workers)))


def test_a_pid_that_is_somebody_elses_by_now_is_not_taken_for_ours_nor_touched(process_place):
    runtime = process_place.open()
    runtime.start(process_place.workload())
    instance = ready(runtime)
    path = state_file(process_place, instance.name)
    state = json.loads(path.read_text())
    os.kill(state["shim"][0], signal.SIGKILL)
    eventually(lambda: not alive(state["shim"][0]))
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        for began in (
            state["shim"][1],
            int(Path(f"/proc/{stranger.pid}/stat").read_text().rpartition(")")[2].split()[19]),
        ):
            path.write_text(json.dumps({**state, "shim": [stranger.pid, began], "child": [stranger.pid, began]}))
            assert only(runtime).running is False
        runtime.stop(instance.name, grace=0)
        assert runtime.observe() == []
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_nothing_of_an_earlier_boot_counts_as_running(process_place):
    runtime = process_place.open()
    runtime.start(process_place.workload())
    instance = ready(runtime)
    path = state_file(process_place, instance.name)
    state = json.loads(path.read_text())
    path.write_text(json.dumps({**state, "boot": "another"}))
    assert only(runtime).running is False
    path.write_text(json.dumps(state))
    assert only(runtime).running is True


def test_a_damaged_state_file_is_mended_by_the_next_start(process_place):
    runtime = process_place.open()
    runtime.start(process_place.workload())
    before = ready(runtime)
    state_file(process_place, before.name).write_text("{")
    assert runtime.observe() == []
    runtime.start(process_place.workload())
    after = ready(runtime)
    assert after.ref != before.ref
    assert not alive(int(before.ref))


def test_a_state_file_of_a_newer_tidegate_is_not_guessed_at(process_place):
    runtime = process_place.open()
    runtime.start(process_place.workload())
    instance = ready(runtime)
    path = state_file(process_place, instance.name)
    state = json.loads(path.read_text())
    path.write_text(json.dumps({**state, "format": 2}))
    with pytest.raises(NeedsPerson, match="has format 2"):
        runtime.observe()
    path.write_text(json.dumps(state))


def test_a_name_cannot_lead_out_of_the_state_folder(process_place):
    for name in ("../here", "", ".locks", "a/b"):
        with pytest.raises(NeedsPerson, match="not the name of an instance"):
            process_place.open().stop(name, grace=0)


def test_a_death_is_told_of_and_nobody_has_to_look(process_place):
    runtime = process_place.open()
    runtime.start(process_place.workload())
    instance = ready(runtime)
    told: list[bool] = []
    runtime.watch(lambda: told.append(True))
    for _ in range(5):
        told.clear()
        os.kill(int(instance.ref), signal.SIGKILL)
        eventually(lambda: told)
        assert ended(runtime).exit_code == 137
        runtime.start(process_place.workload())
        instance = ready(runtime)


def test_a_full_disk_under_the_state_folder_needs_a_person_and_leaves_what_runs(tiny_disk, process_place):
    process_place.state = tiny_disk / "state"
    runtime = process_place.open()
    runtime.start(process_place.workload())
    first = ready(runtime)
    with pytest.raises(OSError):
        (tiny_disk / "filler").write_bytes(b"x" * 100_000)
    with pytest.raises(NeedsPerson, match="No space left"):
        runtime.start(process_place.workload(replica=1))
    for _ in range(100):
        get(first, "/say?a_line_that_cannot_be_written")
    assert get(first, "/ready")[0] == 200
    get(first, "/exit?0")
    eventually(lambda: not only(runtime).running)
    (tiny_disk / "filler").unlink()
    runtime.stop(first.name, grace=0)
    assert runtime.observe() == []
