"""Rows for training: what they are made of, on which side they stand, and that none knows the future."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bitcoin.features import Featured, features, table_of
from bitcoin.load import load
from bitcoin.snapshot import (
    MOVE,
    OPEN_TIME,
    SIDE,
    TARGET,
    Series,
    Snapshot,
    fetch,
    sides,
    walk_forward,
)
from bitcoin.tests.markets import swinging
from bitcoin.tests.rows import HOUR, rows
from bundle.transforms.bars import FEATURES, FIELDS, LEAST_BARS, Bars, bars_of
from bundle.transforms.bars import features as features_of
from stepkit import postgres
from stepkit.errors import InvalidInput, NothingToDo
from stepkit.s3 import ObjectStore
from stepkit.settings import Run, Settings
from tests.roles import as_promotion

SERIES = Series("BTCUSDT", "1h", horizon=1, min_move=0.0, gap=24)


def bars(count: int = 400) -> Bars:
    names = ("open_time", "open", "high", "low", "close", "volume")
    return bars_of([dict(zip(names, row, strict=False)) for row in rows(count)])


@pytest.fixture
def settings(bitcoin_database: str) -> Callable[[str], Settings]:
    return lambda run_id: Settings(
        run=Run("training", run_id), database_url=bitcoin_database, model_name="bitcoin"
    )


@pytest.fixture
def loaded(settings: Callable[[str], Settings], bucket: str) -> None:
    uri = f"s3://{bucket}/bars.json"
    ObjectStore().put(uri, swinging(600).to_json())
    load(settings("ingest"), raw_uri=uri)


def test_a_row_is_a_bar_and_what_follows_it() -> None:
    made = bars()
    table = table_of(made, SERIES)
    assert len(table) == 400 - (LEAST_BARS - 1) - 1
    closes = made["close"]
    here = np.arange(LEAST_BARS - 1, 399)
    assert table[OPEN_TIME].tolist() == made["open_time"][here].tolist()
    np.testing.assert_array_equal(table[TARGET], (closes[here + 1] > closes[here]).astype(int))
    np.testing.assert_allclose(table[MOVE], np.log(closes[here + 1] / closes[here]))
    for name, column in features_of(made).items():
        np.testing.assert_array_equal(table[name], column[:-1])


@pytest.mark.parametrize("horizon", [1, 5])
def test_the_future_changes_no_feature_and_only_the_last_targets(horizon: int) -> None:
    series = dataclasses.replace(SERIES, horizon=horizon)
    made, known = bars(), 250
    other = {name: column.copy() for name, column in made.items()}
    for name in FIELDS[1:]:
        other[name][known:] = np.roll(other[name][known:], 11)
    before, after = table_of(made, series), table_of(other, series)
    rows_known = known - (LEAST_BARS - 1)
    pd.testing.assert_frame_equal(
        before.loc[: rows_known - 1, list(FEATURES)], after.loc[: rows_known - 1, list(FEATURES)]
    )
    same = before[MOVE].to_numpy() == after[MOVE].to_numpy()
    assert same[: rows_known - horizon].all()
    assert not same[rows_known - horizon : rows_known].any()


def test_no_row_where_bars_are_missing_between_it_and_its_target() -> None:
    made = bars()
    holed = {name: np.delete(column, [300, 301]) for name, column in made.items()}
    opens = table_of(holed, SERIES)[OPEN_TIME].tolist()
    assert made["open_time"][299] not in opens
    assert made["open_time"][298] in opens
    assert made["open_time"][302] in opens


def test_up_may_mean_more_than_the_costs() -> None:
    costly = dataclasses.replace(SERIES, min_move=0.002)
    table = table_of(bars(), costly)
    np.testing.assert_array_equal(table[TARGET], (table[MOVE] > 0.002).astype(int))
    assert table[TARGET].mean() < table_of(bars(), SERIES)[TARGET].mean()


def test_the_newest_rows_are_the_test_side_behind_a_gap() -> None:
    assert sides(10, 0.2, 3) == ["train"] * 5 + ["gap"] * 3 + ["test"] * 2


def test_a_walk_fits_on_the_past_alone_and_scores_each_row_once() -> None:
    stretches = walk_forward(100, 60, 4, 5)
    assert [(before.stop, stretch.start, stretch.stop) for before, stretch in stretches] == [
        (55, 60, 70),
        (65, 70, 80),
        (75, 80, 90),
        (85, 90, 100),
    ]


def test_features_of_the_table(settings: Callable[[str], Settings], loaded: None, bucket: str) -> None:
    found = features(settings("r1"), min_rows=100, bucket=bucket)
    total = 600 - LEAST_BARS
    assert isinstance(found, Featured)
    assert (found.rows, found.train_rows, found.test_rows) == (total, total - 96 - 24, 96)
    assert found.test_from == "2023-01-21T23:00:00+00:00"
    assert features(settings("r1"), min_rows=100, bucket=bucket) == found  # a retry
    latest = features(settings("r2"), min_rows=100, max_bars=300, bucket=bucket)
    assert latest.rows == 300 - LEAST_BARS


def test_a_longer_horizon_widens_the_gap(
    settings: Callable[[str], Settings], loaded: None, bucket: str, tmp_path: Path
) -> None:
    found = features(settings("r1"), min_rows=100, horizon=30, bucket=bucket)
    snapshot = fetch(found.snapshot_uri, tmp_path, found.snapshot_sha256)
    assert snapshot.series.gap == 30
    between = snapshot.test[OPEN_TIME].iloc[0] - snapshot.train[OPEN_TIME].iloc[-1]
    assert between == 31 * HOUR


def test_the_same_rows_are_not_trained_again(
    settings: Callable[[str], Settings], loaded: None, bucket: str, tmp_path: Path
) -> None:
    given = {"trials": "4"}
    found = features(settings("r1"), min_rows=100, training_parameters=given, bucket=bucket)
    promoting = dataclasses.replace(settings("r1"), database_url=as_promotion(settings("r1").database_url))
    with postgres.transaction(promoting) as cursor:
        cursor.execute(
            "INSERT INTO bitcoin.trainings (model_name, data_sha256, parameters_sha256, dag_id, run_id)"
            " VALUES ('bitcoin', %s, %s, 'training', 'r1')",
            [found.snapshot_sha256, fetch(found.snapshot_uri, tmp_path).parameters_sha256],
        )
    with pytest.raises(NothingToDo, match="run r1 has trained on these rows of BTCUSDT 1h"):
        features(settings("r2"), min_rows=100, training_parameters=given, bucket=bucket)
    other = {"trials": "5"}
    assert features(settings("r3"), min_rows=100, training_parameters=other, bucket=bucket).rows


def test_too_few_bars_wait_for_more(settings: Callable[[str], Settings], loaded: None, bucket: str) -> None:
    with pytest.raises(NothingToDo, match="gives 480 rows of BTCUSDT 1h; training needs 2000"):
        features(settings("r1"), bucket=bucket)
    with pytest.raises(NothingToDo, match="gives 0 rows of ETHUSDT 1h"):
        features(settings("r1"), symbol="ETHUSDT", bucket=bucket)


def test_a_snapshot_is_known_by_its_values(tmp_path: Path) -> None:
    table = table_of(bars(), SERIES)
    table[SIDE] = pd.array(sides(len(table), 0.2, 24), dtype="str")
    snapshot = Snapshot(table, SERIES, "p")
    snapshot.write(tmp_path / "s.parquet")
    assert Snapshot.read(tmp_path / "s.parquet").sha256 == snapshot.sha256
    other = Snapshot(table.assign(hour=table["hour"] + 1), SERIES, "p")
    assert other.sha256 != snapshot.sha256
    assert Snapshot(table, dataclasses.replace(SERIES, gap=25), "p").sha256 != snapshot.sha256
    table.to_parquet(tmp_path / "other.parquet")
    with pytest.raises(InvalidInput, match="is not a snapshot"):
        Snapshot.read(tmp_path / "other.parquet")
