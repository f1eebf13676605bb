"""Debian's real Prometheus, asked as a rollout asks it: what is a value, what is none, and what is an error."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from support.engine import free_port
from support.prometheus import Exporter, Prometheus, Scraped
from tidegate.sources.access import Access
from tidegate.sources.ask import look
from tidegate.sources.interface import Look
from tidegate.sources.prometheus import selectors
from tidegate.spec.controller import SourceSettings
from tidegate.spec.sources import LONGEST, PrometheusSource

BASE = {"model": "digits", "feature": "", "route": "digits", "config": ""}
ARMS = {
    "stable": {**BASE, "release": "aaaa", "version": "1.0.0", "role": "stable"},
    "candidate": {**BASE, "release": "bbbb", "version": "2.0.0", "role": "candidate"},
}


def ask(address: str, query: str | None = None, *, back: int = 0, spacing: float = 1.0, **fields: Any) -> Look:
    """One look, now; with `back`, also for so many moments before, `spacing` seconds apart."""
    source = PrometheusSource.model_validate({"query": query, "address": address, **fields})
    now = time.time()
    return look(source, ARMS, [now - spacing * k for k in range(back, -1, -1)], Access())


def values(found: Look, arm: str = "candidate") -> list[float]:
    assert found.down is None and found.broken is None, (found.down, found.broken)
    return [reading.value for reading in found.readings[arm]]


@pytest.fixture(scope="module")
def shop(scraped: Scraped) -> tuple[Prometheus, Exporter]:
    """The figures that most of these tests ask for."""
    server, exporter = scraped
    for release, revenue, orders in (("aaaa", 2.5, 1000), ("bbbb", 2.0, 400)):
        exporter.set(f'revenue{{release="{release}",pod="1"}}', revenue)
        exporter.set(f'orders_total{{release="{release}"}}', orders)
        exporter.set(f'failed_total{{release="{release}"}}', orders / 100)
    for pod in "12":
        exporter.set(f'load{{pod="{pod}"}}', 1)
    exporter.set("nothing_over", 0)
    exporter.set("old_figure", f"7 {int((time.time() - 100) * 1000)}")
    server.wait_for("revenue")
    server.wait_for("old_figure")
    return server, exporter


def test_each_release_has_its_own_value(shop: Scraped) -> None:
    found = ask(shop[0].address, 'revenue{release="{{release}}"}')
    assert (values(found, "stable"), values(found)) == ([2.5], [2.0])
    assert found.missing == {}


def test_a_scalar_and_a_made_up_vector_are_values(shop: Scraped) -> None:
    assert values(ask(shop[0].address, "scalar(sum(orders_total))")) == [1400]
    assert values(ask(shop[0].address, "vector(3)")) == [3]


def test_a_range_query_gives_one_value_for_each_moment(shop: Scraped) -> None:
    shop[0].wait_for("count_over_time(revenue{release='aaaa'}[10s]) > 12 or on() vector(0) > 0")
    found = ask(shop[0].address, 'revenue{release="{{release}}"}', back=2, spacing=0.5)
    assert values(found) == [2.0] * 3
    moments = [reading.at for reading in found.readings["candidate"]]
    assert moments == sorted(moments) and moments[-1] == found.at
    assert moments[1] - moments[0] == pytest.approx(0.5, abs=0.002)


def test_counters_come_as_they_stand(shop: Scraped) -> None:
    fields = {"events": 'failed_total{release="{{release}}"}', "total": 'orders_total{release="{{release}}"}'}
    found = ask(shop[0].address, **fields)
    assert {arm: readings[0].counts for arm, readings in found.readings.items()} == {
        "stable": (10, 1000), "candidate": (4, 400),
    }  # fmt: skip


def test_nothing_is_no_data_and_no_error(shop: Scraped) -> None:
    found = ask(shop[0].address, 'revenue{release="{{release}}",pod="9"}')
    assert found.down is None and found.broken is None
    assert found.readings == {"stable": (), "candidate": ()}
    assert found.missing["candidate"] == "the query gives nothing"


def test_a_counter_that_is_not_there_is_no_data_and_not_none(shop: Scraped) -> None:
    found = ask(shop[0].address, events="no_such_total", total="sum(orders_total)")
    assert found.missing["candidate"] == "'events' gives nothing: where that means none, write `... or vector(0)`"
    found = ask(shop[0].address, events="no_such_total or vector(0)", total="sum(orders_total)")
    assert found.readings["candidate"][0].counts == (0, 1400)


def test_an_old_sample_is_no_data(shop: Scraped) -> None:
    assert values(ask(shop[0].address, "old_figure", stale="10m")) == [7]
    found = ask(shop[0].address, "old_figure", stale="30s")
    assert found.readings["candidate"] == ()
    assert "s old or older, and 30s is the most" in found.missing["candidate"]
    found = ask(shop[0].address, events="old_figure", total="old_figure", stale="30s")
    assert found.missing["candidate"].endswith("and 30s is the most")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ('load{job="shop"}', 'the query gives 2 series, such as load{pod="1"} and load{pod="2"}'),
        ("nothing_over / nothing_over", "the query gives NaN for 2.0.0"),
        ("1 / nothing_over", "the query gives infinity for 2.0.0"),
        ("sum(load", "it answers 400: invalid parameter"),
        ("load * on() load", "it answers 422: found duplicate series"),
        ('load{pod="1"}[1m]', "the query gives several values"),
        ("'text'", "the query gives a string"),
    ],
)
def test_a_query_that_is_wrong_is_a_broken_checker(shop: Scraped, query: str, words: str) -> None:
    found = ask(shop[0].address, query)
    assert found.broken is not None and words in found.broken.message, found
    assert found.broken.fix
    assert found.readings == {}


def test_a_division_by_nothing_of_the_stable_release_alone_breaks_nothing(shop: Scraped) -> None:
    shop[1].set('ratio{role="stable"}', "NaN")
    shop[1].set('ratio{role="candidate"}', 0.5)
    shop[0].wait_for("ratio", None)
    shop[0].wait_for('ratio{role="candidate"}', 0.5)
    found = ask(shop[0].address, 'ratio{role="{{role}}"}')
    assert values(found) == [0.5]
    assert found.missing == {"stable": "the query gives NaN"}


@pytest.mark.parametrize(("events", "words"), [("sum(rate(orders_total[5s])) + 0.5", "no whole number"),
                                               ("sum(orders_total) + 1", "1,401 events among a total of 1,400")])  # fmt: skip
def test_what_does_not_count_is_a_broken_checker(shop: Scraped, events: str, words: str) -> None:
    found = ask(shop[0].address, events=events, total="sum(orders_total)")
    assert found.broken is not None and words in found.broken.message, found


def test_a_server_that_is_not_there_is_down(shop: Scraped) -> None:
    found = ask(f"http://127.0.0.1:{free_port()}", "revenue")
    assert found.down is not None and "cannot be reached" in found.down.message
    assert found.broken is None


def test_nobody_has_said_where_prometheus_is() -> None:
    found = look(PrometheusSource(query="up"), ARMS, [time.time()], Access())
    assert found.broken is not None and found.broken.message == "nothing says where Prometheus is"
    assert "sources: {prometheus:" in (found.broken.fix or "")


Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class Stub:
    """A server that answers as a proxy, a login page or a broken disk would. Real HTTP, one answer."""

    def __init__(self) -> None:
        self.status, self.body, self.delay, self.headers = 200, b"{}", 0.0, dict[str, str]()
        self.seen: list[Mapping[str, str]] = []
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                stub.seen.append({name.lower(): value for name, value in self.headers.items()})
                time.sleep(stub.delay)
                self.send_response(stub.status)
                for name, value in stub.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(stub.body)))
                self.end_headers()
                self.wfile.write(stub.body)

            def log_message(self, *args: object) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that left is no news
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def stub() -> Iterator[Stub]:
    made = Stub()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_an_overloaded_server_is_down_and_not_wrong(stub: Stub, status: int) -> None:
    stub.status, stub.body = status, b'{"status":"error","error":"query timed out"}'
    found = ask(stub.address, "up")
    assert found.down is not None and found.down.message == f"it answers {status}: query timed out"


@pytest.mark.parametrize(
    ("status", "body", "headers", "words"),
    [
        (401, b"", {}, "it answers 401: it does not know us"),
        (302, b"", {"location": "https://login.example.com/"}, "it answers 302, a redirect"),
        (404, b"not here", {}, "it answers 404: not here"),
        (200, b"<html>welcome", {}, "the answer is no JSON: <html>welcome"),
        (200, b'{"status":"success"}', {}, "the answer is none of Prometheus"),
        (
            200,
            b'{"data":{"resultType":"vector","result":[{"value":[1,"many"]}]}}',
            {},
            "the answer is none of Prometheus",
        ),
        (200, b" " * (2 << 20), {}, "the answer has more than 1,048,576 bytes"),
    ],
)
def test_an_answer_that_is_none_is_a_broken_checker(
    stub: Stub, status: int, body: bytes, headers: dict[str, str], words: str
) -> None:
    stub.status, stub.body, stub.headers = status, body, headers
    found = ask(stub.address, "up")
    assert found.broken is not None and words in found.broken.message, found
    assert found.broken.fix


def test_no_answer_in_time_is_down(stub: Stub) -> None:
    stub.delay = 10.0
    began = time.monotonic()
    found = ask(stub.address, "up", timeout="200ms")
    assert found.down is not None and found.down.message == "no answer in time"
    assert time.monotonic() - began < 9, "well before the answer"


def test_a_credential_goes_to_its_address_and_to_no_other(stub: Stub, tmp_path: Path) -> None:
    stub.body = json.dumps({"data": {"resultType": "scalar", "result": [1, "2"]}}).encode()
    (tmp_path / "token").write_text("s3cret\n")
    settings = SourceSettings.model_validate(
        {"prometheus": stub.address, "credentials": [{"address": f"{stub.address}/tenant", "token": {"file": "token"}}]}
    )
    access = Access(settings, tmp_path)
    for path, sent in (("", None), ("/tenant", "Bearer s3cret"), ("/tenants", None)):
        stub.seen.clear()
        source = PrometheusSource(query="1", address=f"{stub.address}{path}" if path else None)
        found = look(source, {"candidate": ARMS["candidate"]}, [1.0], access)
        assert values(found) == [2.0]
        assert [one.get("authorization") for one in stub.seen] == [sent]
    (tmp_path / "token").unlink()
    found = look(PrometheusSource(query="1", address=f"{stub.address}/tenant"), ARMS, [1.0], access)
    assert found.broken is not None and "the secret cannot be read" in found.broken.message


def test_basic_authentication(stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub.body = json.dumps({"data": {"resultType": "scalar", "result": [1, "2"]}}).encode()
    monkeypatch.setenv("SHOP_PASSWORD", "pw")
    credential = {"address": stub.address, "username": "tidegate", "password": {"env": "SHOP_PASSWORD"}}
    access = Access(SourceSettings.model_validate({"prometheus": stub.address, "credentials": [credential]}), tmp_path)
    look(PrometheusSource(query="1"), {"candidate": ARMS["candidate"]}, [1.0], access)
    assert stub.seen[0]["authorization"] == "Basic dGlkZWdhdGU6cHc="


def test_ages_are_asked_of_the_samples_of_now() -> None:
    query = 'sum(rate(x{a="b"}[5m])) / max(y offset 5m) + (-z) + max_over_time(q[5m:1m]) + scalar(d)'
    assert list(selectors(query)) == ['x{a="b"}', "z", "q", "d"]
    assert list(selectors("vector(1)")) == []


@pytest.mark.parametrize(
    "query", ["(" * 999 + "a" + ")" * 999, "-" * 1999 + "a", "a" + "+a" * 999, "abs(" * 399 + "a" + ")" * 399]
)
def test_the_deepest_query_that_may_be_written_is_read_on_half_a_stack(query: str) -> None:
    assert len(query) <= LONGEST
    found: list[list[str]] = []
    before = threading.stack_size(4 << 20)
    try:
        reader = threading.Thread(target=lambda: found.append(list(selectors(query))))
        reader.start()
    finally:
        threading.stack_size(before)
    reader.join()
    assert set(found[0]) == {"a"}


def test_a_longer_query_is_refused() -> None:
    with pytest.raises(ValidationError, match="at most 2000 characters"):
        PrometheusSource(query="(" * LONGEST + "a")
