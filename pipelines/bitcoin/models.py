"""The classifier that is tuned and trained, and how one is scored. Frames in, pipelines and numbers out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from xgboost import XGBClassifier

from bitcoin.snapshot import TARGET
from bundle.transforms.bars import FEATURES

ALGORITHM = "xgboost"
Probabilities = NDArray[np.float64]


def fit(rows: pd.DataFrame, parameters: Mapping[str, Any], seed: int) -> Pipeline:
    """Fits the classifier; the same rows and arguments give the same one.

    Args:
        rows: the columns of `FEATURES` and the target.
        parameters: of XGBoost, as the study tunes them.
        seed: of everything random.
    """
    columns = ColumnTransformer([("numbers", SimpleImputer(strategy="median"), list(FEATURES))])
    classifier = XGBClassifier(
        **parameters,
        objective="binary:logistic",
        tree_method="hist",
        # Threads would add up histograms in any order, and two fits would differ in their last digits.
        nthread=1,
        random_state=seed,
    )
    return make_pipeline(columns, classifier).fit(rows[list(FEATURES)], rows[TARGET])


def up(pipeline: Pipeline, rows: pd.DataFrame) -> Probabilities:
    """Returns the probability of up for each row."""
    probabilities: Probabilities = pipeline.predict_proba(rows[list(FEATURES)])[:, 1].astype(np.float64)
    return probabilities


def scores(true: NDArray[np.int64], probabilities: Probabilities) -> dict[str, float]:
    """Returns the area under the ROC curve, the accuracy and the logarithmic loss of probabilities of up."""
    both = len(np.unique(true)) == 2
    return {
        "roc_auc": float(roc_auc_score(true, probabilities)) if both else 0.5,
        "accuracy": float(accuracy_score(true, probabilities > 0.5)),
        "log_loss": float(log_loss(true, probabilities, labels=[0, 1])),
    }
