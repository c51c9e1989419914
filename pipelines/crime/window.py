"""Which months are downloaded. A month is complete when the source has shown all of its days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from crime.schema import CHICAGO

WITHHELD_DAYS = 7
"""The portal shows a crime a week after its day."""


@dataclass(frozen=True)
class Window:
    """Whole months: `first` is the first day, `end` the day after the last."""

    first: date
    end: date

    @classmethod
    def before(cls, now: datetime, months: int) -> Window:
        """Returns the last complete months before a time of the source."""
        shown = now.astimezone(CHICAGO).date() - timedelta(days=WITHHELD_DAYS)
        end = (shown + timedelta(days=1)).replace(day=1)
        first = end.year * 12 + end.month - 1 - months
        return cls(date(first // 12, first % 12 + 1, 1), end)

    @property
    def last_day(self) -> date:
        """The last day of the last month."""
        return self.end - timedelta(days=1)

    def condition(self) -> str:
        """Returns the SoQL condition that a crime's date is in the window."""
        return f"date >= '{self.first}T00:00:00' AND date < '{self.end}T00:00:00'"

    def news(self, since: Window, updated_on: datetime) -> str:
        """Returns in SoQL what a window that was downloaded before lacks: new months, and corrected rows.

        Args:
            since: the window before.
            updated_on: the newest `updated_on` of its rows, by Chicago's clocks. Rows of just that refresh
                are asked for again, as it may have been read before it was complete.
        """
        new = f"date >= '{since.end}T00:00:00'"
        corrected = f"updated_on >= '{updated_on.isoformat(timespec='milliseconds')}'"
        return f"{self.condition()} AND ({new} OR {corrected})"

    def follows(self, since: Window) -> bool:
        """Returns whether all that lacks since another window is news: it reaches as far back, or further."""
        return since.first <= self.first <= since.end <= self.end
