"""From a time stamp to season, day of the week and part of the day, by the clocks of one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from bundle.transforms import Input, Kind, RowTransform, UnusableInput, given, refused_parameter
from stepkit.text import normalise

TIME = "occurred_at"
_DATE_LENGTH = len("2026-06-26")


class Times(RowTransform):
    """Converts an instant to what the clocks of a time zone show.

    A time stamp without a zone is what these clocks showed: in the hour that comes twice in autumn, the first
    of both; one that they jumped over in spring is as much later as they jumped. A time stamp with an offset
    is turned into their time.

    Args:
        parameters: `zone`, a name of the IANA time zone database; `seasons`, each with the numbers of its
            months; and `day_times`, hours from 0 on, each with the part of the day that it begins.
    """

    inputs = (
        Input(
            TIME,
            "text",
            "ISO 8601, date and time of day. Without an offset: by the local clocks.",
            "2026-06-26T19:30:00",
        ),
    )
    outputs: Mapping[str, Kind] = {
        "day_of_week": "number",
        "season": "category",
        "day_time": "category",
    }

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        zone, seasons, day_times = given("times", parameters, ("zone", "seasons", "day_times"))
        try:
            self._zone = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
            needed = f"a zone of the database of this machine (package tzdata): {error}"
            raise refused_parameter("times", "zone", zone, needed) from error
        self._seasons = _seasons(seasons)
        self._parts = _parts(day_times)

    def instants(self, texts: Sequence[Any] | NDArray[Any]) -> list[datetime]:
        """Reads time stamps; returns them by the zone's clocks.

        Raises:
            UnusableInput: one is not a time stamp, or has no time of day.
        """
        return [self._instant(row, text) for row, text in enumerate(texts)]

    def told(self, moments: Sequence[datetime]) -> dict[str, NDArray[Any]]:
        """Returns what `instants` returns in a model's words: `day_of_week` is 0 for Monday to 6."""
        return {
            "day_of_week": np.array([moment.weekday() for moment in moments], dtype=np.float64),
            "season": np.array([self._seasons[moment.month] for moment in moments], dtype=object),
            "day_time": np.array([self._parts[moment.hour] for moment in moments], dtype=object),
        }

    def apply(self, columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Makes the features of times."""
        return self.told(self.instants(columns[TIME]))

    def _instant(self, row: int, text: Any) -> datetime:
        try:
            text = normalise(text)
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None:
                # By way of UTC: a time that the clocks jumped over is one that they show.
                moment = moment.replace(tzinfo=self._zone).astimezone(UTC)
            moment = moment.astimezone(self._zone)
        except (ValueError, TypeError, AttributeError, OverflowError):
            raise UnusableInput(row, TIME, f"{text!r:.60} is not a time: write 2026-06-26T19:30:00") from None
        if len(text) <= _DATE_LENGTH:
            raise UnusableInput(row, TIME, f"{text!r} has no time of day: write {text}T19:30:00")
        return moment


def _seasons(seasons: Any) -> dict[int, str]:
    try:
        named = {month: name for name, months in seasons.items() for month in months}
        if sorted(month for months in seasons.values() for month in months) == list(range(1, 13)):
            return named
    except (AttributeError, TypeError):
        pass
    raise refused_parameter("times", "seasons", seasons, "names with the months 1 to 12, each once")


def _parts(day_times: Any) -> list[str]:
    """Returns the part of the day of each hour."""
    try:
        begins = [hour for hour, _ in day_times]
        if (
            begins[0] == 0
            and all(type(hour) is int and isinstance(part, str) for hour, part in day_times)
            and all(first < second for first, second in pairwise([*begins, 24]))
        ):
            return [next(part for hour, part in reversed(day_times) if hour <= each) for each in range(24)]
    except (IndexError, TypeError, ValueError):
        pass
    raise refused_parameter("times", "day_times", day_times, "hours from 0 on that rise, each with a name")


TRANSFORM = Times
