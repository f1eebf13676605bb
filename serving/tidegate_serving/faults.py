"""Whose fault it was: the caller's (400) or the engine's (500). Rollbacks hang on the difference.

model.py raises them; server.py answers them in one line of log each, where KServe would log a traceback.
"""

from __future__ import annotations

from kserve.errors import InferenceError, InvalidInput


class BadRequest(InvalidInput):
    """The request is not one for this model: no other request suffers. Answered with 400."""


class EngineError(InferenceError):
    """A well-formed request that the model could not answer. Answered with 500."""
