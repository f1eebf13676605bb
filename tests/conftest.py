"""Fixtures that several rooms share; each lives in tests/support and says what it needs of the machine."""

pytest_plugins = [
    "support.engine",
    "support.places",
    "support.model_server",
    "support.world",
    "support.own_engine",
    "support.prometheus",
    "support.receiver",
]
