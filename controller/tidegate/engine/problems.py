"""What is wrong just now, by what it concerns: kept for the status, and told in the log once, and once when it is over.

Neighbours: loop.py and deciding.py note, runner.py shows.
"""

from __future__ import annotations

import logging

from tidegate.spec.errors import InternalError, TidegateError

log = logging.getLogger(__name__)


class Problems(dict[str, TidegateError]):
    """By what it concerns (`git`, `route digits`), the error that it has."""

    def note(self, key: str, error: TidegateError | None) -> None:
        """It is so now; None: it is well."""
        before = self.pop(key, None)
        if error is not None:
            self[key] = error
            if before is None or before.message != error.message:
                log.warning("%s: %s", key, error, exc_info=error if isinstance(error, InternalError) else None)
        elif before is not None:
            log.info("%s: well again", key)
