"""Which models Envoy refuses, when it refuses a file as a whole: their parts are shown to an Envoy that only checks them.

supervisor.py asks after a refusal; check.py has seen the rest before it was written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from tidegate.gateway import render
from tidegate.gateway.book import Page

Trial = Callable[[bytes, bytes], str | None]
"""Given a clusters and a routes file: why Envoy refuses them, or None."""


def culprits(trial: Trial, pages: Mapping[str, Page], models: Collection[str]) -> dict[str, str]:
    """Why, by model. Halves until it has them: a few trials for one bad model among thousands."""
    suspects = sorted(model for model in models if model in pages)
    reason = trial(*_files([pages[model] for model in suspects])) if suspects else None
    if reason is None:
        return {}
    if len(suspects) == 1:
        return {suspects[0]: reason}
    middle = len(suspects) // 2
    return culprits(trial, pages, suspects[:middle]) | culprits(trial, pages, suspects[middle:])


def _files(pages: Collection[Page]) -> tuple[bytes, bytes]:
    clusters = {name: render.cluster(name, upstream) for page in pages for name, upstream in page.clusters.items()}
    models = {page.routes[0].model: render.model_routes(page.routes, page.timeouts, page.shares) for page in pages}
    return render.cluster_file(clusters)[1], render.route_file(models)[1]
