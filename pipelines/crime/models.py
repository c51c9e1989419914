"""The classifiers that are tried, how one is scored, and how it becomes a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

import bundle
from bundle import Contract, Feature, Label, Split, Transform
from bundle.inputs import lacking
from crime.fitted import Fitted, Matrix
from crime.schema import KEY, TARGET

Algorithm = Literal["logistic_regression", "random_forest"]
LABELS = (Label(0, "no arrest"), Label(1, "arrest"))
_MIN_LEAF_ROWS = 20
"""Grown to the last row, trees learn SMOTE's own rows by heart, and a bundle takes ten times the room."""


class Rebalanced(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A classifier of balanced rows whose probabilities are those of rows as they are in life."""

    def __init__(self, classifier: Any, class_weights: tuple[float, float]) -> None:
        self.classifier = classifier
        self.class_weights = class_weights

    def fit(self, matrix: Matrix, target: NDArray[np.int64]) -> Self:
        """Fits the classifier."""
        self.classifier.fit(matrix, target)
        self.classes_ = self.classifier.classes_
        return self

    def predict_proba(self, matrix: Matrix) -> Matrix:
        """Returns the probabilities of no arrest and of arrest."""
        weighted = self.classifier.predict_proba(matrix) * np.array(self.class_weights)
        probabilities: Matrix = weighted / weighted.sum(axis=1, keepdims=True)
        return probabilities

    def predict(self, matrix: Matrix) -> NDArray[np.int64]:
        """Returns the more probable label."""
        labels: NDArray[np.int64] = self.classes_[self.predict_proba(matrix).argmax(axis=1)]
        return labels


def fit(
    algorithm: Algorithm,
    train: pd.DataFrame,
    fitted: Fitted,
    *,
    seed: int,
    n_estimators: int,
) -> tuple[Pipeline, dict[str, Any]]:
    """Fits a classifier; the same rows and arguments give the same classifier.

    Args:
        algorithm: which one.
        train: the target and the columns of `fitted`, as `extract_features` leaves them.
        fitted: what the stages before have learned.
        seed: of everything random.
        n_estimators: trees of the forest.

    Returns:
        A pipeline that takes crimes as `split_data` leaves them, and the parameters that made it.
    """
    parameters: dict[str, Any] = {"algorithm": algorithm, "seed": seed, "train_rows": len(train)}
    match algorithm:
        case "logistic_regression":
            classifier: Any = LogisticRegression(max_iter=1000)
        case "random_forest":
            parameters["n_estimators"] = n_estimators
            classifier = RandomForestClassifier(
                n_estimators, min_samples_leaf=_MIN_LEAF_ROWS, random_state=seed, n_jobs=-1
            )
    model = Rebalanced(classifier, fitted.class_weights)
    model.fit(train[fitted.columns].to_numpy(dtype=np.float64), train[TARGET].to_numpy())
    if algorithm == "random_forest":
        # Threads add up the trees in any order; one thread answers the same every time.
        classifier.set_params(n_jobs=1)
    return Pipeline([("prepare", FunctionTransformer(fitted.matrix)), ("model", model)]), parameters


def scores(true: NDArray[np.int64], labels: NDArray[np.int64], arrest: Matrix) -> dict[str, float]:
    """Returns what is recorded of a model.

    Args:
        true: 1 for an arrest, else 0.
        labels: the model's.
        arrest: its probability of an arrest.

    Returns:
        Among others `average_precision` (the area under the precision-recall curve), `base_rate` (what a
        model that knows nothing has of it) and `f1_arrest`.
    """
    return {
        "average_precision": float(average_precision_score(true, arrest)),
        "base_rate": float(true.mean()),
        "roc_auc": float(roc_auc_score(true, arrest)),
        "brier": float(brier_score_loss(true, arrest)),
        "f1_arrest": float(f1_score(true, labels, zero_division=0)),
        "precision_arrest": float(precision_score(true, labels, zero_division=0)),
        "recall_arrest": float(recall_score(true, labels, zero_division=0)),
        "accuracy": float((true == labels).mean()),
    }


def split_of(chosen: Mapping[str, Any]) -> Split:
    """Returns how the sides were chosen, from what the document of `split_data` says of it."""
    if chosen["split"] == "by_time":
        return Split("time", ("occurred_at",), chosen["test_share"], judged_after=chosen["trained_until"])
    return Split("key", (KEY,), chosen["test_share"])


def contract(
    model: str,
    fitted: Fitted,
    engine: bundle.Engine,
    rows: pd.DataFrame,
    metrics: dict[str, float],
    data_sha256: str,
    split: Split,
    transforms: Sequence[Transform],
) -> Contract:
    """Gathers what the stages have learned into what serving reads.

    Args:
        model: the registered model's name.
        fitted: what was learned.
        engine: of the classifier.
        rows: train rows as `split_data` left them: they say what ranges there are, and what may be missing.
        metrics: what was measured on test rows.
        data_sha256: of the data that all began with.
        split: how the test rows were put aside.
        transforms: what made features of place and time.
    """
    made_of_unknown = lacking(transforms)
    numbers = [
        Feature(
            name=name,
            type="number",
            imputed=found.imputed,
            range=(float(rows[name].min()), float(rows[name].max())),
            mean=fitted.scales[name].mean,
            scale=fitted.scales[name].scale,
            low=found.low,
            high=found.high,
            log=found.log,
            nullable=name in made_of_unknown or bool(rows[name].isna().any()),
        )
        for name, found in fitted.bounds.items()
    ]
    categories = [
        Feature(
            name=name,
            type="category",
            imputed=found.imputed,
            categories=tuple(found.categories),
            nullable=name in made_of_unknown or bool(rows[name].isna().any()),
        )
        for name, found in fitted.encodings.items()
    ]
    return Contract(
        model=model,
        target=TARGET,
        engine=engine,
        features=(*numbers, *categories),
        labels=LABELS,
        metrics=metrics,
        data_sha256=data_sha256,
        versions=bundle.versions(),
        class_weights=fitted.class_weights,
        transforms=tuple(transforms),
        split=split,
    )
