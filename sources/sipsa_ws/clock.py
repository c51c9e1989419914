"""The time in the server's world, which is Colombia's, and when what becomes public there."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from datetime import time as time_of_day

# Colombia's since 1993, without daylight saving.
BOGOTA = timezone(timedelta(hours=-5), "America/Bogota")
PUBLICATION = time_of_day(14, tzinfo=BOGOTA)


class Clock:
    """A clock that begins at a moment and runs faster or slower than ours.

    Args:
        start: what it shows now.
        speed: seconds of its own that pass in one of ours.
        elapsed: our seconds, from any zero.
    """

    def __init__(
        self, start: datetime, speed: float = 1, elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        self._start, self._speed, self._elapsed = start, speed, elapsed
        self._zero = elapsed()

    def now(self) -> datetime:
        """Returns the moment that it shows, in Bogotá's time."""
        passed = timedelta(seconds=(self._elapsed() - self._zero) * self._speed)
        return (self._start + passed).astimezone(BOGOTA)


def published(day: date, later: int = 0) -> datetime:
    """Returns when the prices of a day become public: at 14:00, that day or some days later."""
    return datetime.combine(day + timedelta(days=later), PUBLICATION)
