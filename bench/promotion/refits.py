"""The four models, each fitted on the same rows with a dozen seeds; their answers are kept as arrays."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.serving.models import COVERTYPE, ROOT, cache
from stepkit.promotion.metrics import Accuracy, AveragePrecision, F1Macro, Labels, Metric, RocAuc

REFITS = 12
FOREST_TRAIN_ROWS = 20_000
CRIME_ROWS = 100_000
TREES = 100
FOLDS, FOLDINGS = 5, 2
BITCOIN_PARAMETERS = {
    "n_estimators": 150, "max_depth": 3, "learning_rate": 0.03, "min_child_weight": 20.0, "subsample": 0.8,
    "colsample_bytree": 0.6, "reg_lambda": 5.0,
}  # fmt: skip
"""Within what the pipeline's study looks at."""


@dataclass(frozen=True)
class Refits:
    """What models of one pipeline answer to rows that none was fitted on.

    Attributes:
        metric: what the pipeline judges by.
        true: the rows' labels, shape (rows,).
        answers: of each model, as `metric.answers` gives them, shape (models, rows).
    """

    metric: Metric
    true: Labels
    answers: NDArray[Any]


Answered = tuple[Labels, NDArray[Any]]
"""The labels of rows, and each model's answers to them."""


def forest() -> Answered:
    """Fits the random forest on 20,000 train rows of covertype; all 116,000 test rows are answered."""
    from forest.models import fit
    from forest.schema import NAMES
    from forest.snapshot import FEATURES, TARGET, Snapshot, clean

    snapshot = Snapshot(clean(pd.read_csv(COVERTYPE).set_axis(list(NAMES), axis=1)), 1, "")
    train = snapshot.train.sample(FOREST_TRAIN_ROWS, random_state=0)
    test = snapshot.test

    def answers(seed: int) -> Labels:
        pipeline, _ = fit(
            "random_forest", train, seed=seed, n_estimators=TREES, svc_max_rows=0, svc_components=0
        )
        labels: Labels = pipeline.predict(test[list(FEATURES)])
        return labels

    return test[TARGET].to_numpy(), _again(answers)


def crime() -> Answered:
    """Balances, selects and fits a year of 100,000 synthetic crimes; 20,000 test rows are answered."""
    from crime import balance_data, encode_data, extract_features, process_outliers, scale_data, split_data
    from crime.crimes_file import read
    from crime.enrich_data import enrich
    from crime.fitted import Fitted
    from crime.models import fit
    from crime.places import stations_of
    from crime.schema import CATEGORIES, NUMBERS, RAW_COLUMNS, STATION_COLUMNS, TARGET
    from socrata.crimes import Crimes

    year = Crimes(CRIME_ROWS, seed=42)
    days = (date(2025, 7, 1) + timedelta(days=number) for number in range(365))
    rows = [version.row for day in days for version in year.of(day) if version.shown_until == "9999-12-31"]
    raw = pd.DataFrame([[_text(row.get(name)) for name in RAW_COLUMNS] for row in rows], columns=RAW_COLUMNS)
    file = ROOT / "sources/socrata/data/police_stations.csv"
    stations = stations_of(read(file, STATION_COLUMNS).to_pandas())
    enriched = enrich(raw.astype("str").where(raw.notna()), stations)
    enriched[TARGET] = (enriched[TARGET] == "true").astype("int64")
    sides = split_data.stratified(enriched, 0.2)
    bounds = {name: process_outliers.learn(sides.train[name], 3.0) for name in NUMBERS}
    bounded = process_outliers.bounded(sides.train, bounds)
    encodings = {name: encode_data.learn(sides.train[name], 0.005) for name in CATEGORIES}
    encoded = encode_data.encoded(bounded, encodings)
    scales = scale_data.learn(encoded)
    scaled = scale_data.scaled(encoded, scales)
    stages: dict[str, Any] = {
        "outliers": {name: found.to_dict() for name, found in bounds.items()},
        "encoded": {name: found.to_dict() for name, found in encodings.items()},
        "scaled": {name: found.to_dict() for name, found in scales.items()},
    }
    imputed = {name: found.imputed for name, found in encodings.items()}

    def answers(seed: int) -> NDArray[np.float64]:
        balanced, weights = balance_data.balance(scaled, 0.3, 0.6, seed)
        information = extract_features.measure(balanced, 20_000, seed)
        columns = extract_features.select(information, 40, imputed)
        fitted = Fitted.of({**stages, "balanced": weights, "selected": {"columns": columns}})
        pipeline, _ = fit("random_forest", balanced, fitted, seed=seed, n_estimators=TREES)
        arrest: NDArray[np.float64] = pipeline.predict_proba(sides.test)[:, 1]
        return arrest

    return sides.test[TARGET].to_numpy(), _again(answers)


