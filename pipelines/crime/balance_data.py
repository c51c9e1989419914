"""Brings arrests and the rest nearer to each other, among train rows only: SMOTE, then fewer of the rest."""

from __future__ import annotations

from typing import Annotated, Any

import pandas as pd
from imblearn.over_sampling import SMOTE
from imblearn.under_sampling import RandomUnderSampler

from crime import stage
from crime.schema import KEY, TARGET
from crime.stage import Rows, Staged
from stepkit.errors import Code, InvalidInput
from stepkit.options import Option
from stepkit.settings import Settings
from stepkit.step import run

STAGE = "balanced"
_NEIGHBOURS = 5


def balance_data(
    settings: Settings,
    *,
    document_uri: Annotated[str, Option("S3 URI of scale_data's document")],
    smote_ratio: Annotated[float, Option("arrests to the rest after SMOTE", minimum=0.01, maximum=1)] = 0.3,
    balanced_ratio: Annotated[float, Option("the same in the end", minimum=0.01, maximum=1)] = 0.6,
    seed: Annotated[int, Option("of everything random", minimum=0)] = 42,
) -> Staged:
    """Balances the train side; the test side stays as it is in life."""
    with stage.after(settings, document_uri) as step:
        train, fitted = balance(step.rows.train, smote_ratio, balanced_ratio, seed)
        return step.write(STAGE, Rows(train, step.rows.test), fitted)


def balance(
    train: pd.DataFrame, smote_ratio: float, balanced_ratio: float, seed: int
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Returns balanced rows, without keys, and what takes the balance back from a model's probabilities.

    Args:
        train: key, target, and columns that are all numbers.
        smote_ratio: of arrests to the rest, up to which arrests between the real ones are made.
        balanced_ratio: of arrests to the rest, down to which the rest is thinned out.
        seed: of everything random.

    Returns:
        The rows; and `class_weights`, by which the probabilities of no arrest and of arrest, learned from
        balanced rows, are to be multiplied (Elkan, "The Foundations of Cost-Sensitive Learning", 2001).

    Raises:
        InvalidInput: there are too few arrests for SMOTE.
    """
    columns, target = train.drop(columns=[KEY, TARGET]), train[TARGET]
    real = target.mean()
    if target.sum() <= _NEIGHBOURS:
        raise InvalidInput(
            f"only {target.sum()} train rows have an arrest: SMOTE needs {_NEIGHBOURS + 1}",
            Code.TOO_LITTLE_DATA,
        )
    if _ratio(target) < smote_ratio:
        smote = SMOTE(sampling_strategy=smote_ratio, k_neighbors=_NEIGHBOURS, random_state=seed)
        columns, target = smote.fit_resample(columns.astype("float64"), target)
    if _ratio(target) < balanced_ratio:
        thin = RandomUnderSampler(sampling_strategy=balanced_ratio, random_state=seed)
        columns, target = thin.fit_resample(columns, target)
    balanced = target.mean()
    weights = [float((1 - real) / (1 - balanced)), float(real / balanced)]
    fitted = {"class_weights": weights, "arrest_share": float(real), "balanced_share": float(balanced)}
    rows = columns.assign(**{TARGET: target}).reset_index(drop=True)
    return rows[[TARGET, *columns.columns]], fitted


def _ratio(target: pd.Series) -> float:
    return float(target.sum() / (len(target) - target.sum()))


if __name__ == "__main__":
    run(balance_data)
