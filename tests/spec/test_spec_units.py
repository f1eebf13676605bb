"""Quantities as people write them: read exactly, written shortest, refused without a unit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.spec.release import route_name, route_ref, split_route
from tidegate.spec.units import format_duration, format_share, parse_duration, parse_limit, parse_share, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m30s", 630),
        ("2h", 7200),
        ("14d", 1209600),
        ("250ms", 0.25),
        ("1d2h3m4s5ms", 93784.005),
        ("1.5s", 1.5),
    ],
)
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("value", ["", "90", "5 min", "1h2d", "-1s", 90, None, True])
def test_anything_else_is_no_duration(value: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(value)


@given(st.integers(0, 10**7))
def test_a_written_duration_reads_as_itself(seconds: int) -> None:
    assert parse_duration(format_duration(float(seconds))) == seconds


def test_a_negative_duration_can_be_shown() -> None:
    assert format_duration(-90) == "-1m30s"


@given(st.integers(0, 10000))
def test_a_written_share_reads_as_itself(hundredths: int) -> None:
    assert parse_share(format_share(hundredths / 10000)) == pytest.approx(hundredths / 10000)


@pytest.mark.parametrize("value", ["5", 5, 0.05, "101%", "-1%", "5 %", None])
def test_a_share_is_a_percentage_of_at_most_everything(value: object) -> None:
    with pytest.raises(ValueError, match="share"):
        parse_share(value)


@pytest.mark.parametrize(("value", "limit"), [("10%", 0.1), (0.2, 0.2), (2, 2.0), ("150%", 1.5)])
def test_a_limit_is_a_number_or_a_percentage(value: object, limit: float) -> None:
    assert parse_limit(value) == pytest.approx(limit)


@pytest.mark.parametrize("value", ["0.2", True, None, "x%"])
def test_anything_else_is_no_limit(value: object) -> None:
    with pytest.raises(ValueError, match="not a limit"):
        parse_limit(value)


@pytest.mark.parametrize(
    ("value", "size"), [("512Mi", 2**29), ("2G", 2 * 10**9), ("7", 7), (7, 7), ("1k", 1000), ("1Ti", 2**40)]
)
def test_a_size_is_bytes(value: object, size: int) -> None:
    assert parse_size(value) == size


@pytest.mark.parametrize("value", ["512MB", "", "-1", True, 1.5, None])
def test_anything_else_is_no_size(value: object) -> None:
    with pytest.raises(ValueError, match="not a size"):
        parse_size(value)


@pytest.mark.parametrize(("model", "feature"), [("digits", None), ("digits", "archive")])
def test_a_route_is_a_model_or_one_feature_of_it(model: str, feature: str | None) -> None:
    assert split_route(route_name(model, feature)) == (model, feature)
    assert route_ref("production", route_name(model, feature)).count("/") == 3
