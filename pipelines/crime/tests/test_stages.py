"""Each stage of the preprocessing: what it learns from train rows, and what it makes of both sides."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bundle import Feature
from bundle.preprocessing import Preprocessing
from crime import balance_data, encode_data, extract_features, process_outliers, scale_data, split_data
from crime.fitted import Bounds, Encoding
from crime.schema import CATEGORIES, NUMBERS
from crime.tests.rows import enriched
from stepkit.errors import InvalidInput


def test_sides_have_the_same_share_of_arrests_and_one_row_in_five_is_for_testing() -> None:
    rows = split_data.stratified(enriched(20_000), 0.2)
    shares = rows.train["arrest"].mean(), rows.test["arrest"].mean()
    assert shares[0] == pytest.approx(shares[1], abs=0.5 / len(rows.test))
    assert len(rows.test) / 20_000 == pytest.approx(0.2, abs=0.02)
    assert not set(rows.train["id"]) & set(rows.test["id"])


def test_a_side_is_the_same_in_every_window_and_whoever_was_arrested() -> None:
    """What one model was fitted on is a test row of no other."""
    crimes = enriched(9000)
    first = split_data.stratified(crimes.iloc[:6000], 0.2)
    moved = crimes.iloc[2000:].assign(arrest=lambda rows: np.roll(rows["arrest"], 7))
    second = split_data.stratified(moved.sample(frac=1, random_state=1), 0.2)
    assert not set(first.train["id"]) & set(second.test["id"])
    assert not set(second.train["id"]) & set(first.test["id"])


def test_by_time_all_test_rows_are_later() -> None:
    rows = split_data.by_time(enriched(5000), 0.2)
    assert rows.test["occurred_at"].min() > rows.train["occurred_at"].max()
    assert len(rows.test) / 5000 == pytest.approx(0.2, abs=0.01)


def test_outliers_are_held_at_fences_and_what_is_skewed_gets_a_logarithm() -> None:
    skewed = pd.Series([*np.random.default_rng(0).lognormal(6, 1, 1000), 1e9, np.nan], name="metres")
    found = process_outliers.learn(skewed, 3.0)
    assert found.high < 1e6
    assert found.low == skewed.min()
    assert found.log
    assert found.imputed == skewed.median()
    held = found.apply(pd.Series([np.nan, 1e12, -5.0]))
    assert held.tolist() == [np.log1p(found.imputed), np.log1p(found.high), np.log1p(found.low)]


def test_numbers_below_zero_or_without_spread_keep_their_range_and_get_no_logarithm() -> None:
    below = process_outliers.learn(pd.Series([-9.0, -1.0, -1.0, -1.0]), 3.0)
    assert (below.low, below.high, below.log) == (-9.0, -1.0, False)
    with pytest.raises(InvalidInput, match="column latitude is missing in every train row"):
        process_outliers.learn(pd.Series([np.nan], name="latitude"), 3.0)


def test_frequent_values_get_a_column_and_all_others_none() -> None:
    values = pd.Series(["THEFT"] * 60 + ["BATTERY"] * 39 + ["ARSON", None], dtype="str")
    found = encode_data.learn(values, 0.05)
    assert found == Encoding("THEFT", ["BATTERY", "THEFT"])
    columns = found.apply("kind", pd.Series(["BATTERY", "ARSON", None], dtype="str"))
    assert columns["kind=BATTERY"].tolist() == [1, 0, 0]
    assert columns["kind=THEFT"].tolist() == [0, 0, 1], "a missing value is the most frequent one"


def test_numbers_are_scaled_by_the_train_side() -> None:
    train = enriched(500).assign(**dict.fromkeys(NUMBERS[:1], 3.0))[list(NUMBERS)].fillna(0)
    scales = scale_data.learn(train)
    scaled = scale_data.scaled(train, scales)
    assert scaled["latitude"].mean() == pytest.approx(0, abs=1e-9)
    assert scaled["latitude"].std(ddof=0) == pytest.approx(1)
    assert scaled["day_of_week"].eq(0).all(), "what never differs is only moved"


def prepared(rows: int) -> pd.DataFrame:
    crimes = enriched(rows)
    bounds = {name: process_outliers.learn(crimes[name], 3.0) for name in NUMBERS}
    encodings = {name: encode_data.learn(crimes[name], 0.005) for name in CATEGORIES}
    return encode_data.encoded(process_outliers.bounded(crimes, bounds), encodings)


def test_arrests_are_added_the_rest_thinned_out_and_weights_take_it_back() -> None:
    train = prepared(4000)
    rows, fitted = balance_data.balance(train, 0.5, 0.8, seed=1)
    arrests, others = (rows["arrest"] == 1).sum(), (rows["arrest"] == 0).sum()
    assert arrests / others == pytest.approx(0.8, abs=0.01)
    assert arrests == pytest.approx(0.5 * (train["arrest"] == 0).sum(), abs=1)
    assert "id" not in rows
    real, balanced = train["arrest"].mean(), rows["arrest"].mean()
    none, arrest = fitted["class_weights"]
    assert balanced * arrest / (balanced * arrest + (1 - balanced) * none) == pytest.approx(real)
    again, _ = balance_data.balance(train, 0.5, 0.8, seed=1)
    pd.testing.assert_frame_equal(rows, again)


def test_what_is_balanced_already_stays() -> None:
    train = prepared(1000)
    rows, fitted = balance_data.balance(train, 0.01, 0.02, seed=1)
    assert len(rows) == len(train)
    assert fitted["class_weights"] == [1.0, 1.0]


def test_too_few_arrests_are_refused() -> None:
    train = prepared(200).assign(arrest=[1] * 5 + [0] * 195)
    with pytest.raises(InvalidInput, match="only 5 train rows have an arrest"):
        balance_data.balance(train, 0.5, 0.8, seed=1)


def test_what_says_most_is_kept_with_the_values_that_stand_for_missing_ones() -> None:
    train = prepared(6000).drop(columns="id")
    information = extract_features.measure(train, 20_000, seed=0)
    assert max(information, key=lambda name: information[name]) == "primary_type=NARCOTICS"
    kept = extract_features.select(information, 1, {"primary_type": "THEFT", "season": "Summer"})
    assert kept == [*NUMBERS, "primary_type=NARCOTICS", "primary_type=THEFT", "season=Summer"]


def test_bounds_apply_as_the_bundle_does() -> None:
    values = np.array([np.nan, 0.0, 50.0, 1e9])
    feature = Feature("metres", "number", imputed=7.0, low=1.0, high=100.0, log=True)
    matrix, _ = Preprocessing([feature]).apply({"metres": values})
    assert (matrix[:, 0] == Bounds(7.0, 1.0, 100.0, log=True).apply(pd.Series(values))).all()
