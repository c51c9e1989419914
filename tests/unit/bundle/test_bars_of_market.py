"""What each feature of bars is by its name, and what the transform says beside the features."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from talib import abstract

from bundle import BundleError
from bundle.transforms.bars import (
    FEATURES,
    FIELDS,
    LEAST_BARS,
    Bars,
    BarsOfMarket,
    UnusableBars,
    bars_of,
    check,
    features,
)

HOUR = 3_600_000
START = 1_704_067_200_000
"""Monday, 2024-01-01, in milliseconds."""
PARAMETERS = {"symbol": "BTCUSDT", "interval": "1h", "interval_ms": HOUR, "horizon": 3}


def walk(count: int = LEAST_BARS) -> list[dict[str, float]]:
    """Bars of a price that goes up and down by chance."""
    draw = np.random.default_rng(5)
    closes = 100 * np.exp(draw.normal(0, 0.01, count + 1).cumsum())
    opens, closes = closes[:-1], closes[1:]
    highs = np.maximum(opens, closes) * (1 + draw.uniform(0, 0.004, count))
    lows = np.minimum(opens, closes) * (1 - draw.uniform(0, 0.004, count))
    times = START + HOUR * np.arange(count, dtype=float)
    columns = zip(times, opens, highs, lows, closes, draw.uniform(1, 9, count), strict=True)
    return [dict(zip(FIELDS, map(float, bar), strict=True)) for bar in columns]


def indicator(name: str, bars: Bars, place: int | None = None, **parameters: Any) -> float:
    """The last value of TA-Lib's indicator of that name."""
    given = {each: bars[each] for each in FIELDS[1:]}
    found = abstract.Function(name)(given, **parameters)
    return float((found if place is None else found[place])[-1])


def test_each_feature_is_what_its_name_says() -> None:
    bars = bars_of(walk())
    close, last = bars["close"], {name: values[-1] for name, values in bars.items()}
    moves = np.diff(np.log(close))
    expected = {f"return_{back}": np.log(close[-1] / close[-1 - back]) for back in (1, 2, 3, 6, 12, 24, 48)}
    expected |= {
        "rsi_6": indicator("RSI", bars, timeperiod=6),
        "rsi_14": indicator("RSI", bars, timeperiod=14),
        "macd_histogram": indicator("MACD", bars, 2, fastperiod=12, slowperiod=26, signalperiod=9)
        / close[-1],
        "bollinger_20": (close[-1] - close[-20:].mean()) / (4 * close[-20:].std()),
        "natr_14": indicator("NATR", bars, timeperiod=14),
        "adx_14": indicator("ADX", bars, timeperiod=14),
        "stochastic_14": 100
        * (close[-1] - bars["low"][-14:].min())
        / (bars["high"][-14:].max() - bars["low"][-14:].min()),
        "williams_24": -100
        * (bars["high"][-24:].max() - close[-1])
        / (bars["high"][-24:].max() - bars["low"][-24:].min()),
        "cci_20": indicator("CCI", bars, timeperiod=20),
        "mfi_14": indicator("MFI", bars, timeperiod=14),
        "volume_ratio_24": np.log(1 + last["volume"] / bars["volume"][-24:].mean()),
        "body": (last["close"] - last["open"]) / (last["high"] - last["low"]),
        "deviation_6": moves[-6:].std(),
        "deviation_48": moves[-48:].std(),
        "below_high_48": np.log(close[-1] / bars["high"][-48:].max()),
        "above_low_48": np.log(close[-1] / bars["low"][-48:].min()),
        "hour": 23,
        "weekday": 4,
    }
    made = features(bars)
    assert tuple(made) == FEATURES == tuple(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(made[name], [value], rtol=1e-9, err_msg=name)


def test_the_last_of_many_bars_has_features_and_facts() -> None:
    rows = walk(LEAST_BARS + 30)
    found = BarsOfMarket(PARAMETERS).apply(rows)
    expected = features(bars_of(rows[-LEAST_BARS:]))
    assert {name: value.tolist() for name, value in found.columns.items()} == {
        name: value.tolist() for name, value in expected.items()
    }
    assert found.facts == {
        "open_time": datetime(2024, 1, 7, 5, tzinfo=UTC),
        "predicts_until": datetime(2024, 1, 7, 9, tzinfo=UTC),
        "symbol": "BTCUSDT",
        "interval": "1h",
        "missing_bars": 0,
    }
    assert found.facts.keys() == BarsOfMarket.facts.keys()
    del rows[-5:-3]
    assert BarsOfMarket(PARAMETERS).apply(rows).facts["missing_bars"] == 2


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"symbol": ...}, " lacks symbol"),
        ({"interval": ...}, " lacks interval"),
        ({"interval_ms": ...}, " lacks interval_ms"),
        ({"horizon": "x"}, ": horizon is 'x': it must be bars of at most 364 days"),
        ({"horizon": None}, ": horizon is None: it must be bars of at most 364 days"),
        ({"interval_ms": float("inf")}, ": interval_ms is inf: it must be at most 364 days"),
    ],
)
def test_parameters_that_are_none_are_refused(change: dict[str, Any], problem: str) -> None:
    parameters = {name: value for name, value in {**PARAMETERS, **change}.items() if value is not ...}
    with pytest.raises(BundleError) as refused:
        BarsOfMarket(parameters)
    assert str(refused.value) == f"contract.json: the transform bars{problem}"


