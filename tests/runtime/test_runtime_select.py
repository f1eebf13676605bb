"""`auto` takes docker where an engine answers, and does not change its mind while something runs."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from support.places import DIGEST
from tidegate.runtime.interface import Workload
from tidegate.runtime.select import open_runtime
from tidegate.spec.controller import RuntimeSettings
from tidegate.spec.errors import RetryLater
from tidegate.spec.version import Runtime as RuntimeSpec

# The SDK leaves the socket of a connection that could not be made to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("collected"),
]


@pytest.fixture
def collected():
    yield
    gc.collect()


@pytest.fixture
def nowhere(tmp_path: Path) -> RuntimeSettings:
    """Settings that point at no engine."""
    return RuntimeSettings(host=f"unix://{tmp_path}/none.sock")


def test_auto_takes_docker_where_an_engine_answers(docker_engine, tmp_path):
    runtime = open_runtime(RuntimeSettings(), "t", tmp_path)
    assert runtime.kind == "docker"
    runtime.close()


def test_auto_takes_processes_where_no_engine_answers(nowhere, tmp_path):
    assert open_runtime(nowhere, "t", tmp_path).kind == "process"


def test_auto_waits_for_an_engine_that_it_used_before(docker_engine, nowhere, tmp_path):
    open_runtime(RuntimeSettings(), "t", tmp_path).close()
    with pytest.raises(RetryLater, match="were started there before") as raised:
        open_runtime(nowhere, "t", tmp_path)
    assert "kind: process" in (raised.value.fix or "")


def test_auto_stays_with_processes_while_some_are_there(docker_engine, nowhere, tmp_path):
    processes = open_runtime(nowhere, "t", tmp_path)
    workload = Workload("digits", "1.0.0", DIGEST, 0, RuntimeSpec(command=(sys.executable, "-c", "pass")))
    processes.start(workload)
    assert open_runtime(RuntimeSettings(), "t", tmp_path).kind == "process"
    processes.stop(workload.name, grace=0)
    runtime = open_runtime(RuntimeSettings(), "t", tmp_path)
    assert runtime.kind == "docker"
    runtime.close()


def test_what_is_named_is_taken(docker_engine, tmp_path):
    assert open_runtime(RuntimeSettings(kind="process"), "t", tmp_path).kind == "process"
    runtime = open_runtime(RuntimeSettings(kind="docker"), "t", tmp_path)
    assert runtime.kind == "docker"
    runtime.close()


def test_the_docker_sdk_is_not_loaded_for_processes(tmp_path):
    program = (
        "import sys, pathlib\n"
        "from tidegate.runtime.select import open_runtime\n"
        "from tidegate.spec.controller import RuntimeSettings\n"
        f"open_runtime(RuntimeSettings(kind='process'), 't', pathlib.Path({str(tmp_path)!r}))\n"
        "sys.exit('docker' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
