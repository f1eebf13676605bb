"""What the rules say of guardrails whose values come from elsewhere."""

from __future__ import annotations

import pytest
from example_repo import edited, judge

from tidegate.rules.rule import Example

RAIL = "{metric: latency_p95_ms, max_ratio: 1.2}"


def found(rail: str) -> list[tuple[str, str]]:
    """The findings on the example's policy with this guardrail in it: severity and rule."""
    edit = Example("policies/progressive.yaml", rail, RAIL)
    return sorted({(one.severity, one.rule) for one in judge(edited(edit)) if one.path == edit.path})


@pytest.mark.parametrize(
    "rail",
    [
        "{metric: hallucination, max: 0.03, source: feedback}",
        '{metric: revenue_per_request, min_ratio: 0.97, source: {prometheus: "sum(rate(revenue_total[5m]))"}}',
    ],
)
def test_the_short_forms_are_no_errors(rail: str) -> None:
    assert [rule for severity, rule in found(rail) if severity == "error"] == []


def test_a_query_alone_is_told_all_that_it_leaves_open() -> None:
    rail = '{metric: revenue, min_ratio: 0.97, source: {prometheus: "sum(rate(revenue_total[5m]))"}}'
    assert [rule for _, rule in found(rail)] == ["missing-bounds", "prometheus-address", "same-for-both"]


def test_a_query_that_says_all_is_told_nothing() -> None:
    source = (
        '{query: \'sum(rate(revenue_total{release="{{release}}"}[5m]))\', address: "https://prometheus.example.com"}'
    )
    assert found(f"{{metric: revenue, min_ratio: 0.97, bounds: [0, 50], source: {{prometheus: {source}}}}}") == []


def test_two_metrics_that_count_need_no_bounds() -> None:
    counts = (
        "{events: 'bad_total{role=\"{{role}}\"}', total: 'all_total{role=\"{{role}}\"}', "
        'address: "https://prometheus.example.com"}'
    )
    assert found(f"{{metric: bad_orders, max_ratio: 1.5, source: {{prometheus: {counts}}}}}") == []


def test_what_answers_tell_needs_its_bounds_of_a_shadow_too() -> None:
    assert ("warning", "missing-bounds") in found("{metric: cost, max_ratio: 1.5, source: shadow}")
    bounded = {rule for _, rule in found("{metric: cost, max_ratio: 1.5, bounds: [0, 0.5], source: shadow}")}
    assert not bounded & {"missing-bounds", "unknown-metric", "unusable-limit"}


def test_what_is_not_read_yet_is_an_error() -> None:
    assert ("error", "shadow-source") in found("{metric: agreement, min: 0.98, source: shadow}")
