"""Makes features and target of the table's bars, and freezes them as the snapshot of one training."""

from __future__ import annotations

import logging
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd

from bitcoin.schema import LENGTHS, Interval, moment
from bitcoin.snapshot import MOVE, OPEN_TIME, SIDE, TARGET, TEST, TEST_SHARE, Series, Snapshot, fetch, sides
from bundle.transforms.bars import FIELDS, LEAST_BARS, Bars, UnusableBars, check
from bundle.transforms.bars import features as features_of
from stepkit import postgres
from stepkit.errors import Code, InvalidInput, NothingToDo
from stepkit.options import Option
from stepkit.promotion.decisions import parameters_hash, refuse_repetition
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings
from stepkit.step import run

SCHEMA = "bitcoin"
Target = Literal["direction", "beats_costs"]
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Featured:
    """Where the snapshot is, and what it holds."""

    snapshot_uri: str
    snapshot_sha256: str
    rows: int
    train_rows: int
    test_rows: int
    test_from: str
    """When the first bar of the test side opens."""
    up_share: float
    """Of the train side's rows, those whose target is up."""


def features(
    settings: Settings,
    *,
    symbol: Annotated[str, Option("what is traded")] = "BTCUSDT",
    interval: Annotated[Interval, Option("length of a bar")] = "1h",
    horizon: Annotated[int, Option("bars ahead that the target is about", minimum=1)] = 1,
    target: Annotated[
        Target, Option("what is up: any rise, or one that pays the costs both ways")
    ] = "direction",
    cost_bps: Annotated[float, Option("costs of a trade, in hundredths of a percent", minimum=0)] = 10.0,
    test_share: Annotated[
        float, Option("share of the latest rows held out", minimum=0.05, maximum=0.5)
    ] = TEST_SHARE,
    gap: Annotated[int, Option("bars between what is fitted on and what is scored", minimum=0)] = 24,
    max_bars: Annotated[int, Option("latest bars to take; 0 for all", minimum=0)] = 0,
    min_rows: Annotated[int, Option("fewest rows to train on", minimum=100)] = 2000,
    training_parameters: Annotated[dict[str, Any] | None, Option("what else decides the outcome")] = None,
    bucket: Annotated[str, Option("bucket of the snapshot", env="DATA_BUCKET")] = "data",
) -> Featured:
    """Writes the rows as Parquet, or skips when they are too few or were trained on before."""
    uri = f"s3://{bucket}/bitcoin/features/{settings.run.key}/features.parquet"
    min_move = 2 * math.log1p(cost_bps / 10_000) if target == "beats_costs" else 0.0
    series = Series(symbol, interval, horizon, min_move, max(gap, horizon))
    store = ObjectStore()
    with tempfile.TemporaryDirectory() as folder:
        if store.exists(uri):
            _logger.info("a former try has written %s", uri)
            return _described(uri, fetch(uri, Path(folder)))
        bars = read_bars(settings, symbol, interval, max_bars, Path(folder, "bars.csv"))
        rows = table_of(bars, series)
        if len(rows) < min_rows:
            raise NothingToDo(
                f"bitcoin.bars gives {len(rows)} rows of {symbol} {interval}; training needs {min_rows}"
                " and waits for more"
            )
        rows[SIDE] = pd.array(sides(len(rows), test_share, series.gap), dtype="str")
        snapshot = Snapshot(rows, series, parameters_hash(training_parameters or {}))
        refuse_repetition(
            settings, SCHEMA, snapshot.sha256, snapshot.parameters_sha256, f"{symbol} {interval}"
        )
        path = Path(folder, "features.parquet")
        snapshot.write(path)
        store.upload(path, uri)
    return _described(uri, snapshot)


def read_bars(settings: Settings, symbol: str, interval: str, max_bars: int, path: Path) -> Bars:
    """Returns the latest bars of the table, the oldest first.

    Args:
        settings: lead to Postgres.
        symbol: what is traded.
        interval: the length of a bar.
        max_bars: how many; 0 for all.
        path: a file to hold them in between.

    Raises:
        InvalidInput: the table holds what is not a bar.
        DependencyUnavailable: Postgres does not answer.
    """
    with postgres.transaction(settings) as rows, path.open("wb") as file:
        query = rows.mogrify(
            "SELECT (extract(epoch FROM open_time) * 1000)::bigint, open, high, low, close, volume"
            " FROM bitcoin.bars WHERE (symbol, interval) = (%s, %s) ORDER BY open_time DESC LIMIT %s",
            [symbol, interval, max_bars or None],
        ).decode()
        rows.copy_expert(f"COPY ({query}) TO STDOUT WITH (FORMAT csv)", file)
    frame = pd.read_csv(path, names=list(FIELDS), dtype="float64")[::-1]
    return {name: frame[name].to_numpy() for name in FIELDS}


def table_of(bars: Bars, series: Series) -> pd.DataFrame:
    """Returns a row for each bar that has enough bars before it and whose target is known.

    A bar's features are made from it and the bars before it, and its target from the bar a horizon later:
    `move` is the logarithm of the price's change until then. Where bars are missing in between, there is no
    row.

    Raises:
        InvalidInput: the bars are not what they must be.
    """
    length = LENGTHS[series.interval]
    try:
        check(bars, length)
        if len(bars["close"]) < LEAST_BARS + series.horizon:
            return pd.DataFrame(columns=[OPEN_TIME, MOVE, TARGET])
        values = features_of(bars)
    except UnusableBars as error:
        raise InvalidInput(
            f"bitcoin.bars, {series.symbol} {series.interval}: {error}", Code.INVALID_ROW, file="bitcoin.bars"
        ) from error
    known = len(bars["close"]) - LEAST_BARS + 1 - series.horizon
    here = slice(LEAST_BARS - 1, LEAST_BARS - 1 + known)
    there = slice(here.start + series.horizon, here.stop + series.horizon)
    rows = pd.DataFrame({OPEN_TIME: bars["open_time"][here].astype("int64")})
    for name, column in values.items():
        rows[name] = column[:known]
    rows[MOVE] = np.log(bars["close"][there] / bars["close"][here])
    rows[TARGET] = (rows[MOVE] > series.min_move).astype("int64")
    whole = bars["open_time"][there] - bars["open_time"][here] == series.horizon * length
    return rows[whole].reset_index(drop=True)


def _described(uri: str, snapshot: Snapshot) -> Featured:
    rows = snapshot.rows
    return Featured(
        snapshot_uri=uri,
        snapshot_sha256=snapshot.sha256,
        rows=len(rows),
        train_rows=len(snapshot.train),
        test_rows=len(snapshot.test),
        test_from=moment(int(rows.loc[rows[SIDE] == TEST, OPEN_TIME].iloc[0])).isoformat(),
        up_share=round(float(snapshot.train[TARGET].mean()), 4),
    )


if __name__ == "__main__":
    run(features)
