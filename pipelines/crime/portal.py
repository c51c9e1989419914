"""The two data sets of one portal: the crimes that a condition holds for, whole, and the police stations."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from crime import crimes_file
from crime.schema import KEY, RAW_COLUMNS, STATION_COLUMNS
from crime.soda import PAGE_ROWS, Refreshed, Soda
from stepkit.errors import Code, DependencyUnavailable, InvalidInput
from stepkit.refused_rows import RefusedRows

MAX_REFUSED_SHARE = 0.01
_BEGINNINGS = 3
_MOST_ROWS = 10_000_000
"""The portal has 8.5 million crimes of all years."""
_logger = logging.getLogger(__name__)
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Portal:
    """The two data sets of one portal."""

    soda: Soda
    crimes: str
    stations: str
    page_rows: int = PAGE_ROWS
    max_refused_share: float = MAX_REFUSED_SHARE

    def now(self) -> datetime:
        """Returns the time of the last refresh."""
        return self.soda.updated_at(self.crimes)

    def receive_crimes(self, condition: str, path: Path) -> RefusedRows:
        """Writes the crimes that a condition holds for to a file, and returns how many there were.

        Rows that are not crimes are counted and not written.

        Raises:
            DependencyUnavailable: the portal is refreshed again and again, or gives fewer rows than it
                counts.
            InvalidInput: too many rows are not crimes.
        """

        def received() -> RefusedRows:
            expected = self.soda.count(self.crimes, condition)
            if not 0 <= expected <= _MOST_ROWS:
                raise InvalidInput(
                    f"{self.crimes} counts {str(expected)[:30]} rows, more than the {_MOST_ROWS} that there"
                    " can be: check --crimes-dataset",
                    Code.SCHEMA_CHANGED,
                    file=self.crimes,
                )
            pages = self.soda.pages(self.crimes, RAW_COLUMNS, condition, KEY, self.page_rows)
            # One more than was counted is enough to know that there are more.
            rows = itertools.islice(itertools.chain.from_iterable(pages), expected + 1)
            found = crimes_file.write_rows(rows, path, RAW_COLUMNS, crimes_file.check)
            if found.read != expected:
                raise Refreshed(f"{self.crimes} counted {expected} rows and gave {found.read}")
            found.check(self.crimes, self.max_refused_share)
            return found

        return _repeated(received)

    def vanished(self, condition: str, ids: Collection[int]) -> list[int]:
        """Returns the crimes, by their ids, that the portal does not have where it had them.

        Args:
            condition: which all of them met, in SoQL.
            ids: of the crimes.

        Raises:
            DependencyUnavailable: see `receive_crimes`.
        """

        def there() -> set[int]:
            pages = self.soda.pages(self.crimes, [KEY], condition, KEY, self.page_rows)
            return {int(row[KEY]) for page in pages for row in page}

        return sorted(set(ids) - _repeated(there))

    def receive_stations(self, path: Path) -> int:
        """Writes the police stations to a file, and returns how many there were."""
        stations = self.soda.table(self.stations)
        if not stations:
            raise InvalidInput(
                f"{self.stations} has no police stations: check --stations-dataset",
                Code.EMPTY_INPUT,
                file=self.stations,
            )
        found = crimes_file.write_rows(stations, path, STATION_COLUMNS)
        # Of some twenty stations none may be left out: crimes are put to the nearest.
        found.check(self.stations, 0.0, always_taken=0)
        return found.read


def _repeated(received: Callable[[], _Result]) -> _Result:
    for _ in range(_BEGINNINGS):
        try:
            return received()
        except Refreshed as change:
            reason = str(change)
            _logger.warning("%s: the download begins again", reason)
    raise DependencyUnavailable(f"{reason}, {_BEGINNINGS} times over", Code.SOURCE_CHANGING)
