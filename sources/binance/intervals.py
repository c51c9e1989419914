"""The lengths that a bar may have, and where bars of each begin."""

import re
from datetime import UTC, datetime

HOUR = 3_600_000
DAY = 24 * HOUR
# The first Monday of the epoch: weeks begin on Mondays.
_MONDAY = 4 * DAY

LENGTHS = {
    "1s": 1000,
    **{f"{minutes}m": minutes * 60_000 for minutes in (1, 3, 5, 15, 30)},
    **{f"{hours}h": hours * HOUR for hours in (1, 2, 4, 6, 8, 12)},
    "1d": DAY,
    "3d": 3 * DAY,
    "1w": 7 * DAY,
}
"""Milliseconds of each interval but the month."""
MONTH = "1M"
INTERVALS = (*LENGTHS, MONTH)
_ZONE = re.compile(r"([+-]?)(\d{1,2})(?::(\d{2}))?")


def bounds(interval: str, moment: int, offset: int = 0) -> tuple[int, int]:
    """Returns the bar that holds a moment: its first millisecond, and that of the next bar.

    Args:
        interval: one of `INTERVALS`.
        moment: milliseconds since 1970.
        offset: milliseconds that the zone whose days count is ahead of UTC.
    """
    local = moment + offset
    if interval == MONTH:
        date = datetime.fromtimestamp(local // 1000, UTC)
        first = datetime(date.year, date.month, 1, tzinfo=UTC)
        following = datetime(date.year + date.month // 12, date.month % 12 + 1, 1, tzinfo=UTC)
        return _ms(first) - offset, _ms(following) - offset
    length = LENGTHS[interval]
    origin = _MONDAY if interval == "1w" else 0
    begin = (local - origin) // length * length + origin - offset
    return begin, begin + length


def zone_offset(zone: str) -> int | None:
    """Returns the milliseconds that a zone such as `0`, `-1:00` or `05:45` is ahead of UTC, if it is one."""
    match = _ZONE.fullmatch(zone)
    if match is None:
        return None
    sign, hours, minutes = match.groups()
    offset = (int(hours) * 60 + int(minutes or 0)) * 60_000 * (-1 if sign == "-" else 1)
    return offset if -12 * HOUR <= offset <= 14 * HOUR and int(minutes or 0) < 60 else None


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000
