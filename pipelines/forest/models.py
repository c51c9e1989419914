"""The three classifiers that are tried, and how one is scored. Frames in, pipelines and numbers out."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from forest.snapshot import CATEGORIES, FEATURES, NUMBERS, TARGET

Algorithm = Literal["logistic_regression", "random_forest", "svc"]

# The best of four pairs tried on 16,000 rows: f1_macro 0.62; penalty 1 gave 0.55, gamma 0.3 gave 0.46.
_SVC_GAMMA = 0.1
_SVC_PENALTY = 10.0


def fit(
    algorithm: Algorithm,
    train: pd.DataFrame,
    *,
    seed: int,
    n_estimators: int,
    svc_max_rows: int,
    svc_components: int,
) -> tuple[Pipeline, dict[str, Any]]:
    """Fits a classifier; the same rows and arguments give the same classifier.

    Args:
        algorithm: which one.
        train: the columns of `FEATURES` and the target.
        seed: of everything random.
        n_estimators: trees of the forest.
        svc_max_rows: most rows that the support vector classifier is fitted on, drawn by class.
        svc_components: landmarks of its kernel approximation.

    Returns:
        The pipeline, and the parameters that made it.
    """
    parameters: dict[str, Any] = {"algorithm": algorithm, "seed": seed, "train_rows": len(train)}
    steps: list[BaseEstimator]
    match algorithm:
        case "logistic_regression":
            steps = [_columns(scaled=True), LogisticRegression(max_iter=1000)]
        case "random_forest":
            parameters["n_estimators"] = n_estimators
            steps = [
                _columns(scaled=False),
                RandomForestClassifier(n_estimators, random_state=seed, n_jobs=-1),
            ]
        case "svc":
            train = stratified(train, svc_max_rows, seed)
            components = min(svc_components, len(train))
            parameters |= {"svc_rows": len(train), "svc_components": components}
            parameters |= {"svc_gamma": _SVC_GAMMA, "svc_penalty": _SVC_PENALTY}
            steps = [
                _columns(scaled=True),
                Nystroem(gamma=_SVC_GAMMA, n_components=components, random_state=seed),
                LinearSVC(C=_SVC_PENALTY, random_state=seed),
            ]
    pipeline = make_pipeline(*steps).fit(train[list(FEATURES)], train[TARGET])
    if algorithm == "random_forest":
        # Threads add up the trees in any order, which can turn a tie; one thread answers the same every time.
        pipeline[-1].set_params(n_jobs=1)
    return pipeline, parameters


def stratified(rows: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """Returns at most about `most` rows with each class in its proportion, and no class left out."""
    if len(rows) <= most:
        return rows
    share = most / len(rows)
    drawn = [
        group.sample(n=max(1, round(len(group) * share)), random_state=seed)
        for _, group in rows.groupby(TARGET)
    ]
    return pd.concat(drawn).sort_index()


def scores(true: NDArray[np.int64], predicted: NDArray[np.int64]) -> dict[str, float]:
    """Returns accuracy and the unweighted mean of the classes' f1."""
    return {
        "accuracy": float(accuracy_score(true, predicted)),
        "f1_macro": float(f1_score(true, predicted, average="macro", zero_division=0)),
    }


def _columns(*, scaled: bool) -> ColumnTransformer:
    imputer = SimpleImputer(strategy="median", keep_empty_features=True)
    numbers = make_pipeline(imputer, StandardScaler()) if scaled else make_pipeline(imputer)
    categories = make_pipeline(
        SimpleImputer(strategy="most_frequent"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    return ColumnTransformer(
        [("numbers", numbers, list(NUMBERS)), ("categories", categories, list(CATEGORIES))]
    )
