"""Delivery by Apprise to a real receiver on loopback, and what is said when it does not arrive."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.engine import free_port
from support.receiver import Receiver
from tidegate.alerts.letter import Letter
from tidegate.alerts.send import send
from tidegate.sources.access import secret
from tidegate.spec.base import Secret, reference
from tidegate.spec.errors import NeedsPerson, RetryLater

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise's own import
LETTER = Letter("[production] digits 2.0.0 was rolled back", "error rate 19.1 % against 1.2 %; limit 1.0x", "failure")


def here(named: Secret) -> str:
    return secret(named, Path("/"))


def test_a_message_arrives_as_it_was_written(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_CHAT", receiver.address)
    send("env:TEAM_CHAT", LETTER, here)
    [got] = receiver.got
    assert (got["title"], got["message"], got["type"]) == (LETTER.title, LETTER.body, "failure")


def test_an_address_may_stand_in_a_file(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "pager").write_text(f"{receiver.address}\n")
    send("file:pager", LETTER, lambda named: secret(named, tmp_path))
    assert len(receiver.got) == 1


def test_a_receiver_that_refuses_is_tried_again_later(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_CHAT", receiver.address)
    receiver.status = 503
    with pytest.raises(RetryLater, match=r"env:TEAM_CHAT did not take the message: .*503"):
        send("env:TEAM_CHAT", LETTER, here)
    assert receiver.refused == 1


def test_a_receiver_that_is_not_there_is_told_without_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_CHAT", f"json://me:S3cr3t-9@127.0.0.1:{free_port()}/hook-x7")
    with pytest.raises(RetryLater) as raised:
        send("env:TEAM_CHAT", LETTER, here)
    assert "S3cr3t" not in str(raised.value)
    assert "hook-x7" not in str(raised.value)


@pytest.mark.parametrize("address", ["what is this", "json://127.0.0.1:1/a, json://127.0.0.1:1/b", "nosuch://token"])
def test_what_is_not_one_address_needs_a_person_and_is_not_shown(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_CHAT", address)
    with pytest.raises(NeedsPerson, match="env:TEAM_CHAT is not one address that Apprise knows") as raised:
        send("env:TEAM_CHAT", LETTER, here)
    assert address not in str(raised.value)


def test_a_secret_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEAM_CHAT", raising=False)
    with pytest.raises(NeedsPerson, match="TEAM_CHAT is not set"):
        send("env:TEAM_CHAT", LETTER, here)


@pytest.mark.parametrize("text", ["slack://a/b", "https://x", "env:", "file://x", "env: A", "", "json://u:p@h"])
def test_an_address_in_git_is_no_reference_and_is_not_used(text: str) -> None:
    assert reference(text) is None
    with pytest.raises(NeedsPerson, match="no reference"):
        send(text, LETTER, here)
