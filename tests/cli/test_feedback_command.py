"""`tidegate feedback` against the real API and a real store: one value, many, and everything that may be wrong."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from support.engine import free_port
from tidegate.api.app import application
from tidegate.api.server import Server
from tidegate.cli.main import invoke
from tidegate.engine.desk import Desk
from tidegate.gateway.record import RecordReader
from tidegate.spec.controller import FeedbackSettings

IDS = [str(uuid.UUID(int=n)) for n in range(1, 13_001)]
HEAD = "api: tidegate/v1\nkind: Controller\n"


class Shop:
    """A controller's API over a desk whose record has answers to `IDS`, and a tidegate.yaml that names it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        record = folder / "predictions.jsonl"
        line = {
            "time": "2027-01-15T08:00:01Z",
            "route": "digits",
            "role": "stable",
            "release": "aaaa",
            "duration_ms": 5.0,
        }
        record.touch()
        self.desk = Desk(folder, FeedbackSettings(), RecordReader(record), lambda: 1_800_000_000.0)
        self.desk.asked = {"digits": {"made_up": (0.0, 1.0)}}
        self.desk.work({})
        record.write_text("".join(json.dumps({**line, "request_id": one}) + "\n" for one in IDS))
        app = application(
            hint=lambda: None, status=dict, healthy=lambda: None, ready=lambda: None, tokens=("right",),
            feedback=self.desk.accept,
        )  # fmt: skip
        self.server = Server(app, "127.0.0.1:0")
        self.server.start()
        self.declare(f"server: {{address: '{self.server.address}', tokens: [{{env: SHOP_TOKEN}}]}}\n")

    def declare(self, fields: str) -> None:
        (self.folder / "tidegate.yaml").write_text(HEAD + fields)


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOP_TOKEN", "right")
    monkeypatch.delenv("TIDEGATE_TOKEN", raising=False)
    made = Shop(tmp_path)
    yield made
    made.server.stop()
    made.desk.close()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tidegate", "feedback", *words])
        code = invoke()
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_one_value_is_accepted_once(shop: Shop, run: Run) -> None:
    assert run(IDS[0], "made_up", "1") == (0, "1 accepted\n", "")
    assert run(IDS[0], "made_up", "0") == (0, "0 accepted\n1 reported before: the first value stands\n", "")
    assert run(IDS[1], "made_up", "7") == (0, "1 accepted, 1 of them out of bounds\n", "")


def test_many_are_sent_in_parts_and_counted_together(shop: Shop, run: Run) -> None:
    file = shop.folder / "labels.jsonl"
    lines = [{"request_id": one, "metric": "made_up", "value": 0} for one in [*IDS, "nobody", "nobody-else"]]
    lines.append({"request_id": IDS[0], "metric": "helpful", "value": 1})
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    code, out, err = run("--file", str(file))
    assert (code, err) == (1, "")
    assert out == (
        "13,000 accepted\n"
        "2 unknown: not in the record yet, such as nobody, nobody-else\n"
        "1 that no guardrail asks for; metrics asked for: made_up\n"
    )
    code, out, _ = run("--file", str(file), "--format", "json")
    found = json.loads(out)
    assert code == 1
    assert {name: found[name] for name in ("version", "accepted", "duplicate", "unasked")} == {
        "version": 1, "accepted": 0, "duplicate": 13_002, "unasked": 1,
    }  # fmt: skip


def test_a_pipe_is_read(shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps([{"request_id": IDS[3], "metric": "made_up", "value": 0.5, "time": "2027-01-15T09:00:00Z"}])
    stream = shop.folder / "stdin"
    stream.write_text(body)
    with stream.open("rb") as binary:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=binary))
        assert run("--file", "-") == (0, "1 accepted\n", "")


def test_a_file_with_a_mistake_sends_nothing(shop: Shop, run: Run) -> None:
    file = shop.folder / "labels.jsonl"
    good = json.dumps({"request_id": IDS[4], "metric": "made_up", "value": 1})
    file.write_text(f'{good}\n{{"request_id": "a", "metric": "m", "value": "high"}}\n')
    code, out, err = run("--file", str(file))
    assert (code, out) == (2, "")
    assert (
        f"error: {file}, report 2: 'value' must be a number; write 1 and 0 for true and false; nothing was sent" in err
    )
    assert "fix: mend it, and send all again" in err
    assert run(IDS[4], "made_up", "1") == (0, "1 accepted\n", "")


def test_an_empty_file_is_nothing_to_send(shop: Shop, run: Run) -> None:
    file = shop.folder / "labels.jsonl"
    file.touch()
    assert run("--file", str(file)) == (0, "0 accepted\n", "")


@pytest.mark.parametrize("words", [(), ("a", "m"), ("a", "m", "1", "--file", "x"), ("--file",)])
def test_half_a_report_is_a_usage_error(shop: Shop, run: Run, words: tuple[str, ...]) -> None:
    assert run(*words)[0] == 2


def test_a_wrong_token_is_told_with_the_fix(shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_TOKEN", "wrong")
    code, _, err = run(IDS[0], "made_up", "1")
    assert code == 2
    assert "this needs a token" in err and "fix: send Authorization: Bearer TOKEN (server.tokens)" in err


def test_with_a_server_and_a_token_no_settings_are_needed(
    shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("TIDEGATE_TOKEN", "right")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert run(IDS[5], "made_up", "0", "--server", f"http://{shop.server.address}/") == (0, "1 accepted\n", "")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("", "this controller has no API"),
        ("server: {address: '127.0.0.1:9'}\n", "there is no token"),
        ("server: {address: '127.0.0.1:9', tokens: [{env: NO_SUCH_TOKEN}]}\n",
         "the environment variable NO_SUCH_TOKEN is not set"),
    ],
)  # fmt: skip
def test_what_is_missing_in_the_settings_is_named(shop: Shop, run: Run, fields: str, words: str) -> None:
    shop.declare(fields)
    code, _, err = run(IDS[0], "made_up", "1")
    assert code == 2 and words in err and "fix:" in err


def test_a_controller_that_is_not_there_is_told(shop: Shop, run: Run) -> None:
    shop.declare(f"server: {{address: '127.0.0.1:{free_port()}', tokens: [{{env: SHOP_TOKEN}}]}}\n")
    code, _, err = run(IDS[0], "made_up", "1")
    assert code == 2 and "the controller cannot be reached" in err
    assert "fix: is the controller running? What was sent may be sent again: nothing counts twice" in err
