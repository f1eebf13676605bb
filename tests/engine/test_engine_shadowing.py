"""Pairs of answers, counted: what is missing a half, cannot be read or differs. A clock that the test turns."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.declare import flow
from tidegate.analysis.agreement import suited
from tidegate.analysis.latency import quantile
from tidegate.cli.shadow import report_text
from tidegate.engine.disagreements import Report, report_file
from tidegate.engine.figures import Declarations
from tidegate.engine.shadowing import HELD, WAIT, Comparing, Shadowing
from tidegate.gateway.supervisor import Gateway
from tidegate.rollout.state import Pairs
from tidegate.spec.comparison import Comparison
from tidegate.spec.declared import load
from tidegate.spec.release import Release

STABLE, SHADOW = (
    Release(
        "digits", version, None, f"{version}-release".ljust(64, "a"), f"{version}-workload".ljust(64, "b"), "c0ffee"
    )
    for version in ("1.0.0", "2.0.0")
)


def comparing(
    folder: Path, share: float = 1.0, declarations: Declarations | None = None, **declared: Any
) -> tuple[Comparing, Report]:
    """A shadow step that began at 0, with windows of ten seconds."""
    report = Report(folder, "digits/archive", STABLE, SHADOW, share, 0.0, declarations or Declarations())
    ways = suited(Comparison(**({"by": "json", "samples": 3} | declared)), "http")
    return Comparing("trial", ways, report, 10.0, 0.0), report


def line(request: str, value: Any, *, shadow: bool = False, **more: Any) -> Mapping[str, Any]:
    """A kept answer, as the gateway writes it."""
    body = json.dumps(value).encode()
    return {
        "time": f"2026-11-21T10:00:00.{request:0>6}Z",
        "request_id": request,
        "role": "shadow" if shadow else "stable",
        "release": (SHADOW if shadow else STABLE).id,
        "status": 200,
        "duration_ms": 4,
        "size": len(body),
        "body": base64.b64encode(body).decode(),
        "type": "application/json",
        **more,
    }


def told(windows: tuple[Pairs, ...]) -> list[tuple[float, float, int, int, int]]:
    """Start, end, pairs, agreed and missing of each window."""
    return [(one.start, one.end, one.pairs, one.agreed, one.missing) for one in windows]


def test_halves_meet_in_whatever_order_they_come(tmp_path: Path) -> None:
    own, report = comparing(tmp_path)
    own.take(line("1", {"y": 1}), 0.0)
    own.take(line("2", {"y": 1}, shadow=True), 0.0)
    own.take(line("2", {"y": 2}), 1.0)
    own.take(line("1", {"y": 1}, shadow=True), 2.0)
    assert own.close(9.0) == ()
    assert told(own.close(10.0)) == [(0.0, 10.0, 2, 1, 0)]
    assert own.close(20.0) == (), "a window without pairs is no evidence"
    doc = json.loads(report_file(tmp_path, "digits/archive").read_bytes())
    assert (doc["pairs"], doc["agreed"], doc["agreement"], doc["missing"]) == (2, 1, 0.5, 0)
    assert [sample["why"] for sample in doc["samples"]] == ["y is 1 instead of 2"]
    assert report.missing == 0


def test_a_report_that_cannot_be_written_costs_no_window_and_is_written_with_the_next(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "shadow"
    folder.write_text("")  # where the folder should be, a file is
    own, _ = comparing(folder)
    own.take(line("1", {"y": 1}), 0.0)
    own.take(line("1", {"y": 1}, shadow=True), 1.0)
    assert told(own.close(10.0)) == [(0.0, 10.0, 1, 1, 0)]
    assert "the report on mirrored answers cannot be written" in caplog.text
    folder.unlink()
    own.close(20.0)
    assert json.loads(report_file(folder, "digits/archive").read_bytes())["pairs"] == 1


def test_a_slow_shadow_is_waited_for_as_long_as_its_model_may_take(tmp_path: Path) -> None:
    report = Report(tmp_path, "digits", STABLE, SHADOW, 1.0, 0.0, Declarations())
    own = Comparing("trial", suited(Comparison(by="json"), "http"), report, 10.0, 0.0, wait=630.0)
    own.take(line("1", 1), 0.0)
    own.close(600.0)
    own.take(line("1", 1, shadow=True), 600.0)
    assert report.missing == 0
    assert sum(window.pairs for window in own.close(700.0)) == 1


def test_a_report_of_an_earlier_tidegate_says_nothing_of_tokens(tmp_path: Path) -> None:
    own, report = comparing(tmp_path)
    own.take(line("1", 1), 0.0)
    own.take(line("1", 1, shadow=True), 0.0)
    doc = report.to_doc(1.0)
    for arm in ("stable", "shadow"):
        for name in ("tokens", "counted", "cost", "priced", "currency"):
            doc[arm].pop(name, None)
    assert "tokens" not in report_text(doc)


def test_a_lost_copy_is_missing_and_never_agreement(tmp_path: Path) -> None:
    own, report = comparing(tmp_path)
    for number in range(10):
        own.take(line(f"{number}", 1), 0.0)
        if number < 7:
            own.take(line(f"{number}", 1, shadow=True), 0.0)
    assert told(own.close(WAIT - 1)) == [(WAIT - 21, WAIT - 1, 7, 7, 3)]
    assert report.missing == 0, "they may still come"
    own.close(WAIT)
    assert report.missing == 3
    own.take(line("8", 1, shadow=True), WAIT)
    assert own.close(2 * WAIT) == (), "too late is not there"


def test_a_half_that_waits_longer_than_any_that_came_is_missing_until_it_comes(tmp_path: Path) -> None:
    own, _ = comparing(tmp_path)
    for number in range(4):
        own.take(line(f"{number}", 1), 0.0)
    own.take(line("0", 1, shadow=True), 8.0)
    assert told(own.close(10.0)) == [(0.0, 10.0, 1, 1, 0)], "the shadow takes its time"
    assert told(own.close(20.0)) == [(10.0, 20.0, 0, 0, 3)]
    own.take(line("1", 1, shadow=True), 21.0)
    assert told(own.close(30.0)) == [(20.0, 30.0, 1, 1, -3)], "it is slower than anybody knew"


def test_a_pause_of_the_process_is_no_time_in_which_anything_was_compared(tmp_path: Path) -> None:
    own, _ = comparing(tmp_path)
    own.take(line("1", 1), 0.0)
    own.take(line("1", 1, shadow=True), 1.0)
    [window] = own.close(3600.0)
    assert window.end - window.start == 20.0, "two windows' time, and not the hour that the process stood still"


def test_windows_and_waiting_halves_move_along_with_a_clock_that_is_set_back(tmp_path: Path) -> None:
    own, _ = comparing(tmp_path)
    own.take(line("1", 1), 5.0)
    own.shift(-3600.0)
    own.take(line("1", 1, shadow=True), -3594.0)
    assert told(own.close(-3590.0)) == [(-3600.0, -3590.0, 1, 1, 0)]


def test_how_both_arms_answered_goes_with_the_pairs(tmp_path: Path) -> None:
    own, _ = comparing(tmp_path)
    for number in range(3):
        own.take(line(f"{number}", 1, status=500 if number == 0 else 200), 0.0)
        own.take(line(f"{number}", 1, shadow=True, duration_ms=400, status=503 if number else 200), 0.0)
    (window,) = own.close(10.0)
    assert (window.pairs, window.agreed) == (2, 0), "where the stable release failed there is nothing to agree with"
    assert [(arm.requests, arm.errors) for arm in (window.stable, window.shadow)] == [(3, 1), (3, 2)]
    one, other = (quantile(arm.latency, 0.5) for arm in (window.stable, window.shadow))
    assert one == pytest.approx(4, rel=0.03)
    assert other == pytest.approx(400, rel=0.03)


def test_where_a_tenth_is_copied_the_rest_is_not_missing(tmp_path: Path) -> None:
    own, report = comparing(tmp_path, share=0.1)
    for number in range(100):
        own.take(line(f"{number}", 1), 0.0)
        if number % 10 == 0 and number < 80:
            own.take(line(f"{number}", 1, shadow=True), 0.0)
    own.close(WAIT)
    assert report.missing == 2


def test_answers_of_other_releases_and_of_the_candidate_itself_are_left_out(tmp_path: Path) -> None:
    own, _ = comparing(tmp_path)
    own.take(line("1", 1), 0.0)
    own.take(line("1", 1, release="an older one", shadow=True), 0.0)
    own.take(line("1", 1, role="candidate", release=SHADOW.id), 0.0)
    assert told(own.close(10.0)) == [(0.0, 10.0, 0, 0, 1)], "the stable release's own answer waits for its shadow's"


@pytest.mark.parametrize(
    ("stable", "shadow", "counted", "missing"),
    [
        ({"status": 500}, {"status": 500}, "stable_failed", 0),
        ({}, {"size": 10**6}, "unreadable", 1),
        ({}, {"encoding": "br"}, "unreadable", 1),
    ],
)
def test_what_cannot_be_compared_is_counted_apart(
    tmp_path: Path, stable: dict[str, Any], shadow: dict[str, Any], counted: str, missing: int
) -> None:
    own, report = comparing(tmp_path)
    own.take(line("1", {"y": 1}, **stable), 0.0)
    own.take(line("1", {"y": 1}, shadow=True, **shadow), 0.0)
    assert told(own.close(10.0)) == [(0.0, 10.0, 0, 0, missing)]
    assert report.to_doc(10.0)[counted] == 1


@pytest.mark.parametrize("shadow", [{"status": 503}, {"status": 0, "body": None, "size": None, "flags": "UF"}])
def test_a_shadow_that_fails_disagrees(tmp_path: Path, shadow: dict[str, Any]) -> None:
    own, report = comparing(tmp_path)
    own.take(line("1", {"y": 1}), 0.0)
    own.take(line("1", {"y": 1}, shadow=True, **shadow), 0.0)
    assert told(own.close(10.0)) == [(0.0, 10.0, 1, 0, 0)]
    assert report.to_doc(10.0)["shadow"]["errors"] == 1


def test_what_waits_is_bounded(tmp_path: Path) -> None:
    own, report = comparing(tmp_path)
    big = "x" * (HELD // 10)
    for number in range(25):
        own.take(line(f"{number}", big), 0.0)
    assert own._held <= HELD
    assert report.missing >= 15


class Quiet:
    """A gateway that writes nothing by itself."""

    def __init__(self, folder: Path) -> None:
        self.answers = folder / "answers.jsonl"

    def rotate_answers(self) -> None:
        self.answers.unlink()

    def write(self, *lines: Mapping[str, Any]) -> None:
        with self.answers.open("a") as file:
            file.writelines(f"{json.dumps(one)}\n" for one in lines)


def test_answers_that_nobody_reads_are_counted_whether_they_were_kept_or_not(tmp_path: Path) -> None:
    gateway = Quiet(tmp_path)
    gateway.write(*(line(str(number), 1) for number in range(7)))
    own = Shadowing(cast(Gateway, gateway), tmp_path, lambda: 0.0, Declarations())
    assert own.uncompared == 7
    own.read()
    assert not gateway.answers.exists(), "nobody needs them any more"
    gateway.write(
        line("8", 1, keeper="a", left_out=5), line("9", 1, keeper="b", left_out=0), line("9", 1, keeper="a", left_out=5)
    )
    own.read()
    assert own.uncompared == 12
    gateway.write(line("10", 1), line("11", 1))
    again = Shadowing(cast(Gateway, gateway), tmp_path, lambda: 0.0, Declarations())
    assert again.uncompared == 2, "what the one before has read is no loss"


@given(st.sets(st.integers(0, 10_000), min_size=1, max_size=40))
def test_the_kept_disagreements_are_few_and_do_not_depend_on_their_order(
    tmp_path_factory: pytest.TempPathFactory, requests: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("reports")
    kept = []
    for order in (sorted(requests), sorted(requests, reverse=True)):
        own, report = comparing(folder)
        for number in order:
            own.take(line(str(number), 1), 0.0)
            own.take(line(str(number), 2, shadow=True), 0.0)
        kept.append(report.to_doc(1.0)["samples"])
    assert kept[0] == kept[1]
    assert len(kept[0]) == min(3, len(requests))


def priced() -> Declarations:
    """Both releases are of one provider's models, the new one with a price of its own."""
    files = {
        "models/digits/model.yaml": {"name": "digits", "summary": "x", "owners": ["team-a"], "protocol": "openai"},
        "policies/prices.yaml": {
            "currency": "USD",
            "models": [
                {
                    "provider": "openai",
                    "model": f"gpt-{release.version}",
                    "input": 2.0 * factor,
                    "output": 10.0 * factor,
                }
                for release, factor in ((STABLE, 1), (SHADOW, 10))
            ],
        },
    }
    for release in (STABLE, SHADOW):
        provider = {"name": "openai", "model": f"gpt-{release.version}", "endpoint": "https://api.example.com"}
        files[f"models/digits/versions/{release.version}.yaml"] = {
            "model": "digits", "version": release.version, "reason": "x",
            "provider": {**provider, "credential": {"env": "KEY"}},
        }  # fmt: skip
    kinds = {"model.yaml": "Model", "prices.yaml": "Prices"}
    texts = {
        path: flow(kinds.get(path.rpartition("/")[2], "ModelVersion"), fields).encode()
        for path, fields in files.items()
    }
    found = Declarations()
    found.saw(load(texts))
    return found


