"""`tidegate alerts`: who is told, and a test message to each of them, at a real receiver."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from backtest_log import POLICY

from support.receiver import Receiver
from support.world import environment

SETTINGS = "api: tidegate/v1\nkind: Controller\nenvironment: staging\n"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository whose controller tells everybody, and whose careful policy a team."""
    (tmp_path / "tidegate.yaml").write_text(f'{SETTINGS}notify: ["env:EVERYBODY"]\n')
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "careful.yaml").write_text(f'{POLICY}notify: ["file:team-chat"]\n')
    return tmp_path


def alerts(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tidegate", "alerts", *words]
    return subprocess.run(
        command, cwd=folder, env={**environment(), **variables}, capture_output=True, text=True, check=False
    )


def test_a_test_message_reaches_everybody_who_is_named(repo: Path, receiver: Receiver) -> None:
    (repo / "team-chat").write_text(receiver.address)
    done = alerts(repo, "--test", EVERYBODY=receiver.address)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("a test message was taken") == 2
    assert "named by tidegate.yaml" in done.stdout
    assert "named by careful" in done.stdout
    assert [one["title"] for one in receiver.got] == ["[staging] a test message"] * 2


def test_one_that_does_not_arrive_is_told_with_its_fix_and_without_the_secret(repo: Path, receiver: Receiver) -> None:
    (repo / "team-chat").write_text("what is this")
    done = alerts(repo, "--test", "--format", "json", EVERYBODY=receiver.address)
    assert done.returncode == 1
    rows = {row["target"]: row for row in json.loads(done.stdout)["alerts"]}
    assert rows["env:EVERYBODY"]["error"] is None
    assert "file:team-chat is not one address that Apprise knows; fix:" in rows["file:team-chat"]["error"]
    assert "what is this" not in done.stdout
    missing = alerts(repo, "--test")
    assert "the environment variable EVERYBODY is not set; fix: export EVERYBODY=..." in missing.stdout


def test_without_a_test_nothing_is_sent_and_nobody_is_said_to_be_nobody(repo: Path) -> None:
    done = alerts(repo)
    assert done.returncode == 0
    assert "env:EVERYBODY                0 sent, the last never; named by tidegate.yaml" in done.stdout
    (repo / "tidegate.yaml").write_text(SETTINGS)
    (repo / "policies" / "careful.yaml").unlink()
    assert "nobody is told anything: write notify: [env:NAME]" in alerts(repo).stderr
