"""A person's say, written into a deployment's text: the route's own field and nothing else."""

from __future__ import annotations

import pytest

from tidegate.gitrepo.deployment import Asked
from tidegate.gitrepo.wish import again, approved, held

TEXT = """# the team's file
model: digits
version: "1.0.0"   # proven
policy: careful
features:
  archive: {version: "0.9.0"}   # slower
"""


def lines(before: str, after: str) -> tuple[list[str], list[str]]:
    """The lines that went, and those that came."""
    old, new = before.splitlines(), after.splitlines()
    return [line for line in old if line not in new], [line for line in new if line not in old]


def test_an_approval_is_one_line_more_and_the_next_one_joins_it() -> None:
    once = approved(TEXT, None, "half")
    assert lines(TEXT, once) == ([], ["approvals: [half]"])
    assert lines(once, approved(once, None, "full")) == (["approvals: [half]"], ["approvals: [half, full]"])


def test_what_is_approved_already_stays_as_it_is() -> None:
    once = approved(TEXT, None, "half")
    assert approved(once, None, "half") == once
    assert approved(once, "archive", "half") == once, "a feature inherits its model's approvals"


def test_a_feature_that_gets_an_approval_of_its_own_keeps_those_it_inherited() -> None:
    after = approved(approved(TEXT, None, "half"), "archive", "full")
    assert '  archive: {version: "0.9.0", approvals: [half, full]}   # slower' in after.splitlines()


@pytest.mark.parametrize(
    ("feature", "line"),
    [(None, "hold: true"), ("archive", '  archive: {version: "0.9.0", hold: true}   # slower')],
)
def test_a_hold_is_set_once_and_taken_out_again(feature: str | None, line: str) -> None:
    once = held(TEXT, feature, True)
    assert lines(TEXT, once)[1] == [line]
    assert held(once, feature, True) == once
    assert held(once, feature, False) == TEXT
    assert held(TEXT, feature, False) == TEXT


def test_a_feature_of_a_model_that_is_held_goes_on_by_a_word_of_its_own() -> None:
    model = held(TEXT, None, True)
    assert held(model, "archive", True) == model
    assert '  archive: {version: "0.9.0", hold: false}   # slower' in held(model, "archive", False).splitlines()


def test_asking_again_counts_and_gives_its_reason_and_wants_new_approvals() -> None:
    text = approved(TEXT, None, "half")
    once = again(text, None, Asked("2.0.0", None), "the store is mended")
    assert lines(text, once) == (
        ['version: "1.0.0"   # proven', "approvals: [half]"],
        ['version: "2.0.0"   # proven', 'reason: "the store is mended"', "retry: 1"],
    )
    assert "retry: 2" in again(once, None, Asked("2.0.0", None), None)
    assert "the store is mended" in again(once, None, Asked("2.0.0", None), None)


def test_asking_again_for_a_config_pins_what_it_was() -> None:
    after = again(TEXT, "archive", Asked("0.9.0", "default@abcdef1"), None)
    assert '  archive: {version: "0.9.0", config: default@abcdef1, retry: 1}   # slower' in after.splitlines()
