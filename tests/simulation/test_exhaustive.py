"""Every order of events on the pure state machine, as deep as CI has time for; `make exhaustive` goes deeper."""

from __future__ import annotations

import pytest
import sim_exhaustive

pytestmark = pytest.mark.no_cover  # measuring would cost three times what the search does


def test_every_order_of_four_events_keeps_the_rules() -> None:
    found = sim_exhaustive.search(4)
    assert found.depth == 4
    assert found.states > 3000


def test_a_life_with_every_event_in_it_is_among_those_that_are_searched() -> None:
    node = sim_exhaustive.beginnings()[1]
    used = set()
    for event in ("ask 2", "look", "good", "good", "approve", "good", "hold", "hold", "good", "good", "told git", "ask 3",
                  "told git", "ask 1", "ask 1c", "down 1", "down 1", "again", "silence", "unread", "down 2", "bad"):  # fmt: skip
        node = sim_exhaustive.follow(node, event) or node
        used.add(event)
    assert used == set(sim_exhaustive.EVENTS)
    assert [one.version for one in node.state.promoted][:2] == ["1", "2"]
