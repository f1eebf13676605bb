"""The status's rates: totals for ever, shares and p95 over the last seconds alone."""

from __future__ import annotations

import pytest

from tidegate.engine.meter import KEPT, WINDOW, Meter


def test_rates_are_of_the_window_and_totals_of_all_time() -> None:
    meter = Meter()
    for second in range(5):
        for number in range(20):
            meter.add(100.0 + second, error=number < 5, duration_ms=float(number))
    shown = meter.show(105.0)
    assert (shown["requests"], shown["errors"]) == (100, 25)
    assert shown["rate"] == 20.0
    assert shown["error_rate"] == 0.25
    assert shown["p95_ms"] == pytest.approx(18.0)
    later = meter.show(105.0 + WINDOW + 1)
    assert later["requests"] == 100
    assert (later["rate"], later["error_rate"], later["p95_ms"]) == (0.0, None, None)


def test_a_gap_in_the_traffic_lowers_the_rate() -> None:
    meter = Meter()
    meter.add(100.0, False, 1.0)
    meter.add(108.0, False, 1.0)
    assert meter.show(109.0)["rate"] == pytest.approx(2 / 9, abs=0.05)


def test_answers_without_a_duration_count_and_memory_is_bounded() -> None:
    meter = Meter()
    for _ in range(KEPT + 500):
        meter.add(100.0, False, 2.0)
    meter.add(100.0, True, None)
    shown = meter.show(100.5)
    assert shown["requests"] == KEPT + 501
    assert shown["errors"] == 1
    assert sum(len(second.durations) for second in meter._seconds) == KEPT


def test_nothing_seen_shows_nothing() -> None:
    shown = Meter().show(1.0)
    assert {name: shown[name] for name in ("requests", "errors", "rate", "counted", "priced")} == {
        "requests": 0, "errors": 0, "rate": 0.0, "counted": 0, "priced": 0,
    }  # fmt: skip
    unsaid = ("error_rate", "p95_ms", "tokens", "wrong_model", "cost", "currency")
    assert [shown[name] for name in unsaid] == [None] * len(unsaid)


def test_what_answers_say_of_themselves_is_summed_up_and_what_they_do_not_say_is_no_zero() -> None:
    meter = Meter()
    for figures in (
        {"tokens": 17.0, "cost": 0.25, "wrong_model": 0.0},
        {"tokens": 3.0, "wrong_model": 1.0},
        {"wrong_model": 1.0},
    ):
        meter.add(100.0, False, 1.0)
        meter.tell(figures)
    shown = meter.show(100.5, "EUR")
    assert (shown["tokens"], shown["counted"], shown["wrong_model"]) == (20, 2, 2)
    assert (shown["cost"], shown["priced"], shown["currency"]) == (0.25, 1, "EUR")
