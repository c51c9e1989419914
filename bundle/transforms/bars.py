"""From price bars to features, for training and for serving: the same code on the same number of bars.

The features of a bar are made from the `LEAST_BARS` bars that end with it and from nothing else. Indicators
such as RSI remember all that they were ever given, and TA-Lib's running sums round by where they began: only
a window of fixed length gives the last bar of a short series what it gets within a long one, to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

import numpy as np
import talib
from numpy.typing import NDArray

from bundle.errors import BundleError
from bundle.transforms import (
    Input,
    Kind,
    OfSeries,
    SeriesTransform,
    UnusableSeries,
    refused_parameter,
)

LEAST_BARS = 120
"""Bars that the features of the last of them need. After so many, MACD's 26-bar mean has forgotten all but
one part in 10,000 of where it began."""
FIELDS = ("open_time", "open", "high", "low", "close", "volume")
"""What a bar must have; `open_time` in milliseconds since 1970."""
RETURNS = (1, 2, 3, 6, 12, 24, 48)
FEATURES = (
    *(f"return_{bars}" for bars in RETURNS),
    *("rsi_6", "rsi_14", "macd_histogram", "bollinger_20", "natr_14", "adx_14", "stochastic_14"),
    *("williams_24", "cci_20", "mfi_14", "volume_ratio_24", "body", "deviation_6", "deviation_48"),
    *("below_high_48", "above_low_48", "hour", "weekday"),
)
"""The names of the features, in the order of a model's columns. None depends on the level of the price."""

Bars = Mapping[str, NDArray[np.float64]]
"""One array of equal length for each of `FIELDS`, in the order of the times."""

_LONGEST = 364 * 86_400_000
"""How far a prediction may look ahead, in milliseconds: within the year 9999 at the latest."""
_LAST_MOMENT = 253_370_764_800_000
"""The beginning of the year 9999: what is predicted from a later one on may have no date."""
_HOUR = 3_600_000
_DAY = 24 * _HOUR


class UnusableBars(UnusableSeries):
    """The bars are too few, out of order, or no bars; the sentence names the bar, counted from 0."""


def bars_of(rows: Sequence[Mapping[str, Any]]) -> Bars:
    """Returns bars that were given one after the other as the arrays that the other functions take.

    Raises:
        UnusableBars: a bar lacks a field, or one is not a finite number.
    """
    columns = {name: np.empty(len(rows)) for name in FIELDS}
    for at, row in enumerate(rows):
        for name in FIELDS:
            try:
                columns[name][at] = float(row[name])
            except KeyError:
                raise UnusableBars(f"bar {at} has no {name}: a bar has {', '.join(FIELDS)}") from None
            except (TypeError, ValueError):
                raise UnusableBars(f"bar {at}: {name} is {row[name]!r}, which is not a number") from None
    return columns


def check(bars: Bars, interval_ms: int) -> int:
    """Checks bars, and returns how many are missing between them, as when the exchange stood still.

    Args:
        bars: any number.
        interval_ms: the length of a bar.

    Raises:
        UnusableBars: a number is not finite, a price not positive or outside low and high, a volume negative,
            or the times do not rise by whole bars.
    """
    price = np.stack([bars[name] for name in ("open", "high", "low", "close")])
    inside = (
        (bars["low"] <= price.min(axis=0)) & (bars["high"] >= price.max(axis=0)) & (price > 0).all(axis=0)
    )
    sound = inside & np.isfinite(price).all(axis=0) & np.isfinite(bars["volume"]) & (bars["volume"] >= 0)
    if not sound.all():
        at = int(np.argmin(sound))
        raise UnusableBars(
            f"bar {at} is invalid: its prices must be positive and within low and high, its volume at least 0"
        )
    steps = np.diff(bars["open_time"]) / interval_ms
    wrong = np.flatnonzero(~((steps >= 1) & (steps == np.floor(steps))))
    if wrong.size:
        at = int(wrong[0])
        raise UnusableBars(
            f"bar {at + 1} opens {steps[at]:g} bars after bar {at}: give bars of {interval_ms // 1000} s,"
            " the oldest first, each once"
        )
    return int(steps.sum()) - len(steps)


def features(bars: Bars) -> dict[str, NDArray[np.float64]]:
    """Returns the features of every bar that has `LEAST_BARS - 1` bars before it, by name.

    Args:
        bars: sound ones, see `check`.

    Raises:
        UnusableBars: they are fewer than `LEAST_BARS`.
    """
    rows = len(bars["close"]) - LEAST_BARS + 1
    if rows < 1:
        raise UnusableBars(f"{len(bars['close'])} bars are too few: the features need {LEAST_BARS}")
    series = [np.ascontiguousarray(bars[name], dtype=np.float64) for name in FIELDS]
    matrix = np.empty((rows, len(FEATURES)))
    for row in range(rows):
        matrix[row] = _of_window(*(values[row : row + LEAST_BARS] for values in series))
    return dict(zip(FEATURES, matrix.T.copy(), strict=True))


