"""Keeps the columns that say most about an arrest, by mutual information among train rows."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
from sklearn.feature_selection import mutual_info_classif

from crime import stage
from crime.fitted import column_of
from crime.schema import CATEGORIES, KEY, NUMBERS, TARGET
from crime.stage import Rows, Staged
from stepkit.options import Option
from stepkit.settings import Settings
from stepkit.step import run

STAGE = "selected"


def extract_features(
    settings: Settings,
    *,
    document_uri: Annotated[str, Option("S3 URI of balance_data's document")],
    max_columns: Annotated[int, Option("columns that say most, to keep", minimum=2)] = 40,
    sample_rows: Annotated[int, Option("rows that information is measured on", minimum=100)] = 20_000,
    seed: Annotated[int, Option("of everything random", minimum=0)] = 42,
) -> Staged:
    """Drops the columns of both sides that say least."""
    with stage.after(settings, document_uri) as step:
        information = measure(step.rows.train, sample_rows, seed)
        imputed = {name: step.before.fitted["encoded"][name]["imputed"] for name in CATEGORIES}
        columns = select(information, max_columns, imputed)
        rows = Rows(step.rows.train[[TARGET, *columns]], step.rows.test[[KEY, TARGET, *columns]])
        return step.write(STAGE, rows, {"columns": columns, "information": information})


def measure(train: pd.DataFrame, sample_rows: int, seed: int) -> dict[str, float]:
    """Returns each column's mutual information with the target, in nats.

    0/1 columns are discrete; SMOTE leaves fractions in them, which count as what they are nearer to.

    Args:
        train: target and columns.
        sample_rows: at most so many rows are looked at, drawn at random.
        seed: of the draw and of the estimate.
    """
    rows = train.sample(min(sample_rows, len(train)), random_state=seed)
    columns = rows.drop(columns=[TARGET])
    discrete = np.array([name not in NUMBERS for name in columns])
    values = columns.to_numpy(dtype=np.float64, copy=True)
    values[:, discrete] = values[:, discrete].round()
    found = mutual_info_classif(values, rows[TARGET], discrete_features=discrete, random_state=seed)
    return {name: round(float(nats), 9) for name, nats in zip(columns, found, strict=True)}


def select(information: dict[str, float], most: int, imputed: dict[str, str]) -> list[str]:
    """Returns the columns to keep, in their order: the best, and what makes each crime's form the same.

    Every number and the most frequent value of every category stay, whatever they say: so each model takes
    the same columns of a crime, and a missing category has a value to stand for it.

    Args:
        information: by column.
        most: of the best columns.
        imputed: by category, its most frequent value.
    """
    telling = [name for name, nats in information.items() if nats > 0]
    best = sorted(telling, key=lambda name: (-information[name], name))[:most]
    kept = {*best, *NUMBERS, *(column_of(name, value) for name, value in imputed.items())}
    return [name for name in information if name in kept]


if __name__ == "__main__":
    run(extract_features)
