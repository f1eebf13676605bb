"""Judged whole, in parts, in several processes, cold or from what is remembered: the findings are the same."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from check_repo import apply, edits, whole
from history_repo import Repo, example
from hypothesis import HealthCheck, given, settings

from tidegate.cli.check import surroundings, work
from tidegate.cli.check.judge import Judged, judge
from tidegate.rules.finding import Finding

V2, MODEL = "models/digits/versions/2.0.0.yaml", "models/digits/model.yaml"


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """One commit with the example; the tests edit its work tree and put it back."""
    return Repo.init(tmp_path_factory.mktemp("parts") / "repo")


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PRE_COMMIT", "GITHUB_ACTIONS", "GITHUB_BASE_REF"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(
        surroundings, "_SETTLED", 0
    )  # else files of this moment are asked about anew, and so all is judged


def findings(judged: Judged) -> tuple[list[Finding], list[Finding]]:
    """What is told, and what comments silence."""
    return list(judged.findings), sorted(one.finding for one in judged.silenced)


def expected(repo: Repo, base: str | None) -> tuple[list[Finding], list[Finding]]:
    sifted = whole(repo.path, base)
    return list(sifted.kept), sorted(one.finding for one in sifted.silenced)


def restored(repo: Repo) -> None:
    shutil.rmtree(repo.path / "models")
    shutil.rmtree(repo.path / "policies")
    repo.git("checkout", "-q", "--", ".")
    repo.git("clean", "-q", "-f", "-d", "-x")


@pytest.mark.parametrize("base", [None, "HEAD"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=edits(), second=edits())
def test_every_way_of_judging_finds_the_same(
    repo: Repo, base: str | None, first: dict[str, bytes | None], second: dict[str, bytes | None]
) -> None:
    try:
        for changes in (first, second):
            apply(repo.path, changes)
            wanted = expected(repo, base)
            assert findings(judge([repo.path], base, cache=False)) == wanted, "in parts"
            assert findings(judge([repo.path], base)) == wanted, "with what earlier runs left"
            assert findings(judge([repo.path], base)) == wanted, "unchanged"
    finally:
        restored(repo)


@pytest.mark.parametrize("base", [None, "HEAD"])
def test_several_processes_find_what_one_finds(repo: Repo, base: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "_GROUP", 1)
    monkeypatch.setattr(work, "_PAYS", 1)
    monkeypatch.setattr(work, "processors", lambda: 3)
    try:
        apply(repo.path, {V2: example()[V2].replace(b"size: 31245", b"size: big") + b"# tidegate: ignore[x] y\n",
                          MODEL: None, "models/new/deployment.yaml": example()["models/digits/deployment.yaml"]})  # fmt: skip
        assert len(expected(repo, base)[0]) >= 4
        assert findings(judge([repo.path], base, cache=False)) == expected(repo, base)
    finally:
        restored(repo)


def test_a_change_in_one_model_judges_that_model_alone(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    judge([repo.path])
    seen = watched(monkeypatch)
    apply(repo.path, {V2: example()[V2] + b"# a note\n"})
    try:
        judge([repo.path])
        assert seen == ["digits"]
        judge([repo.path])
        assert seen == ["digits"], "and not a second time"
        restored(repo)
        judge([repo.path])
        assert seen == ["digits"], "what was judged before the change is remembered too"
    finally:
        restored(repo)


def test_a_change_beside_the_models_judges_all_of_them(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    judge([repo.path])
    seen = watched(monkeypatch)
    apply(repo.path, {"policies/governance.yaml": example()["policies/governance.yaml"].replace(b"90", b"91")})
    try:
        judge([repo.path])
        assert seen == ["assistant", "digits"]
    finally:
        restored(repo)


def test_a_change_in_a_model_is_seen_by_what_belongs_to_none(repo: Repo) -> None:
    judge([repo.path])
    try:
        apply(repo.path, {MODEL: example()[MODEL].replace(b"  internal: {", b"  insiders: {")})
        told = [one.path for one in judge([repo.path]).findings if one.rule == "unknown-segment"]
        assert told == ["policies/progressive.yaml"]
        restored(repo)
        assert not [one for one in judge([repo.path]).findings if one.rule == "unknown-segment"]
    finally:
        restored(repo)


def test_a_commit_of_what_was_judged_judges_nothing_again(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(repo.path, {V2: example()[V2] + b"# a note\n"})
    judge([repo.path])
    seen = watched(monkeypatch)
    repo.commit("A note")
    try:
        judge([repo.path])
        assert seen == []
    finally:
        repo.git("reset", "-q", "--hard", "HEAD~1")


def test_another_day_is_judged_anew(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import date

    from tidegate.cli.check import judge as module

    class Later(date):
        @classmethod
        def today(cls) -> Later:
            return cls(2031, 2, 3)

    apply(
        repo.path,
        {MODEL: example()[MODEL].replace(b"state: production", b'state: deprecated, end_of_life: "2031-02-01"')},
    )
    try:
        before = judge([repo.path])
        monkeypatch.setattr(module, "date", Later)
        assert judge([repo.path]).findings != before.findings
        monkeypatch.undo()
        assert judge([repo.path]).findings == before.findings
    finally:
        restored(repo)


def watched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the models that are judged from now on, as they are."""
    seen: list[str] = []
    models = work.Judge.models

    def watch(self: work.Judge, units: Any) -> Any:
        seen.extend(unit.name for unit in units)
        return models(self, units)

    monkeypatch.setattr(work.Judge, "models", watch)
    return seen


@pytest.fixture(autouse=True, scope="module")
def _clean_afterwards(repo: Repo) -> Iterator[None]:
    yield
    assert repo.git("status", "--porcelain", "--ignored") == "", "nothing is left in the work tree"
