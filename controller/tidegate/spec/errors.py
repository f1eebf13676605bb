"""Errors that carry their policy: who can mend it, and when to try again.

Every room raises these; the engine catches them in one place per pass, the CLI in one place per command.
"""

from __future__ import annotations


class TidegateError(Exception):
    """Something that a user has to be told: what, where, and the edit or command that fixes it.

    `exit_code` is what the CLI ends with (DESIGN section 6).
    """

    exit_code = 2

    def __init__(self, message: str, *, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\n  fix: {self.fix}" if self.fix else text


class NeedsPerson(TidegateError):  # noqa: N818 the name says what has to happen
    """Trying again changes nothing until a person edits something (a wrong digest, an unknown field)."""


class RetryLater(TidegateError):  # noqa: N818 the name says what has to happen
    """May pass by itself (a remote out of reach, an engine restarting). `delay` is the least wait in seconds."""

    def __init__(self, message: str, *, where: str | None = None, fix: str | None = None, delay: float = 1.0) -> None:
        super().__init__(message, where=where, fix=fix)
        self.delay = delay


class InternalError(TidegateError):
    """A defect of Tidegate itself: a state that the tables rule out."""

    exit_code = 3
