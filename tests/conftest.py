"""Fixtures that several rooms share; each lives in tests/support and says what it needs of the machine."""

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = [
    "support.engine",
    "support.places",
    "support.model_server",
    "support.others",
    "support.world",
    "support.own_engine",
    "support.prometheus",
    "support.receiver",
]

# No test fails by chance: how long an example takes says how busy the machine is, and each run has the same examples.
settings.register_profile("tidegate", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tidegate")

LONG = (
    "simulation/test_simulation", "simulation/test_teeth", "crash/", "cli/test_where_it_runs", "e2e/", "audit/test_audit_story",
    "sources/", "rules/test_report_sarif", "docs/test_docs_generated", "fuzz/", "models/",
)  # fmt: skip
"""What takes longest, first: a worker that begins a long story last keeps the others waiting."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, in the order of LONG; what else there is stays in its order."""
    items.sort(
        key=lambda item: next((place for place, name in enumerate(LONG) if f"tests/{name}" in item.nodeid), len(LONG))
    )
