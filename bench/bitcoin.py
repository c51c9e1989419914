"""How many trials two tuners finish beside one in the same time: ``python -m bench.bitcoin``.

A real Postgres holds the study, a real MLflow the trials, as on the platform. Needs two cores that are free.
"""

from __future__ import annotations

import csv
import gzip
import multiprocessing
import os
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from binance.bars import BARS_FILE
from bitcoin import study
from bitcoin.features import table_of
from bitcoin.snapshot import SIDE, Series, Snapshot, sides
from bitcoin.tune import tune
from bundle.transforms.bars import Bars, bars_of
from quintet.local.databases import OWNER
from quintet.testing import shared_servers, tables
from stepkit.s3 import ObjectStore
from stepkit.settings import Run, Settings
from tests import services

SECONDS = 60
SERIES = Series("BTCUSDT", "1h", horizon=1, min_move=0.0, gap=24)
TARGET_RATIO, TARGET_GROWTH = 1.6, 11
_processes = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Platform:
    """Where the steps find their services and their rows."""

    settings: Settings
    snapshot: dict[str, str]


def main() -> None:
    """Print the trials of one and of two tuners, and the seconds of features of a tenth and of all bars."""
    bars = _bars()
    growth = _features(bars)
    with shared_servers.outside_pytest():
        database, store = shared_servers.postgres(), shared_servers.s3()
        os.environ.update(store.environment)
        template = tables.template(database, "bitcoin")
        name = database.create_database(template, OWNER)
        settings = Settings(
            database_url=database.url(name, "bitcoin"),
            tracking_uri=shared_servers.mlflow_url(),
            model_name="bitcoin",
        )
        platform = Platform(settings, _snapshot(bars, store.create_bucket()))
        finished = {tuners: _trials(platform, tuners) for tuners in (1, 2)}
    for tuners, trials in finished.items():
        print(f"{tuners} tuner{'s' * (tuners > 1)}: {trials} trials in {SECONDS} s")
    print(f"two finish {finished[2] / finished[1]:.2f} x the trials of one (target {TARGET_RATIO})")
    print(f"ten times the bars take {growth:.1f} x the time (target {TARGET_GROWTH})")


def _bars() -> Bars:
    with gzip.open(BARS_FILE, "rt", newline="") as text:
        return bars_of(
            [
                {**line, "open_time": datetime.fromisoformat(line["timestamp"]).timestamp() * 1000}
                for line in csv.DictReader(text)
            ]
        )


def _features(bars: Bars) -> float:
    seconds = []
    for rows in (len(bars["close"]) // 10, len(bars["close"])):
        start = time.perf_counter()
        table_of({name: values[:rows] for name, values in bars.items()}, SERIES)
        seconds.append(time.perf_counter() - start)
        print(f"features of {rows} bars: {seconds[-1]:.2f} s")
    return seconds[1] / seconds[0]


def _snapshot(bars: Bars, bucket: str) -> dict[str, str]:
    rows = table_of(bars, SERIES)
    rows[SIDE] = pd.array(sides(len(rows), 0.2, SERIES.gap), dtype="str")
    snapshot = Snapshot(rows, SERIES, "bench")
    uri = f"s3://{bucket}/features.parquet"
    with TemporaryDirectory() as folder:
        path = Path(folder, "features.parquet")
        snapshot.write(path)
        ObjectStore().upload(path, uri)
    return {"snapshot_uri": uri, "snapshot_sha256": snapshot.sha256}


def _trials(platform: Platform, tuners: int) -> int:
    """Return how many trials end within the time, which begins with the first trial's start."""
    settings = Settings(**{**vars(platform.settings), "run": Run(dag_id="bench", run_id=f"{tuners}-tuners")})
    children = [
        _processes.Process(target=_tune, args=(settings, worker, platform.snapshot))
        for worker in range(tuners)
    ]
    for child in children:
        child.start()
    ours = study.opened(settings)
    services.wait_until(lambda: len({trial.number for trial in ours.trials}) >= tuners, 120)
    before = _ended(ours)
    time.sleep(SECONDS)
    ended = _ended(ours) - before
    for child in children:
        child.kill()
        child.join()
    return ended


def _ended(ours: Any) -> int:
    return len(ours.get_trials(deepcopy=False, states=study.ENDED))


def _tune(settings: Settings, worker: int, snapshot: dict[str, str]) -> None:
    given: dict[str, Any] = {**snapshot, "worker": worker, "trials": 10_000}
    tune(settings, **given)


if __name__ == "__main__":
    main()
