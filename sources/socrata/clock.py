"""The time in the source's own world, and the daily refresh that its data sets follow."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

CHICAGO = ZoneInfo("America/Chicago")
REFRESH = time(15, 41, 8)
"""When the portal takes in the police's day, local time."""


class Clock:
    """Shows `start` when it is made, and runs `speed` times as fast as `ticks`."""

    def __init__(self, start: datetime, speed: float, ticks: Callable[[], float]) -> None:
        self._start = start
        self._speed = speed
        self._ticks = ticks
        self._made = ticks()

    def now(self) -> datetime:
        """Returns the time, in UTC."""
        elapsed = (self._ticks() - self._made) * self._speed
        return (self._start + timedelta(seconds=elapsed)).astimezone(UTC)

    def refreshed(self) -> date:
        """Returns the day of the last refresh: what was known then is what is shown."""
        local = self.now().astimezone(CHICAGO)
        return local.date() if local.time() >= REFRESH else local.date() - timedelta(days=1)


def refresh_of(day: date) -> datetime:
    """Returns the instant of a day's refresh, in UTC."""
    return datetime.combine(day, REFRESH, CHICAGO).astimezone(UTC)