def _of_window(
    times: NDArray[np.float64],
    opens: NDArray[np.float64],
    highs: NDArray[np.float64],
    lows: NDArray[np.float64],
    closes: NDArray[np.float64],
    volumes: NDArray[np.float64],
) -> list[float]:
    """Returns the features of the last bar of a window, in the order of `FEATURES`."""
    close = closes[-1]
    moves = np.log(closes[-49:])
    moves = moves[1:] - moves[:-1]
    upper, middle, lower = talib.BBANDS(closes, 20)
    recent = volumes[-24:].mean()
    moment = int(times[-1])
    return [
        *(np.log(close / closes[-1 - bars]) for bars in RETURNS),
        talib.RSI(closes, 6)[-1],
        talib.RSI(closes, 14)[-1],
        talib.MACD(closes, 12, 26, 9)[2][-1] / close,
        _share(close - middle[-1], upper[-1] - lower[-1]),
        talib.NATR(highs, lows, closes, 14)[-1],
        talib.ADX(highs, lows, closes, 14)[-1],
        talib.STOCHF(highs, lows, closes, 14, 3)[0][-1],
        talib.WILLR(highs, lows, closes, 24)[-1],
        talib.CCI(highs, lows, closes, 20)[-1],
        talib.MFI(highs, lows, closes, volumes, 14)[-1],
        np.log1p(_share(volumes[-1], recent)),
        _share(close - opens[-1], highs[-1] - lows[-1]),
        moves[-6:].std(),
        moves[-48:].std(),
        np.log(close / highs[-48:].max()),
        np.log(close / lows[-48:].min()),
        moment % _DAY // _HOUR,
        (moment // _DAY + 3) % 7,
    ]


def _share(part: float, whole: float) -> float:
    """Returns part of whole; 0 where a price or a volume stood still."""
    return part / whole if whole > 0 else 0.0


class BarsOfMarket(SeriesTransform):
    """Makes the features of the last of some bars of one market.

    Args:
        parameters: `symbol`, `interval`, its length `interval_ms`, and `horizon`, the number of bars that a
            prediction looks ahead.
    """

    name = "bars"
    item = "bar"
    inputs = (
        Input("open_time", "integer", "Milliseconds since 1970.", at_least=0, at_most=_LAST_MOMENT),
        *(Input(name, "number", "", above=0) for name in ("open", "high", "low", "close")),
        Input("volume", "number", "", at_least=0),
    )
    outputs: ClassVar[Mapping[str, Kind]] = dict.fromkeys(FEATURES, "number")
    least = LEAST_BARS
    facts: ClassVar[Mapping[str, tuple[type, str]]] = {
        "open_time": (datetime, "When the bar opened that the prediction stands on."),
        "predicts_until": (datetime, "The close that the prediction is about."),
        "symbol": (str, ""),
        "interval": (str, ""),
        "missing_bars": (int, "Bars that are missing among those the features are made of."),
    }

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        names = ("symbol", "interval", "interval_ms", "horizon")
        if absent := [name for name in names if name not in parameters]:
            raise BundleError(f"contract.json: the transform bars lacks {', '.join(absent)}")
        self._symbol, self._interval, self._length, self._horizon = (parameters[name] for name in names)
        for name, text in zip(names, (self._symbol, self._interval), strict=False):
            if not isinstance(text, str):
                raise refused_parameter("bars", name, text, "a text")
        if type(self._length) is not int or not 0 < self._length <= _LONGEST:
            raise refused_parameter("bars", "interval_ms", self._length, "at most 364 days")
        if type(self._horizon) is not int or not 0 <= self._horizon < _LONGEST // self._length:
            raise refused_parameter("bars", "horizon", self._horizon, "bars of at most 364 days")

    def apply(self, items: Sequence[Mapping[str, Any]]) -> OfSeries:
        """Makes the features of the last bar; the oldest of more than `least` bars count for nothing."""
        bars = bars_of(items[-LEAST_BARS:])
        missing = check(bars, self._length)
        columns = features(bars)
        opened = int(bars["open_time"][-1])
        facts = {
            "open_time": _moment(opened),
            "predicts_until": _moment(opened + (self._horizon + 1) * self._length),
            "symbol": self._symbol,
            "interval": self._interval,
            "missing_bars": missing,
        }
        return OfSeries(columns, facts)

    def objection(self, stored: Mapping[str, Any]) -> str | None:
        """Returns why stored bars are not of this market; None where they are."""
        found = stored.get("symbol"), stored.get("interval")
        if found == (self._symbol, self._interval):
            return None
        return (
            f"The stored bars are of {found[0]} {found[1]}, the model is of {self._symbol} {self._interval}."
        )


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


TRANSFORM = BarsOfMarket
