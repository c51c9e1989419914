"""What a bar is: the items of a row of the exchange, their order, and the columns that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from stepkit.errors import InvalidRow

Interval = Literal["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d"]
_MINUTE = 60_000
LENGTHS: dict[str, int] = {
    **{f"{minutes}m": minutes * _MINUTE for minutes in (1, 3, 5, 15, 30)},
    **{f"{hours}h": hours * 60 * _MINUTE for hours in (1, 2, 4, 6, 8, 12)},
    "1d": 24 * 60 * _MINUTE,
}
"""Milliseconds of each interval."""
COLUMNS = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "trades"),
    *("taker_volume", "taker_quote_volume"),
)
"""A row's items, by the names that they have in our table; the twelfth says nothing."""
_TIMES = (COLUMNS.index("open_time"), COLUMNS.index("close_time"))
_TRADES = COLUMNS.index("trades")
_ITEMS = len(COLUMNS) + 1
_DIGITS = Decimal(10) ** 12
_LONGEST_AMOUNT = 40
_LEAST_EXPONENT = -20
LAST_TIME = 253_402_300_799_999
"""The end of the year 9999: Python holds no later time."""
_MOST_WHOLE = 2**63 - 1


@dataclass(frozen=True)
class Bar:
    """One bar; times are milliseconds since 1970, amounts as exact as the exchange sent them."""

    open_time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    close_time: int
    quote_volume: Decimal
    trades: int
    taker_volume: Decimal
    taker_quote_volume: Decimal

    def fields(self) -> list[Any]:
        """Returns the values of `COLUMNS`, as Postgres reads them."""
        values: list[Any] = [getattr(self, name) for name in COLUMNS]
        for at in _TIMES:
            values[at] = moment(values[at]).isoformat(timespec="milliseconds")
        return values


def parse(row: Any, interval: str) -> Bar:
    """Returns the bar of a row of the exchange.

    Raises:
        InvalidRow: it has other items, or they are not bar of that interval.
    """
    if not isinstance(row, list) or len(row) != _ITEMS:
        raise InvalidRow(f"has {len(row) if isinstance(row, list) else 'no'} items; a bar has {_ITEMS}")
    values: dict[str, Any] = {}
    for at, (name, item) in enumerate(zip(COLUMNS, row, strict=False)):
        values[name] = _whole(name, item) if at in (*_TIMES, _TRADES) else _amount(name, item)
    bar = Bar(**values)
    if not bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high:
        raise InvalidRow(f"{bar.low} and high {bar.high} do not hold open and close", "low")
    if bar.close_time > LAST_TIME:
        raise InvalidRow(f"{bar.close_time} is after the year 9999", "close_time")
    if bar.open_time % LENGTHS[interval] or bar.close_time != bar.open_time + LENGTHS[interval] - 1:
        raise InvalidRow(f"{bar.open_time} to {bar.close_time} is not a {interval}", "open_time")
    return bar


def moment(milliseconds: int) -> datetime:
    """Returns the time of milliseconds since 1970, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _whole(name: str, item: Any) -> int:
    if not isinstance(item, int) or isinstance(item, bool) or not 0 <= item <= _MOST_WHOLE:
        raise InvalidRow(f"{str(item)[:100]!r} is not a whole number from 0 to {_MOST_WHOLE}", name)
    return item


def _amount(name: str, item: Any) -> Decimal:
    try:
        is_short = isinstance(item, str) and len(item) <= _LONGEST_AMOUNT
        amount = Decimal(item) if is_short else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < _LEAST_EXPONENT or not 0 <= amount < _DIGITS:
        raise InvalidRow(f"{str(item)[:100]!r} is not an amount of at least 0", name)
    return amount
