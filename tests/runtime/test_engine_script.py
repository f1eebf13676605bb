"""serving/engine.sh gets an engine where none is, once, and ends only its own. Tried in a network and a /run of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from support.engine import BASE, SERVING

ENGINE = str(SERVING / "engine.sh")
AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]
AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []


def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run to the end; `env` on top of ours."""
    return subprocess.run(words, env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=120)


# Everything in it happens in namespaces of its own, so that the machine's engine is not touched.
LIFE = """
set -eu
mount -t tmpfs tidegate-test /run
export DOCKER_HOST=unix:///run/docker.sock TIDEGATE_ENGINE_DIR=$2
if "$1" status; then exit 10; fi
"$1" start & first=$!
"$1" start & second=$!
wait $first; wait $second
"$1" status
docker version --format '{{.Server.Version}}'
"$1" start
"$1" stop
if "$1" status; then exit 11; fi
"$1" stop
"""


def test_an_engine_is_started_once_by_two_callers_and_ended_by_stop(docker_engine, tmp_path):
    folder = tmp_path / "engine"
    done = run(*AS_ROOT, "unshare", "--net", "--mount", "bash", "-c", LIFE, "life", ENGINE, str(folder))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("started at") == 1
    assert "started from here" in done.stderr
    assert "engine: stopped" in done.stderr
    assert "nothing to stop" in done.stderr
    assert not (folder / "dockerd.pid").exists()


def test_an_engine_that_answers_is_left_as_it_is(docker_engine, tmp_path):
    folder = tmp_path / "engine"
    for verb in ("start", "stop", "status"):
        done = run(ENGINE, verb, TIDEGATE_ENGINE_DIR=str(folder))
        assert done.returncode == 0, done.stderr
    assert not folder.exists()
    assert docker_engine.ping()


def test_stop_does_not_believe_a_stale_pid_file(tmp_path):
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        (tmp_path / "dockerd.pid").write_text(str(stranger.pid))
        done = run(ENGINE, "stop", TIDEGATE_ENGINE_DIR=str(tmp_path))
        assert (done.returncode, "nothing to stop" in done.stderr) == (0, True)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_without_root_the_message_says_what_to_do(tmp_path):
    # the script is read from standard input: another user may not be allowed to enter the work tree
    done = subprocess.run(
        [*AS_NOBODY, "bash", "-s", "start"],
        input=Path(ENGINE).read_text(),
        env={"PATH": os.environ["PATH"], "DOCKER_HOST": "unix:///nowhere/docker.sock"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "starting one takes root" in done.stderr
    assert "fix:" in done.stderr


def test_an_engine_elsewhere_is_not_ours_to_start(unused_port):
    done = run(ENGINE, "start", DOCKER_HOST=f"tcp://127.0.0.1:{unused_port}")
    assert done.returncode == 1
    assert f"no engine answers at tcp://127.0.0.1:{unused_port}" in done.stderr


@pytest.mark.parametrize("words", [(), ("restart",)])
def test_another_word_is_a_usage_error(words):
    done = run(ENGINE, *words)
    assert done.returncode == 2
    assert "start|stop|status" in done.stderr


def test_a_base_image_that_is_there_is_not_built_again(docker_engine, base_image):
    before = docker_engine.images.get(BASE).id
    done = run(str(SERVING / "base.sh"))
    assert (done.returncode, done.stderr) == (0, f"base: {BASE} is there\n")
    assert docker_engine.images.get(BASE).id == before


def test_the_base_image_has_a_whole_python(docker_engine, base_image):
    out = docker_engine.containers.run(
        base_image,
        ["python3", "-c", "import ssl, sqlite3, venv, http.server; print('whole')"],
        remove=True,
        user="65534",
    )
    assert out == b"whole\n"


def test_without_an_engine_the_base_image_says_how_to_get_one():
    done = run(str(SERVING / "base.sh"), DOCKER_HOST="unix:///nowhere/docker.sock")
    assert done.returncode == 1
    assert "serving/engine.sh start" in done.stderr
