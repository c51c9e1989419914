"""Fits the model on the train rows, scores it on the test rows, logs model and bundle to MLflow."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import mlflow
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from stepkit import tracking
from stepkit.options import Option
from stepkit.settings import Settings
from stepkit.step import run
from stepkit.training import log_bundle, log_pipeline, proven_bundle
from weather.days import (
    CATEGORIES,
    FEATURES,
    LABELS,
    NUMBERS,
    SPLIT,
    TARGET,
    Days,
    sha256_of,
)

ALGORITHM = "logistic_regression"


@dataclass(frozen=True)
class Trained:
    """The candidate for champion."""

    algorithm: str
    mlflow_run_id: str
    bundle_digest: str
    accuracy: float


def train(
    settings: Settings,
    *,
    days_uri: Annotated[str, Option("S3 URI of snapshot's rows")],
    strength: Annotated[float, Option("of the fit to the train rows", minimum=0.001)] = 1.0,
) -> Trained:
    """Fits, scores, proves and logs the model; a retry logs to the same MLflow run."""
    days, sha256, features = Days.read(days_uri), sha256_of(days_uri), list(FEATURES)
    inputs = {"data_sha256": sha256, "strength": strength}
    with tempfile.TemporaryDirectory() as name, tracking.run(settings, "train", inputs=inputs) as run_id:
        folder = Path(name)
        model = fit(days.train, strength)
        metrics = {"accuracy": float(model.score(days.test[features], days.test[TARGET]))}
        digest = proven_bundle(
            model,
            days.train[features],
            days.test[features],
            folder,
            model=settings.model_name,
            target=TARGET,
            label_names=LABELS,
            metrics=metrics,
            data_sha256=sha256,
            split=SPLIT,
        )
        mlflow.log_params({"algorithm": ALGORITHM, **inputs})
        mlflow.log_metrics(metrics)
        mlflow.set_tags({"bundle_digest": digest, "snapshot_uri": days_uri})
        log_pipeline(model, days.test[features].head(5), folder)
        log_bundle(folder)
    return Trained(ALGORITHM, run_id, digest, metrics["accuracy"])


def fit(train: pd.DataFrame, strength: float) -> Pipeline:
    """Returns the model, fitted; the same rows and strength give the same one."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    categories = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    )
    columns = ColumnTransformer(
        [("numbers", numbers, list(NUMBERS)), ("categories", categories, list(CATEGORIES))]
    )
    return make_pipeline(columns, LogisticRegression(C=strength)).fit(train[list(FEATURES)], train[TARGET])


if __name__ == "__main__":
    run(train)
