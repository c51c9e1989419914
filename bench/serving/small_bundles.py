"""One small bundle of each engine, made in a second: what is damaged by the hundred."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from xgboost import XGBClassifier

import bundle
from bundle.engines import BOOSTER

NUMBERS, CATEGORY = ["height", "width"], "colour"
ROWS = 240


def write_all(folder: Path) -> list[Path]:
    """Writes the bundles below a folder; gives each one's own folder."""
    rows, labels = _data()
    steps = {
        "forest": [RandomForestClassifier(4, max_depth=5, random_state=0)],
        "linear": [LogisticRegression()],
        "kernel_map": [Nystroem(gamma=0.1, n_components=8, random_state=0), LinearSVC()],
    }
    for name, maps in steps.items():
        columns = ColumnTransformer(
            [
                ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
                (
                    "categories",
                    make_pipeline(
                        SimpleImputer(strategy="most_frequent"),
                        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
                    ),
                    [CATEGORY],
                ),
            ]
        )
        bundle.export(
            make_pipeline(columns, *maps).fit(rows, labels),
            rows,
            folder / name,
            model="small",
            target="kind",
            label_names={0: "none", 1: "one", 2: "two"},
            metrics={"accuracy": 1.0},
            data_sha256="0" * 64,
        )
    for classes in (2, 3):
        _write_booster(folder / f"xgboost of {classes}", rows[NUMBERS], labels.clip(0, classes - 1))
    return sorted(folder.iterdir())


def _data() -> tuple[pd.DataFrame, pd.Series]:
    draw = np.random.default_rng(0)
    rows = pd.DataFrame(draw.normal(size=(ROWS, 2)), columns=NUMBERS)
    rows[CATEGORY] = draw.choice(["red", "green", "blue"], ROWS)
    labels = (rows["height"] > 0).astype(int) + ((rows["width"] > 0.5) & (rows[CATEGORY] != "red")).astype(
        int
    )
    return rows, labels


def _write_booster(folder: Path, rows: pd.DataFrame, labels: pd.Series) -> None:
    classes = labels.nunique()
    model = XGBClassifier(n_estimators=3, max_depth=3, nthread=1).fit(rows.to_numpy(), labels)
    contract = bundle.Contract(
        model="small",
        target="kind",
        engine=bundle.Engine("xgboost", {}),
        features=tuple(bundle.Feature(name, "number", imputed=0.0) for name in NUMBERS),
        labels=tuple(bundle.Label(value, f"class {value}") for value in range(classes)),
        metrics={},
        data_sha256="0" * 64,
        versions=bundle.versions(),
    )
    content = np.frombuffer(model.get_booster().save_raw("ubj"), dtype=np.uint8)
    bundle.write(folder, contract, {BOOSTER: content}, rows)