def test_stored_bars_of_another_market_are_objected_to() -> None:
    transform = BarsOfMarket(PARAMETERS)
    assert transform.objection({"symbol": "BTCUSDT", "interval": "1h", "bars": []}) is None
    assert transform.objection({"symbol": "ETHUSDT", "interval": "1h"}) == (
        "The stored bars are of ETHUSDT 1h, the model is of BTCUSDT 1h."
    )
    assert transform.objection({"symbol": "BTCUSDT"}) == (
        "The stored bars are of BTCUSDT None, the model is of BTCUSDT 1h."
    )


def refusal(rows: Sequence[dict[str, Any]]) -> str:
    with pytest.raises(UnusableBars) as refused:
        check(bars_of(rows), HOUR)
    return str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        {"low": 0.0, "open": 0.0},
        {"high": 99.0},
        {"low": 101.0},
        {"volume": -0.1},
        {"volume": float("nan")},
        {"close": float("inf"), "high": float("inf")},
    ],
)
def test_a_bar_that_is_none_is_named(change: dict[str, float]) -> None:
    sound = {
        "open_time": float(START),
        "open": 100.0,
        "high": 100.0,
        "low": 100.0,
        "close": 100.0,
        "volume": 0.0,
    }
    following = [{**sound, "open_time": START + HOUR * at} for at in (1, 2)]
    assert check(bars_of([sound, *following]), HOUR) == 0
    following[0] |= change
    assert refusal([sound, *following]) == (
        "bar 1 is invalid: its prices must be positive and within low and high, its volume at least 0"
    )


@pytest.mark.parametrize(("hours", "missing"), [([0, 1, 2], 0), ([0, 1, 4], 2), ([0, 3, 5], 3)])
def test_bars_that_are_missing_are_counted(hours: list[float], missing: int) -> None:
    rows = [{**bar, "open_time": START + HOUR * at} for bar, at in zip(walk(), hours, strict=False)]
    assert check(bars_of(rows), HOUR) == missing
    for wrong, said in ((0.0, "0"), (-1.0, "-1"), (1.5, "1.5")):
        moved = [*rows[:2], {**rows[2], "open_time": rows[1]["open_time"] + HOUR * wrong}]
        assert refusal(moved) == (
            f"bar 2 opens {said} bars after bar 1: give bars of 3600 s, the oldest first, each once"
        )


def test_a_field_that_is_absent_is_named() -> None:
    row: dict[str, Any] = walk()[0]
    with pytest.raises(UnusableBars) as refused:
        bars_of([row, {name: value for name, value in row.items() if name != "high"}])
    fields = "open_time, open, high, low, close, volume"
    assert str(refused.value) == f"bar 1 has no high: a bar has {fields}"
    with pytest.raises(UnusableBars) as refused:
        bars_of([row, {**row, "volume": "x"}])
    assert str(refused.value) == "bar 1: volume is 'x', which is not a number"
