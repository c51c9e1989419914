"""The source's own clock: our data end in the past, so its "now" is there too."""

import time
from collections.abc import Callable
from datetime import UTC, datetime


class Clock:
    """Starts at an instant and runs in real time, or faster, or not at all.

    Args:
        start: what it shows first; without a zone it is UTC.
        speed: seconds of this clock in a second.
        monotonic: seconds that pass.
    """

    def __init__(
        self, start: datetime, speed: float = 1, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        aware = start if start.tzinfo else start.replace(tzinfo=UTC)
        self._start_ms = round(aware.timestamp() * 1000)
        self._speed = speed
        self._monotonic = monotonic
        self._since = monotonic()

    def now_ms(self) -> int:
        """Returns the milliseconds since 1970."""
        return self._start_ms + int((self._monotonic() - self._since) * self._speed * 1000)
