"""JSON over HTTP as a source: what is a value, what is none, and what is an error. Real HTTP on loopback."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tidegate.sources.access import Access
from tidegate.sources.ask import look
from tidegate.sources.interface import Look
from tidegate.spec.sources import WebhookSource

NAMES = {"model": "digits", "feature": "archive", "route": "digits/archive", "config": "short & sweet"}
ARMS = {
    "stable": {**NAMES, "release": "aaaa", "version": "1.0.0", "role": "stable"},
    "candidate": {**NAMES, "release": "bbbb", "version": "2.0.0", "role": "candidate"},
}


class Judge:
    """Answers with what a test wrote down, by the last part of the path; keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, str, Any]] = []
        judge = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                judge.asked.append((self.command, self.path, json.loads(body) if body else None))
                answer = judge.answers.get(self.path.rpartition("/")[2].partition("?")[0])
                text = json.dumps(answer).encode()
                self.send_response(204 if answer is None else 200)
                self.send_header("content-length", str(len(text) if answer is not None else 0))
                self.end_headers()
                if answer is not None:
                    self.wfile.write(text)

            do_GET = do_POST  # noqa: N815 the base class looks for these names

            def log_message(self, *args: object) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def ask(self, path: str = "/{{role}}", **fields: Any) -> Look:
        source = WebhookSource.model_validate({"url": self.address + path, **fields})
        return look(source, ARMS, [time.time()], Access())


@pytest.fixture
def judge() -> Iterator[Judge]:
    made = Judge()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_each_release_has_its_own_value(judge: Judge) -> None:
    judge.answers = {
        "stable": {"scores": [{"name": "polite", "mean": 4.5}]},
        "candidate": {"scores": [{"name": "polite", "mean": 3}]},
    }
    found = judge.ask(value="scores[?name=='polite'].mean | [0]")
    assert {arm: readings[0].value for arm, readings in found.readings.items()} == {"stable": 4.5, "candidate": 3.0}
    assert found.missing == {}


def test_variables_stand_in_the_address_and_in_the_body(judge: Judge) -> None:
    judge.answers = {"score": {"v": {"bbbb": 1}}}
    body = {"ask": [{"model": "{{ model }}", "of": "{{release}}"}], "n": 3}
    found = judge.ask("/score?c={{config}}", method="POST", body=body, value='v."{{release}}"')
    assert found.readings["candidate"][0].value == 1.0
    assert found.missing == {"stable": "there is nothing at 'v.\"{{release}}\"'"}
    sent = {path: body for _, path, body in judge.asked}
    assert list(sent) == ["/score?c=short%20%26%20sweet"]
    assert {"ask": [{"model": "digits", "of": "bbbb"}], "n": 3} in [body for _, _, body in judge.asked]


def test_counters_come_as_they_stand(judge: Judge) -> None:
    judge.answers = {"stable": {"bad": 3, "all": 100}, "candidate": {"bad": 0, "all": 10}}
    found = judge.ask(events="bad", total="all")
    assert {arm: readings[0].counts for arm, readings in found.readings.items()} == {
        "stable": (3, 100),
        "candidate": (0, 10),
    }


@pytest.mark.parametrize("answer", [None, {}, {"v": None}, []])
def test_nothing_is_no_data(judge: Judge, answer: Any) -> None:
    judge.answers = {"stable": {"v": 1}, "candidate": answer}
    found = judge.ask(value="v")
    assert found.down is None and found.broken is None
    assert found.missing == {"candidate": "there is nothing at 'v'"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"v": "0.9"}, "at 'v' stands text"),
        ({"v": True}, "at 'v' stands a truth value"),
        ({"v": [1, 2]}, "at 'v' stands a list"),
        ({"v": {"x": 1}}, "at 'v' stands a mapping"),
    ],
)
def test_what_is_no_number_is_a_broken_checker(judge: Judge, answer: Any, words: str) -> None:
    judge.answers = {"stable": {"v": 1}, "candidate": answer}
    found = judge.ask(value="v")
    assert found.broken is not None and words in found.broken.message


def test_json_knows_no_nan(judge: Judge) -> None:
    judge.answers = {"stable": {"v": 1}, "candidate": {"v": float("nan")}}
    found = judge.ask(value="v")
    assert found.broken is not None and "the answer is no JSON" in found.broken.message


@pytest.mark.parametrize("answer", [{"bad": 2, "all": 1}, {"bad": 0.5, "all": 1}, {"bad": -1, "all": 1}])
def test_what_does_not_count_is_a_broken_checker(judge: Judge, answer: Any) -> None:
    judge.answers = {"stable": answer, "candidate": answer}
    found = judge.ask(events="bad", total="all")
    assert found.broken is not None and "events among a total of" in found.broken.message


def test_an_old_value_is_no_data_and_an_odd_time_an_error(judge: Judge) -> None:
    for moment, missing in ((time.time() - 5, False), (time.time() - 100, True), ("2020-01-01T00:00:00Z", True)):
        judge.answers = {key: {"v": 1, "t": moment} for key in ARMS}
        found = judge.ask(value="v", time="t", stale="30s")
        assert ("candidate" in found.missing) is missing, found
        assert found.broken is None
    judge.answers = {key: {"v": 1, "t": "yesterday"} for key in ARMS}
    found = judge.ask(value="v", time="t")
    assert found.broken is not None and "'yesterday' is no time" in found.broken.message


def test_a_path_that_cannot_be_looked_up_is_a_broken_checker(judge: Judge) -> None:
    judge.answers = {key: {"v": "x"} for key in ARMS}
    found = judge.ask(value="sum(v)")
    assert found.broken is not None and "'sum(v)' cannot be looked up" in found.broken.message
