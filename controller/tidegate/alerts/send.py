"""Delivery: a target's addresses from its secret, and the message to each of them by Apprise.

Neighbours: desk.py says what goes out, engine/alerting.py runs this as a job, `tidegate alerts --test` from the shell.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tidegate.alerts.letter import Letter
from tidegate.spec.base import Secret, reference
from tidegate.spec.errors import NeedsPerson, RetryLater

Lookup = Callable[[Secret], str]
"""The value of a secret. Raises NeedsPerson when it is not there."""


def send(target: str, letter: Letter, lookup: Lookup) -> None:
    """Send the message to the address that a target (`env:NAME` or `file:PATH`) refers to.

    Raises NeedsPerson when the secret is missing or is not one address that Apprise knows, RetryLater when the message was
    not taken. Addresses are secrets: no message shows one.
    """
    import apprise

    named = reference(target)
    if named is None:
        raise NeedsPerson(f"'{target}' is no reference to a secret", fix="write env:NAME or file:PATH in `notify`")
    post = apprise.Apprise()
    if not post.add(lookup(named).strip()) or len(post) != 1:
        raise NeedsPerson(
            f"{target} is not one address that Apprise knows",
            fix="put one there, such as slack://... or mailto://..., as Apprise's manual has them; more go to references of "
            "their own",
        )
    with _heard() as said:
        # The plugin itself, in this thread: Apprise's own pools would outlive the controller.
        taken = post[0].notify(title=letter.title, body=letter.body, notify_type=apprise.NotifyType(letter.urgency))
    if not taken:
        why = f": {said[-1]}" if said else ""
        raise RetryLater(f"{target} did not take the message{why}", delay=5.0)


@contextmanager
def _heard() -> Iterator[list[str]]:
    """What Apprise says meanwhile, in this thread: it tells its causes in its log alone."""
    ear, log = _Ear(), logging.getLogger("apprise")
    log.addHandler(ear)
    try:
        yield ear.said
    finally:
        log.removeHandler(ear)


class _Ear(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.said.append(record.getMessage())
