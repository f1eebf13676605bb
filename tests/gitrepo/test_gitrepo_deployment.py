"""Editing a deployment: this route's fields, and not one other character."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.gitrepo import yamltext
from tidegate.gitrepo.deployment import FIELDS, Asked, asked, taken_back, with_wish
from tidegate.spec.errors import NeedsPerson

GOOD = """\
# yaml-language-server: $schema=../../schemas/deployment.json
api: tidegate/v1
kind: Deployment
model: digits
# Which version serves.
version: '2.0.0'   # July scans
config: default
policy: progressive

# Two are enough.
replicas: 2
features:
  archive: {version: "1.1.0"}   # old scans
  checkout:
    config: strict   # agreed
    replicas: 3
"""
BAD = GOOD.replace("'2.0.0'   # July scans", '"2.1.0"  # August scans').replace(
    "policy: progressive\n",
    "policy: progressive\nreason: |\n  August.\n\n  More of it.\napprovals:\n  - half  # seen\n",
)
BACK = Asked("2.0.0", "default")


def test_a_text_that_differs_only_in_this_routes_fields_comes_back_exactly() -> None:
    assert taken_back(BAD, GOOD, None, BACK, "why") == GOOD


def test_what_others_changed_in_the_same_file_stays() -> None:
    mixed = BAD.replace("replicas: 2", "replicas: 4  # more traffic").replace("# Two are enough.", "# Four by now.")
    mixed = mixed.replace('"1.1.0"', '"1.2.0"')
    back = taken_back(mixed, GOOD, None, BACK, "why")
    assert back == (
        GOOD.replace("replicas: 2", "replicas: 4  # more traffic").replace("# Two are enough.", "# Four by now.")
        .replace('"1.1.0"', '"1.2.0"')
    )  # fmt: skip


def test_a_comment_added_elsewhere_is_not_lost_to_an_exact_restore() -> None:
    assert taken_back(BAD + "# end\n", GOOD, None, BACK, "why") == GOOD + "# end\n"


def test_a_feature_comes_back_alone() -> None:
    bad = GOOD.replace('{version: "1.1.0"}', '{version: "1.2.0", reason: new, replicas: 2}').replace(
        "replicas: 3", "replicas: 5"
    )
    back = taken_back(bad, GOOD, "archive", Asked("1.1.0", "default"), "why")
    assert back == GOOD.replace('{version: "1.1.0"}', '{version: "1.1.0", replicas: 2}').replace(
        "replicas: 3", "replicas: 5"
    )


def test_a_feature_that_only_the_bad_commit_knew_goes_again() -> None:
    bad = GOOD.replace("  checkout:", '  search:\n    version: "2.1.0"\n    reason: try\n  checkout:')
    assert taken_back(bad, GOOD, "search", Asked("2.0.0", "default"), "why") == GOOD
    lone = GOOD[: GOOD.index("features:")]
    added = lone + 'features:\n  search:\n    version: "2.1.0"\n'
    assert taken_back(added, lone, "search", Asked("2.0.0", "default"), "why") == lone


def test_a_feature_that_inherits_is_pinned_where_the_model_has_moved_on() -> None:
    bad = GOOD.replace("'2.0.0'", '"2.1.0"')
    back = taken_back(bad, GOOD, "archive", Asked("2.0.0", "default"), "archive errs")
    assert asked(back, "archive") == Asked("2.0.0", "default")
    assert asked(back, None) == Asked("2.1.0", "default")
    assert asked(back, "checkout") == Asked("2.1.0", "strict")
    fresh = taken_back(bad, GOOD, "search", Asked("2.0.0", "default"), "search errs")
    assert asked(fresh, "search") == Asked("2.0.0", "default")


def test_a_config_pin_is_written_where_the_name_stood() -> None:
    back = with_wish(BAD, None, Asked("2.1.0", "default@" + "a" * 40))
    assert back == BAD.replace("config: default\n", f"config: default@{'a' * 40}\n")
    back = with_wish(BAD, "checkout", Asked("2.1.0", "strict@abcdef1"))
    assert back == BAD.replace("config: strict ", "config: strict@abcdef1 ")


def test_without_a_former_text_the_fields_are_written_anew() -> None:
    back = taken_back(BAD, None, None, BACK, 'Back from 2.1.0: "errors"')
    data = yaml.safe_load(back)
    assert (data["version"], data["reason"]) == ("2.0.0", 'Back from 2.1.0: "errors"')
    assert "approvals" not in data
    assert yamltext.without(back, (), FIELDS) == yamltext.without(BAD, (), FIELDS)


def test_a_former_text_that_asked_for_something_else_is_not_believed() -> None:
    back = taken_back(BAD, GOOD.replace("2.0.0", "1.0.0"), None, BACK, "why")
    assert asked(back, None) == BACK


@pytest.mark.parametrize(
    ("text", "feature", "expected"),
    [
        ("{api: tidegate/v1, version: '2.1.0', config: b}", None, '{api: tidegate/v1, version: "2.0.0", config: default}'),
        ('version: "2.1.0"', None, 'version: "2.0.0"\nconfig: default\n'),
        ('version: "2.0.0"\nfeatures:\n', "a", 'version: "2.0.0"\nfeatures: {a: {config: default}}\n'),
        ('version: "2.0.0"\nfeatures: {}\n', "a", 'version: "2.0.0"\nfeatures: {a: {config: default}}\n'),
        ('version: "2.0.0"\nfeatures:\n  a:\n', "a", 'version: "2.0.0"\nfeatures:\n  a: {config: default}\n'),
        ('version: "2.0.0"\nfeatures: # none\n', "a", 'version: "2.0.0"\nfeatures: {a: {config: default}} # none\n'),
        (
            'version: "2.1.0"\r\nmodel: m\r\n', None,
            'version: "2.0.0"\r\nconfig: default\r\nmodel: m\r\n',
        ),
        (
            'version: "2.0.0"\nfeatures:\n    a:\n        replicas: 1\n    # b is new\n    b: {}\n', "a",
            'version: "2.0.0"\nfeatures:\n    a:\n        replicas: 1\n        config: default\n    # b is new\n    b: {}\n',
        ),
    ],
)  # fmt: skip
def test_a_wish_is_written_into_any_layout(text: str, feature: str | None, expected: str) -> None:
    assert with_wish(text, feature, BACK) == expected


@pytest.mark.parametrize("text", ["[1, 2]", "", "a: [", "a: b: c"])
def test_what_is_no_yaml_of_fields_cannot_be_edited(text: str) -> None:
    with pytest.raises(NeedsPerson, match="cannot be edited"):
        with_wish(text, None, BACK)


def test_a_feature_cannot_shake_off_the_models_config() -> None:
    with pytest.raises(NeedsPerson, match=r"cannot ask 2.0.0 with config None for feature 'archive'"):
        with_wish(GOOD, "archive", Asked("2.0.0", None))


@pytest.mark.parametrize(
    ("head", "good", "expected"),
    [
        (
            'version: "1"\nfeatures:\n  a:\n    version: "3"\n    replicas: 2\n',
            "version: \"1\"\nfeatures: {a: {version: '2', approvals: [half], reason: as agreed}}\n",
            'version: "1"\n'
            "features:\n  a:\n    version: '2'\n    reason: \"as agreed\"\n    approvals: [half]\n    replicas: 2\n",
        ),
        (
            'version: "1"\nfeatures: {a: {version: "3", replicas: 2}}\n',
            'version: "1"\nfeatures:\n  a:\n    version: "2"  # then\n    reason: |\n      two\n      lines\n',
            'version: "1"\nfeatures: {a: {version: "2", reason: "two\\nlines\\n", replicas: 2}}\n',
        ),
    ],
)
def test_fields_move_between_braces_and_lines(head: str, good: str, expected: str) -> None:
    assert taken_back(head, good, "a", Asked("2", None), "why") == expected


def test_values_are_written_so_that_they_read_the_same() -> None:
    for value in (
        "yes",
        "null",
        "default",
        "default@0123abc",
        "1.10",
        "a: b",
        "",
        ["half", "no"],
        {"a": ["b"]},
        True,
        3,
    ):
        assert _load(f"x: {yamltext.render(value)}")["x"] == value


comments = st.sampled_from(["", "  # why", "\t# x"])
layout = st.sampled_from(["", "\n", "# a word\n", "\n\n  # indented word\n"])
values = {
    "version": st.sampled_from(['"2.0.0"', "'2.1.0'", '"3.0.0-rc.1"', "2.0.0"]),
    "config": st.sampled_from(["default", '"terse"', "default@0123abc"]),
    "reason": st.sampled_from(['"a: b # c"', "|\n  two\n\n  lines", ">-\n  folded\n  text", "plain words", "'it''s'"]),
    "approvals": st.sampled_from(["[]", "[half, full]", "\n  - half  # seen\n  - full", "\n- half"]),
    "policy": st.sampled_from(["progressive", '"fast"']),
    "replicas": st.sampled_from(["2", "3   "]),
    "hold": st.sampled_from(["false", "true"]),
}


@st.composite
def deployments(draw: st.DrawFn) -> str:
    names = draw(st.permutations([n for n in values if n == "version" or draw(st.booleans())]))
    text = draw(layout)
    for name in names:
        value = draw(values[name])
        comment = "" if "\n" in value else draw(comments)
        gap = "" if value.startswith("\n") else " "
        text += f"{name}:{gap}{value}{comment}\n{draw(layout)}"
    return text


def _load(text: str) -> Any:
    return yaml.load(text, Loader=yaml.CSafeLoader)


def _others(text: str) -> str:
    """All but this route's fields; an indented comment may have moved left, out of the way of a block scalar."""
    return re.sub(r"(?m)^[ \t]+#", "#", yamltext.without(text, (), FIELDS))


def _plain(text: str) -> dict[str, object]:
    return {name: value for name, value in _load(text).items() if name not in FIELDS}


@settings(max_examples=150, deadline=None)
@given(deployments(), st.none() | deployments())
def test_any_layout_gets_the_wish_and_keeps_everything_else(head: str, good: str | None) -> None:
    want = Asked("2.0.0", "default")
    back = taken_back(head, good, None, want, "why: so")
    assert asked(back, None) == want
    if back != good:
        assert _others(back) == _others(head)
    assert _plain(back) == _plain(head)


@settings(max_examples=100, deadline=None)
@given(deployments(), st.sampled_from(sorted(values)))
def test_a_field_cut_out_takes_nothing_else_along(text: str, name: str) -> None:
    data = _load(text)
    cut = yamltext.remove_field(text, (), name)
    data.pop(name, None)
    assert (_load(cut) or {}) == data
    assert cut.count("# a word") == text.count("# a word")