def usage(prompt: int, completion: int, release: Release) -> dict[str, str]:
    """What usage.lua says of an answer, as the line has it."""
    return {
        "usage": f',"served_model":"gpt-{release.version}","prompt_tokens":{prompt},"completion_tokens":{completion}'
    }


def test_tokens_and_costs_of_both_stand_side_by_side_and_are_scores_of_the_pairs(tmp_path: Path) -> None:
    own, _ = comparing(tmp_path, declarations=priced())
    for number in range(4):
        own.take(line(str(number), {"y": 1}, **usage(100, 10, STABLE)), 0.0)
        own.take(line(str(number), {"y": 1}, shadow=True, **usage(100, 30, SHADOW)), 0.0)
    own.take(line("5", {"y": 1}, **usage(100, 10, STABLE)), 0.0)
    own.take(line("5", {"y": 1}, shadow=True, usage=None), 0.0)  # says nothing of itself
    own.take(line("6", {"y": 1}, usage=',"prompt_tok'), 0.0)
    own.take(line("6", {"y": 1}, shadow=True, usage=',"served_model":"other"'), 0.0)
    [window] = own.close(10.0)
    assert window.stable.scores == {"wrong_model": (0.0,) * 5, "tokens": (110.0,) * 5, "cost": (0.0003,) * 5}
    assert window.shadow.scores == {
        "wrong_model": (0.0,) * 4 + (1.0,), "tokens": (130.0,) * 4, "cost": pytest.approx((0.005,) * 4),
    }  # fmt: skip
    doc = json.loads(report_file(tmp_path, "digits/archive").read_bytes())
    names = ("tokens", "counted", "cost", "priced", "currency", "wrong_model")
    assert [doc["stable"][name] for name in names] == [550, 5, 0.0015, 5, "USD", 0]
    assert [doc["shadow"][name] for name in names] == [520, 4, 0.02, 4, "USD", 1]
    shown = report_text(doc).splitlines()
    assert shown[5:10] == [
        "                      answers   errors   p50 ms   p95 ms   tokens  USD/1,000",
        "  in production             6        0      4.0      4.1    110.0        0.3",
        "  shadow                    6        0      4.0      4.1    130.0          5",
        "                 5  of 6 answers tell their tokens (in production)",
        "                 4  of 6 answers tell their tokens (shadow)",
    ]


def test_without_tokens_there_is_no_column_for_them_and_without_a_price_no_cost(tmp_path: Path) -> None:
    own, _ = comparing(tmp_path)
    own.take(line("1", {"y": 1}), 0.0)
    own.take(line("1", {"y": 1}, shadow=True), 0.0)
    own.close(10.0)
    file = report_file(tmp_path, "digits/archive")
    assert "tokens" not in report_text(json.loads(file.read_bytes()))
    own.take(line("2", {"y": 1}, **usage(100, 10, STABLE)), 10.0)
    own.take(line("2", {"y": 1}, shadow=True, **usage(100, 30, SHADOW)), 10.0)
    [window] = own.close(20.0)
    assert window.shadow.scores == {"tokens": (130.0,)}
    doc = json.loads(file.read_bytes())
    assert (doc["shadow"]["tokens"], doc["shadow"]["cost"], doc["shadow"]["currency"]) == (130, None, None)
    shown = report_text(doc)
    assert "130.0" in shown and "/1,000" not in shown
    one_priced = {**doc, "stable": {**doc["stable"], "cost": 0.0001, "priced": 1, "currency": "USD"}}
    assert "0  of these have a price; what the others cost is not known, and not 0 (shadow)" in report_text(one_priced)
