"""Features of bars: those of a short series are those of the whole history, and none sees the future."""

from __future__ import annotations

import csv
import gzip
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from bundle.transforms.bars import (
    FEATURES,
    FIELDS,
    LEAST_BARS,
    Bars,
    UnusableBars,
    bars_of,
    check,
    features,
)

HOUR = 3_600_000
FILE = Path(__file__).resolve().parents[3] / "sources/binance/data/btcusdt_1h_2023_to_2025-06.csv.gz"


def cut(bars: Bars, first: int, behind: int) -> Bars:
    """Some of the bars, in memory of their own."""
    return {name: values[first:behind].copy() for name, values in bars.items()}


@pytest.fixture(scope="module")
def history() -> Bars:
    """Three thousand real hours, among them the one that is missing."""
    with gzip.open(FILE, "rt", newline="") as text:
        lines = [line for _, line in zip(range(3000), csv.DictReader(text), strict=False)]
    rows = [
        {**line, "open_time": datetime.fromisoformat(line["timestamp"]).timestamp() * 1000} for line in lines
    ]
    return bars_of(rows)


def test_bar_by_bar_equal(history: Bars) -> None:
    whole = features(history)
    rows = len(history["close"]) - LEAST_BARS + 1
    alone = [features(cut(history, row, row + LEAST_BARS)) for row in range(rows)]
    for name in FEATURES:
        assert np.array_equal(whole[name], [window[name][0] for window in alone]), name


def test_the_future_changes_no_feature(history: Bars) -> None:
    end = 1500
    before = features(cut(history, 0, end))
    shifted = {name: values.copy() for name, values in history.items()}
    for name in FIELDS[1:]:
        shifted[name][end:] = np.roll(shifted[name][end:], 7) * 1.5
    after = features(shifted)
    known = end - LEAST_BARS + 1
    for name in FEATURES:
        assert np.array_equal(before[name], after[name][:known]), name
    assert not np.array_equal(features(history)["return_1"][known:], after["return_1"][known:])


def test_every_feature_is_finite_and_free_of_the_price_level(history: Bars) -> None:
    values = features(history)
    dear = features({name: column * (4 if name in FIELDS[1:5] else 1) for name, column in history.items()})
    for name in FEATURES:
        assert np.isfinite(values[name]).all(), name
        np.testing.assert_allclose(values[name], dear[name], rtol=1e-7, atol=1e-9, err_msg=name)


def test_a_market_that_stands_still_has_features() -> None:
    still = {name: np.full(LEAST_BARS, 5.0) for name in FIELDS}
    still["open_time"] = np.arange(LEAST_BARS) * float(HOUR)
    still["volume"] = np.zeros(LEAST_BARS)
    assert check(still, HOUR) == 0
    assert all(np.isfinite(values).all() for values in features(still).values())


def test_hour_and_weekday(history: Bars) -> None:
    values = features(cut(history, 0, LEAST_BARS))
    # The 120th hour from Sunday 2023-01-01 on.
    assert (values["hour"][0], values["weekday"][0]) == (23, 3)


def test_missing_hours_are_counted(history: Bars) -> None:
    assert check(history, HOUR) == 1


@pytest.mark.parametrize(
    ("name", "at", "value", "sentence"),
    [
        ("low", 3, 10.0**9, "bar 3 is invalid"),
        ("close", 4, -1.0, "bar 4 is invalid"),
        ("open", 0, np.nan, "bar 0 is invalid"),
        ("volume", 5, np.inf, "bar 5 is invalid"),
        ("open_time", 6, 0.0, "bar 6 opens"),
        ("open_time", 7, 1672531200000.0 + 7 * HOUR + 1, "bar 7 opens"),
    ],
)
def test_what_is_no_bar_is_refused(history: Bars, name: str, at: int, value: float, sentence: str) -> None:
    bars = cut(history, 0, LEAST_BARS)
    bars[name][at] = value
    with pytest.raises(UnusableBars, match=sentence):
        check(bars, HOUR)


def test_too_few_bars_are_refused(history: Bars) -> None:
    with pytest.raises(UnusableBars, match="119 bars are too few: the features need 120"):
        features(cut(history, 0, LEAST_BARS - 1))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"close": None}, "bar 1: close is None"), ({"close": "dear"}, "bar 1: close is 'dear'")],
)
def test_what_is_no_number_is_refused(change: dict[str, object], sentence: str) -> None:
    row: dict[str, object] = dict.fromkeys(FIELDS, "1.5")
    with pytest.raises(UnusableBars, match=sentence):
        bars_of([row, row | change])
    with pytest.raises(UnusableBars, match="bar 0 has no volume"):
        bars_of([dict.fromkeys(FIELDS[:-1], 1)])
