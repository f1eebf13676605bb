"""Which models Envoy refuses, when it refuses a file as a whole: their parts are shown to an Envoy that only checks them.

applying.py asks after a refusal; check.py has seen the rest before it was written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from tidegate.gateway.book import Page

Trial = Callable[[Sequence[Page]], str | None]
"""Given some pages: why Envoy refuses what they want, or None."""


def culprits(trial: Trial, pages: Mapping[str, Page], models: Collection[str]) -> dict[str, dict[str, str]]:
    """Why, by model and route. Halves until it has them: a few trials for one bad model among thousands.

    All routes of a model are to blame when none of them is alone.
    """
    suspects = sorted(model for model in models if model in pages)
    reason = trial([pages[model] for model in suspects]) if suspects else None
    if reason is None:
        return {}
    if len(suspects) == 1:
        page = pages[suspects[0]]
        alone = {route.name: trial([page.only((route,))]) for route in page.routes} if len(page.routes) > 1 else {}
        found = {name: why for name, why in alone.items() if why is not None}
        return {suspects[0]: found or {route.name: reason for route in page.routes}}
    middle = len(suspects) // 2
    return culprits(trial, pages, suspects[:middle]) | culprits(trial, pages, suspects[middle:])
