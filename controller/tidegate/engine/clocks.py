"""The two clocks of a controller: whether it was away between two passes, and whether the time of day was set back.

Moments that outlive a process are in the time of day, which people set; pauses and absences are told by the clock that only
goes forward. Neighbours: loop.py asks at the start of each pass and moves what has to move.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

ABSENT: Final = 5.0
"""Seconds between the end of a pass and the next that are an absence."""
LONGEST_PASS: Final = 30.0
"""Seconds from the start of one pass to the next that are no absence, however much there was to do in it."""
SET_BACK: Final = 2.0
"""Seconds by which the time of day goes back in one pass only when somebody sets it: it is slewed otherwise."""


class Clocks:
    """Called by the loop alone. `now`: epoch seconds. `clock`: seconds that only go forward.

    `last`: the latest moment that a controller before this one wrote down. Where the time of day was set back while none
    ran, it lies in the future: that is noticed at once.
    """

    def __init__(self, now: Callable[[], float], clock: Callable[[], float], last: float) -> None:
        self._now, self._clock = now, clock
        self.awake_since = max(now(), last)
        self._begun = self._ended = clock()
        self._offset = self.awake_since - clock()

    def begin(self) -> tuple[float, float]:
        """A pass begins: (seconds it was away, 0 when it was not; seconds by which the time of day was set back, or 0).

        After a sleep (a suspended host, a stopped process) `awake_since` is this moment.
        """
        at = self._clock()
        away = at - self._begun if at - self._ended > ABSENT or at - self._begun > LONGEST_PASS else 0.0
        self._begun = at
        offset, self._offset = self._offset, self._now() - at
        back = offset - self._offset
        if back < SET_BACK:
            back = 0.0
        self.awake_since = self._now() if away else self.awake_since - back
        return away, back

    def end(self) -> None:
        """The pass is over."""
        self._ended = self._clock()
