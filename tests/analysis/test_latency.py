"""Latency buckets: exact counts beyond an edge, careful rounding, quantiles within a bucket's width."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.analysis.latency import (
    BUCKETS,
    CELLS,
    Record,
    add,
    edge_at_least,
    edge_at_most,
    histogram,
    pack,
    quantile,
    slower,
    tail_edge,
    unpack,
)

latencies = st.lists(st.floats(0, 2e6, allow_nan=False), max_size=50)


def test_the_edges_reach_from_a_tenth_of_a_millisecond_to_ten_minutes_in_steps_of_two_percent() -> None:
    assert BUCKETS[0] == 0.1
    assert BUCKETS[-2] < 600_000 <= BUCKETS[-1]
    assert np.diff(np.log(BUCKETS)) == pytest.approx(np.log(1.02))


@given(latencies, st.integers(0, len(BUCKETS) - 1))
def test_what_lies_beyond_an_edge_is_counted_exactly(values: list[float], edge: int) -> None:
    cells = histogram(values)
    assert len(cells) == CELLS
    assert slower(cells, edge) == sum(v > BUCKETS[edge] for v in values)


@given(st.floats(0.1, 599_999))
def test_a_limit_is_rounded_by_at_most_two_percent_and_never_to_the_wrong_side(ms: float) -> None:
    above, below = edge_at_least(ms), edge_at_most(ms)
    assert above is not None and below is not None
    assert BUCKETS[below] <= ms <= BUCKETS[above] <= BUCKETS[below] * 1.0201


def test_beyond_the_buckets_there_is_no_edge() -> None:
    assert edge_at_least(700_000) is None
    assert edge_at_most(0.05) is None


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0])
def test_a_latency_that_is_none_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        histogram([1.0, bad])


@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
def test_quantiles_are_right_within_two_percent(q: float) -> None:
    values = np.random.default_rng(3).lognormal(3, 0.7, 20_000)
    assert quantile(histogram(values.tolist()), q) == pytest.approx(float(np.quantile(values, q)), rel=0.021)


def test_without_data_there_is_no_quantile_and_no_tail() -> None:
    assert quantile((), 0.95) is None
    assert tail_edge(histogram([1.0] * 20), 0.95) is None


def test_the_tail_edge_has_about_the_quantiles_share_beyond_it() -> None:
    values = np.random.default_rng(4).lognormal(3, 0.7, 10_000).tolist()
    cells = histogram(values)
    edge = tail_edge(cells, 0.95)
    assert edge is not None
    assert slower(cells, edge) / 10_000 == pytest.approx(0.05, abs=0.004)


@given(latencies, latencies)
def test_histograms_add_and_pack_without_loss(one: list[float], other: list[float]) -> None:
    both = add(histogram(one), histogram(other))
    assert both == histogram(one + other)
    assert unpack(json.loads(json.dumps(pack(both)))) == both
    assert unpack(pack(())) == ()


def test_the_record_follows_the_last_ten_thousand_requests() -> None:
    record = Record()
    for ms in (10.0, 20.0, 40.0):
        for _ in range(10):
            record = record.absorb(histogram([ms] * 500))
    assert sum(record.cells) <= 10_000
    assert quantile(record.cells, 0.01) == pytest.approx(40.0, rel=0.03)
    assert Record.from_doc(json.loads(json.dumps(record.to_doc()))) == record
