"""What answers say of themselves: their tokens, and whether the model that was asked for gave them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tidegate.engine.evidence import Evidence
from tidegate.engine.figures import Terms, figures
from tidegate.gateway.record import Cursor, RecordReader
from tidegate.spec.declared import load
from tidegate.spec.errors import NeedsPerson
from tidegate.spec.prices import Price

ASKED = "gpt-4o-2024-08-06"
VERSION = f"""api: tidegate/v1
kind: ModelVersion
model: chat
version: "1.0.0"
reason: x
provider: {{name: openai, model: {ASKED}, endpoint: "https://api.example.com", credential: {{env: KEY}}}}
"""

PRICES = f"""api: tidegate/v1
kind: Prices
currency: EUR
models: [{{provider: OpenAI, model: {ASKED}, input: 2.5, output: 10}}]
"""


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({}, {}),
        ({"served_model": ASKED}, {"wrong_model": 0.0}),
        ({"served_model": "gpt-4o"}, {"wrong_model": 1.0}),
        ({"prompt_tokens": 12, "completion_tokens": 5}, {"tokens": 17.0}),
        ({"prompt_tokens": 12}, {"tokens": 12.0}),  # an embedding
        ({"prompt_tokens": "12", "served_model": 3}, {}),
    ],
)
def test_a_record_has_the_figures_that_it_tells_and_no_others(record: dict[str, Any], found: dict[str, float]) -> None:
    assert figures(record, Terms(ASKED)) == found
    assert "wrong_model" not in figures(record, Terms())


def test_a_request_costs_what_its_tokens_cost_and_nothing_is_said_without_a_price() -> None:
    price = Price(provider="openai", model=ASKED, input=2.5, output=10.0)
    record = {"prompt_tokens": 1000, "completion_tokens": 200}
    assert figures(record, Terms(price=price)) == {"tokens": 1200.0, "cost": pytest.approx(0.0045)}
    assert figures({"prompt_tokens": 1000}, Terms(price=price))["cost"] == pytest.approx(0.0025)
    assert "cost" not in figures(record, Terms()) and "cost" not in figures({}, Terms(price=price))


def test_answers_of_another_model_are_counted_and_named_by_release(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    path.touch()
    evidence = Evidence(RecordReader(path), None, 0.0, lambda: 1_800_000_000.0)
    files = {"models/chat/versions/1.0.0.yaml": VERSION.encode(), "policies/prices.yaml": PRICES.encode()}
    evidence.declarations.saw(load(files))
    line = {"time": "2027-01-15T08:00:00Z", "route": "chat", "model": "chat", "role": "stable", "release": "r1",
            "version": "1.0.0", "commit": "c1", "status": 200, "duration_ms": 1.0, "prompt_tokens": 2}  # fmt: skip
    served = [ASKED, "gpt-4o-2024-11-20", "gpt-4o-mini", ASKED]
    path.write_text("".join(json.dumps(line | {"served_model": one}) + "\n" for one in served))
    evidence.read()
    [stranger] = evidence.strangers()
    assert (stranger.route, stranger.release, stranger.served, stranger.expected) == (
        "chat",
        "r1",
        "gpt-4o-mini",
        ASKED,
    )
    assert stranger.sentence.startswith("2 answers name another model")
    meter = evidence.meters("chat")["r1"]
    assert (meter["wrong_model"], meter["tokens"], meter["counted"]) == (2, 8, 4)
    assert (meter["cost"], meter["priced"], meter["currency"]) == (0.00002, 4, "EUR")
    evidence.declarations.saw(load({"models/chat/versions/1.0.0.yaml": VERSION.encode()}))  # the prices are gone
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")
    evidence.read()
    meter = evidence.meters("chat")["r1"]
    assert (meter["counted"], meter["priced"]) == (5, 4)
    evidence.forget("chat")
    assert evidence.strangers() == []


def test_before_the_first_look_at_git_a_release_is_held_against_its_own_commit(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    line = {"time": "2027-01-15T08:00:00Z", "route": "chat", "model": "chat", "role": "stable", "release": "r1",
            "version": "1.0.0", "commit": "c1", "status": 200, "duration_ms": 1.0, "prompt_tokens": 2}  # fmt: skip
    lost = line | {"release": "r2", "commit": "gone"}
    path.write_text("".join(json.dumps(one | {"served_model": "gpt-4o-mini"}) + "\n" for one in (line, lost)))
    fetched = {("c1", "models/chat/versions/1.0.0.yaml"): VERSION, ("c1", "policies/prices.yaml"): PRICES}

    def blob(commit: str, name: str) -> bytes | None:
        if commit == "gone":
            raise NeedsPerson("no such commit", where=commit)
        return fetched[(commit, name)].encode()

    evidence = Evidence(RecordReader(path), {"log": Cursor().to_json()}, 0.0, lambda: 1_800_000_000.0, blob)
    evidence.read()
    meter, unknown = (evidence.meters("chat")[release] for release in ("r1", "r2"))
    assert (meter["wrong_model"], meter["cost"], meter["currency"]) == (1, 0.000005, "EUR")
    assert (unknown["wrong_model"], unknown["priced"], unknown["tokens"]) == (None, 0, 2)
    evidence.declarations.saw(load({}))
    assert evidence.declarations.of("chat", "1.0.0", "c1") == Terms(), "the newest commit has the last word"
