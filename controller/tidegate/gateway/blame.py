"""Which models Envoy refuses, when it refuses a file as a whole: their parts are shown to an Envoy that only checks them.

supervisor.py asks after a refusal; check.py has seen the rest before it was written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from tidegate.gateway.book import Page

Trial = Callable[[Sequence[Page]], str | None]
"""Given some pages: why Envoy refuses what they want, or None."""


def culprits(trial: Trial, pages: Mapping[str, Page], models: Collection[str]) -> dict[str, str]:
    """Why, by model. Halves until it has them: a few trials for one bad model among thousands."""
    suspects = sorted(model for model in models if model in pages)
    reason = trial([pages[model] for model in suspects]) if suspects else None
    if reason is None:
        return {}
    if len(suspects) == 1:
        return {suspects[0]: reason}
    middle = len(suspects) // 2
    return culprits(trial, pages, suspects[:middle]) | culprits(trial, pages, suspects[middle:])
