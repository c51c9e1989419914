"""Fits one classifier on the train rows, scores it on the test rows, logs model and bundle to MLflow."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import matplotlib as mpl
import mlflow
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import ConfusionMatrixDisplay, classification_report

from forest.models import Algorithm, fit, scores
from forest.schema import COVER_TYPES
from forest.snapshot import FEATURES, SPLIT, TARGET, fetch
from stepkit import tracking
from stepkit.options import Option
from stepkit.settings import Settings
from stepkit.step import run
from stepkit.training import log_bundle, log_pipeline, proven_bundle

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """One candidate for champion."""

    algorithm: str
    mlflow_run_id: str
    bundle_digest: str
    accuracy: float
    f1_macro: float


def train(
    settings: Settings,
    *,
    algorithm: Annotated[Algorithm, Option("classifier to fit")],
    snapshot_uri: Annotated[str, Option("S3 URI of preprocess's snapshot")],
    snapshot_sha256: Annotated[str, Option("data hash of that snapshot")],
    seed: Annotated[int, Option("of everything random", minimum=0)] = 42,
    n_estimators: Annotated[int, Option("trees of the random forest", minimum=1)] = 100,
    svc_max_rows: Annotated[int, Option("most rows the SVC is fitted on", minimum=100)] = 20_000,
    svc_components: Annotated[int, Option("landmarks of the SVC's kernel", minimum=1)] = 300,
) -> Trained:
    """Fits, scores, proves and logs one classifier; a retry logs to the same MLflow run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        snapshot = fetch(snapshot_uri, folder, snapshot_sha256)
        asked = {
            "seed": seed,
            "n_estimators": n_estimators,
            "svc_max_rows": svc_max_rows,
            "svc_components": svc_components,
        }
        inputs = {"snapshot_sha256": snapshot_sha256, **asked}
        with tracking.run(settings, f"train-{algorithm}", inputs=inputs) as run_id:
            pipeline, parameters = fit(algorithm, snapshot.train, **asked)
            test = snapshot.test[list(FEATURES)]
            predicted = pipeline.predict(test)
            metrics = scores(snapshot.test[TARGET].to_numpy(), predicted)
            _logger.info("%s on %d test rows: %s", algorithm, len(test), metrics)
            digest = proven_bundle(
                pipeline,
                snapshot.train[list(FEATURES)],
                test,
                folder,
                model=settings.model_name,
                target=TARGET,
                label_names=dict(enumerate(COVER_TYPES)),
                metrics=metrics,
                data_sha256=snapshot_sha256,
                split=SPLIT,
            )
            mlflow.log_params({**parameters, "test_rows": len(test), "data_sha256": snapshot_sha256})
            mlflow.log_metrics(metrics)
            mlflow.set_tags({"bundle_digest": digest, "snapshot_uri": snapshot_uri})
            _log_reports(snapshot.test[TARGET], predicted)
            log_pipeline(pipeline, test.head(5), folder)
            log_bundle(folder)
    return Trained(algorithm, run_id, digest, metrics["accuracy"], metrics["f1_macro"])


def _log_reports(true: pd.Series, predicted: NDArray[np.int64]) -> None:
    labels = list(range(len(COVER_TYPES)))
    report = classification_report(
        true, predicted, labels=labels, target_names=COVER_TYPES, output_dict=True, zero_division=0
    )
    mlflow.log_dict(report, "classification_report.json")
    mpl.use("Agg")
    picture = ConfusionMatrixDisplay.from_predictions(
        true, predicted, labels=labels, display_labels=COVER_TYPES, xticks_rotation=45, values_format="d"
    )
    picture.figure_.set_size_inches(9, 8)
    picture.figure_.tight_layout()
    mlflow.log_figure(picture.figure_, "confusion_matrix.png")


if __name__ == "__main__":
    run(train)
