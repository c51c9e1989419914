"""The hourly bars of the file, as they stand at a moment, and longer bars made from them."""

import csv
import gzip
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby, islice
from pathlib import Path

from binance.intervals import HOUR, LENGTHS, bounds

BARS_FILE = Path(__file__).parent / "data" / "btcusdt_1h_2023_to_2025-06.csv.gz"
SYMBOL = "BTCUSDT"
_HEADER = ["symbol", "interval", "timestamp", "open", "high", "low", "close", "volume", "quote_volume"]


@dataclass(frozen=True)
class Bar:
    """One bar; times are milliseconds since 1970."""

    open_time: int
    next_time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int

    def at(self, now: int) -> "Bar":
        """Returns the bar as it stands at a moment within it.

        What happened within the hour the file does not say: the price goes straight from open to close, and
        all else grows with the time.
        """
        share = Decimal(now - self.open_time) / (self.next_time - self.open_time)
        close = self.open + (self.close - self.open) * share
        top, bottom = max(self.open, self.close), min(self.open, self.close)
        return Bar(
            self.open_time,
            self.next_time,
            self.open,
            max(self.open, close) + (self.high - top) * share,
            min(self.open, close) - (bottom - self.low) * share,
            close,
            self.volume * share,
            self.quote_volume * share,
            int(self.trades * share),
        )


class Bars:
    """The bars of the one symbol that the server knows."""

    def __init__(self, path: Path = BARS_FILE) -> None:
        """Reads the whole file.

        Raises:
            ValueError: it is not a gzipped CSV of hourly bars in the order of their times.
        """
        with gzip.open(path, "rt", newline="") as text:
            lines = csv.reader(text)
            if next(lines, [])[: len(_HEADER)] != _HEADER:
                raise ValueError(f"{path} does not begin with the columns {','.join(_HEADER)}")
            self._hours = [_bar(fields) for fields in lines]
        self._opens = [bar.open_time for bar in self._hours]
        if not self._opens or any(
            later - earlier < HOUR for earlier, later in zip(self._opens, self._opens[1:], strict=False)
        ):
            raise ValueError(f"{path} must hold hourly bars in the order of their times")

    def select(
        self,
        interval: str,
        now: int,
        *,
        start: int | None = None,
        end: int | None = None,
        limit: int = 500,
        offset: int = 0,
    ) -> list[Bar]:
        """Returns the bars that a request asks for, in the order of their times; the last may be unclosed.

        Args:
            interval: one of `INTERVALS`. Of those below an hour the file has nothing.
            now: the moment that the clock shows, in milliseconds since 1970.
            start: earliest open time; the oldest bars from there come first.
            end: latest open time; without a start, the newest bars up to it.
            limit: most bars.
            offset: of the zone in which days begin, in milliseconds.
        """
        if LENGTHS.get(interval, HOUR) < HOUR:
            return []
        last = now if end is None else min(now, end)
        first = 0 if start is None else bisect_left(self._opens, start)
        behind = bisect_right(self._opens, min(now, bounds(interval, last, offset)[1] - 1))
        if interval == "1h" and start is None:
            first = max(0, behind - limit)
        hours = (bar if bar.next_time <= now else bar.at(now) for bar in self._hours[first:behind])
        bars = (bar for bar in _longer(hours, interval, offset) if (start or 0) <= bar.open_time <= last)
        return list(islice(bars, limit)) if start is not None else list(bars)[-limit:]


def _longer(hours: Iterable[Bar], interval: str, offset: int) -> Iterator[Bar]:
    for (begin, behind), group in groupby(hours, lambda bar: bounds(interval, bar.open_time, offset)):
        parts = list(group)
        yield Bar(
            begin,
            behind,
            parts[0].open,
            max(part.high for part in parts),
            min(part.low for part in parts),
            parts[-1].close,
            sum((part.volume for part in parts), Decimal(0)),
            sum((part.quote_volume for part in parts), Decimal(0)),
            sum(part.trades for part in parts),
        )


def _bar(fields: list[str]) -> Bar:
    opened = int(datetime.fromisoformat(fields[2]).timestamp()) * 1000
    first, high, low, last, volume, quote_volume = map(Decimal, fields[3:9])
    return Bar(opened, opened + HOUR, first, high, low, last, volume, quote_volume, int(fields[9]))