def bitcoin() -> Answered:
    """Fits XGBoost on the hourly bars up to 2024; the 4,353 held-out bars are answered."""
    from binance.bars import BARS_FILE
    from bitcoin.features import table_of
    from bitcoin.models import fit, up
    from bitcoin.snapshot import SIDE, TARGET, TEST, TEST_SHARE, TRAIN, Series, sides
    from bundle.transforms.bars import bars_of

    with gzip.open(BARS_FILE, "rt", newline="") as text:
        bars = bars_of(
            [
                {**line, "open_time": datetime.fromisoformat(line["timestamp"]).timestamp() * 1000}
                for line in csv.DictReader(text)
            ]
        )
    series = Series("BTCUSDT", "1h", horizon=1, min_move=0.0, gap=24)
    rows = table_of(bars, series)
    rows[SIDE] = sides(len(rows), TEST_SHARE, series.gap)
    train, test = rows[rows[SIDE] == TRAIN], rows[rows[SIDE] == TEST]
    answers = _again(lambda seed: up(fit(train, BITCOIN_PARAMETERS, seed), test))
    return test[TARGET].to_numpy(), answers


def penguins() -> Answered:
    """Fits the forest on four fifths of the penguins and answers the fifth, for each fifth of two foldings.

    The 98 test rows are too few, and the model answers all of them right.
    """
    from sklearn.model_selection import StratifiedKFold

    from penguins.load_raw import lines
    from penguins.models import fit
    from penguins.schema import FEATURES, TARGET
    from penguins.snapshot import clean

    path = ROOT / "pipelines/penguins/data/penguins_size.csv"
    names = path.read_text().splitlines()[0].split(",")
    rows, _ = clean(pd.DataFrame(lines(path), columns=["line", *(name.lower() for name in names)]))
    folds = [
        fold
        for folding in range(FOLDINGS)
        for fold in StratifiedKFold(FOLDS, shuffle=True, random_state=folding).split(rows, rows[TARGET])
    ]

    def answers(seed: int) -> Labels:
        models = (fit(rows.iloc[train], seed=seed, n_estimators=TREES) for train, _ in folds)
        return np.concatenate(
            [
                model.predict(rows.iloc[test][list(FEATURES)])
                for model, (_, test) in zip(models, folds, strict=True)
            ]
        )

    true = np.concatenate([rows[TARGET].to_numpy()[test] for _, test in folds])
    return true, _again(answers)


FITTERS: dict[str, tuple[Metric, Callable[[], Answered]]] = {
    "forest": (F1Macro(), forest),
    "crime": (AveragePrecision(), crime),
    "bitcoin": (RocAuc(), bitcoin),
    "penguins": (Accuracy(), penguins),
}


def fitted(name: str) -> Refits:
    """Returns the refits of a pipeline, which are made the first time and kept.

    They are made again when this file or the pipeline's `models.py` changes.
    """
    digest = hashlib.sha256()
    for source in (Path(__file__), ROOT / f"pipelines/{name}/models.py"):
        digest.update(source.read_bytes())
    path = cache() / f"refits-{name}-{digest.hexdigest()[:12]}.npz"
    metric, fit = FITTERS[name]
    if not path.exists():
        true, answers = fit()
        path.parent.mkdir(parents=True, exist_ok=True)
        making = path.with_name(f"making-{path.name}")
        np.savez(making, true=true, answers=answers)
        making.replace(path)
    with np.load(path) as kept:
        return Refits(metric, kept["true"], kept["answers"])


def _again(answers: Callable[[int], NDArray[Any]]) -> NDArray[Any]:
    return np.stack([answers(seed) for seed in range(REFITS)])


def _text(value: Any) -> str | None:
    """Spells a value as the portal's CSV does."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, bool) else str(value)
