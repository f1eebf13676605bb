"""What is made from the program is what the program says today."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from docs_pages import ROOT, generator, table_fields

from tidegate.engine.status import base_doc, live_doc
from tidegate.engine.summary import candidate_doc, route_doc
from tidegate.gateway.record import FIELDS
from tidegate.rollout.state import Candidate, EventKind, Hold, Phase, RouteState
from tidegate.rollout.traffic import Traffic
from tidegate.spec.policy import PolicyFields, Step
from tidegate.spec.release import Release

STATUS = ROOT / "docs" / "reference" / "status-json.md"


def test_the_reference_pages_are_fresh() -> None:
    """`python docs/generate.py` makes them anew."""
    stale = [
        page for page, text in generator().pages().items() if (ROOT / "docs" / page).read_text(encoding="utf-8") != text
    ]
    assert stale == []


def test_a_field_without_a_meaning_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    generate = generator()
    meanings = generate._meanings()
    del meanings["Step"]["weight"]
    monkeypatch.setattr(generate, "_meanings", lambda: meanings)
    with pytest.raises(KeyError, match=r"Step.*weight"):
        generate._kinds()


def test_the_pictures_are_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python docs/img/draw.py` makes them anew."""
    import sys

    path = ROOT / "docs" / "img" / "draw.py"
    spec = importlib.util.spec_from_file_location("docs_draw", path)
    assert spec is not None and spec.loader is not None
    draw = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "docs_draw", draw)  # dataclasses look their module up
    spec.loader.exec_module(draw)
    for theme, colours in draw.THEMES.items():
        assert (path.parent / f"rollout-{theme}.svg").read_text(encoding="utf-8") == draw.draw(colours)


RELEASE = Release(digest="d" * 64, workload="w" * 64, model="digits", version="1.0.0", config=None, commit="c" * 40)


def test_the_status_page_names_every_field_of_a_status() -> None:
    doc = live_doc(
        at=0.0,
        started_at=0.0,
        settings={"instance": "a", "environment": "b", "runtime": "c", "address": "d"},
        commit=None,
        subject="",
        routes=[],
        instances=[],
        problems=[],
        gateway={"alive": True, "certificate_ends": None},
        acting=None,
        record={},
        feedback={},
    )
    assert table_fields(STATUS, "status") >= set(doc) >= set(base_doc(running=False, at=0.0))


def test_the_status_page_names_every_field_of_a_route_and_of_a_candidate() -> None:
    state = RouteState("digits", stable=RELEASE)
    route = route_doc(state, Traffic(), 0.0, ready={}, why={}, meters={}, git=None, problem=None)
    assert table_fields(STATUS, "route") >= set(route)
    policy = PolicyFields(steps=(Step(name="full", weight="100%"),))  # type: ignore[arg-type]  # as it stands in YAML
    candidate = candidate_doc(Candidate(RELEASE, "c" * 40, Phase.SHIFTING, 0.0, policy, step=0), 0.0)
    assert candidate is not None
    assert table_fields(STATUS, "candidate") >= set(candidate) - set(route["stable"])


def test_the_status_page_names_every_field_of_the_prediction_record_and_every_event() -> None:
    assert table_fields(STATUS, "record") == set(FIELDS)
    text = STATUS.read_text(encoding="utf-8")
    assert [kind for kind in EventKind if f"`{kind}`" not in text] == []


def test_the_page_for_the_night_explains_every_cause_of_a_hold() -> None:
    text = (ROOT / "docs" / "how-to" / "at-3-am.md").read_text(encoding="utf-8")
    assert [cause for cause in Hold if f"\n| `{cause}` |" not in text] == []


def test_the_page_of_files_names_what_the_gateway_and_the_journal_write() -> None:
    from tidegate.gateway.files import Folder

    folder = Folder(Path("/state/gateway"))
    text = (ROOT / "docs" / "reference" / "files.md").read_text(encoding="utf-8")
    for path in (folder.bootstrap, folder.clusters, folder.routes, folder.layer, folder.record, folder.log):
        assert f"`{path.relative_to('/state')}`" in text
    for path in (folder.process, folder.base_id):
        assert f"`{path.relative_to('/state')}`" in text
