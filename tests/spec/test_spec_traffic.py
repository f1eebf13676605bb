"""The declared traffic of a model: what it means, and that no release is another one for it."""

from __future__ import annotations

from pathlib import Path

import pytest

import tidegate.rules
from tidegate.rollout.routes import desired_routes
from tidegate.rollout.state import Desired
from tidegate.spec.declared import Declared, load
from tidegate.spec.model import Model, Traffic

MODEL = "models/digits/model.yaml"


def example(traffic: str = "") -> Declared:
    """The rules' example repository, with a `traffic` at the end of one model's file."""
    folder = Path(tidegate.rules.__file__).parent / "example"
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.yaml")}
    before = b"".join(line for line in files[MODEL].splitlines(keepends=True) if not line.startswith(b"traffic:"))
    return load(files | {MODEL: before + traffic.encode()}, None)


def model(traffic: str) -> Model:
    """That model."""
    declared = example(traffic)
    assert not declared.problems
    loaded = declared.models["digits"].model
    assert loaded is not None
    return loaded.value


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("{requests: 40}", 40),
        ("{requests: 90, per: minute}", 1.5),
        ("{requests: 1800, per: hour}", 0.5),
        ("{requests: 864, per: day}", 0.01),
    ],
)
def test_requests_per_unit_are_a_rate_per_second(text: str, rate: float) -> None:
    traffic = model(f"traffic: {text}\n").traffic
    assert traffic is not None
    assert traffic.rate == pytest.approx(rate)


def test_a_feature_has_its_share_and_one_without_a_share_is_not_guessed() -> None:
    traffic = Traffic.model_validate({"requests": 200, "features": {"archive": "5%"}}, by_alias=True, by_name=False)
    assert (traffic.of(None), traffic.of("archive"), traffic.of("checkout")) == (200, 10, None)


@pytest.mark.parametrize("text", ["{requests: 0}", "{requests: 5, per: week}", "{requests: 5, features: {archive: 5}}"])
def test_no_traffic_at_all_or_in_other_words_is_a_finding(text: str) -> None:
    assert [problem.path for problem in example(f"traffic: {text}\n").problems] == [MODEL]


def test_declaring_traffic_makes_no_release_another_one() -> None:
    def digests(declared: Declared) -> dict[str, tuple[str, str]]:
        found = desired_routes(declared, "c", lambda _: "c", lambda *_: None)
        wishes = {route: wish for route, wish in found.items() if isinstance(wish, Desired)}
        assert wishes.keys() == found.keys()
        return {route: (wish.release.digest, wish.release.workload) for route, wish in wishes.items()}

    assert digests(example()) == digests(example("traffic: {requests: 200, segments: {internal: 1%}}\n"))
