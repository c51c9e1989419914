"""Fits one classifier on the prepared train rows, scores it on test rows, logs model and bundle to MLflow."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import matplotlib as mpl
import mlflow
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import PrecisionRecallDisplay
from sklearn.pipeline import Pipeline

import bundle
from crime.fitted import Fitted
from crime.models import Algorithm, contract, fit, scores, split_of
from crime.schema import TARGET
from crime.stage import ENRICHED, SIDES, TRAIN, Document, read, run_of
from stepkit import tracking
from stepkit.errors import Code, InvalidInput
from stepkit.options import Option
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings
from stepkit.step import run
from stepkit.training import BUNDLE_FOLDER, log_bundle, log_pipeline

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """One candidate for champion."""

    algorithm: str
    mlflow_run_id: str
    bundle_digest: str
    average_precision: float
    base_rate: float
    f1_arrest: float


def train(
    settings: Settings,
    *,
    algorithm: Annotated[Algorithm, Option("classifier to fit")],
    document_uri: Annotated[str, Option("S3 URI of extract_features' document")],
    seed: Annotated[int, Option("of everything random", minimum=0)] = 42,
    n_estimators: Annotated[int, Option("trees of the random forest", minimum=1)] = 100,
) -> Trained:
    """Fits, scores, proves and logs one classifier; a retry logs to the same MLflow run."""
    store = ObjectStore()
    prepared = Document.from_json(store.get(document_uri), document_uri)
    split = Document.from_json(store.get(prepared.snapshot_uri), prepared.snapshot_uri)
    for uri, document in ((document_uri, prepared), (prepared.snapshot_uri, split)):
        if document.run != run_of(settings):
            raise InvalidInput(
                f"{uri} was written by another run, {document.run}: run the DAG again",
                Code.INPUT_REPLACED,
                file=uri,
            )
    fitted = Fitted.of(prepared.fitted)
    asked = {"seed": seed, "n_estimators": n_estimators}
    prepared_sha256 = {side: prepared.files[side].sha256 for side in SIDES}
    inputs = {"data_sha256": split.data_sha256, **prepared_sha256, **asked}
    with (
        tempfile.TemporaryDirectory() as name,
        tracking.run(settings, f"train-{algorithm}", inputs=inputs) as run_id,
    ):
        folder = Path(name)
        pipeline, parameters = fit(algorithm, read(prepared.files[TRAIN], folder), fitted, **asked)
        # Both sides as a client would send them, before any stage has touched them.
        train_rows, test_rows = (read(split.files[side], folder) for side in SIDES)
        features, true = test_rows[fitted.features], test_rows[TARGET].to_numpy()
        arrest = pipeline.predict_proba(features)[:, 1]
        metrics = scores(true, pipeline.predict(features), arrest)
        _logger.info("%s on %d test rows: %s", algorithm, len(true), metrics)
        digest = proven_bundle(pipeline, fitted, train_rows, test_rows, metrics, settings, split, folder)
        mlflow.log_params(
            {
                **parameters,
                **prepared.fitted["split"],
                "columns": len(fitted.columns),
                "test_rows": len(true),
                "data_sha256": split.data_sha256,
            }
        )
        mlflow.log_metrics(metrics)
        mlflow.set_tags({"bundle_digest": digest, "snapshot_uri": prepared.snapshot_uri})
        mlflow.log_dict(prepared.fitted, "fitted.json")
        _log_curve(true, arrest)
        log_pipeline(pipeline, features.head(5), folder)
        log_bundle(folder)
    return Trained(
        algorithm, run_id, digest, metrics["average_precision"], metrics["base_rate"], metrics["f1_arrest"]
    )


def proven_bundle(
    pipeline: Pipeline,
    fitted: Fitted,
    train_rows: pd.DataFrame,
    test_rows: pd.DataFrame,
    metrics: dict[str, float],
    settings: Settings,
    split: Document,
    folder: Path,
) -> str:
    """Writes the bundle, proves that serving's engine answers as the pipeline does, and returns its digest.

    Args:
        pipeline: fitted.
        fitted: what the stages have learned.
        train_rows: as `split_data` left them.
        test_rows: the same.
        metrics: what was measured on the test rows.
        settings: name the model.
        split: the document of `split_data`.
        folder: takes the bundle.

    Raises:
        InvalidInput: they do not answer alike, so that nothing of this training is published.
    """
    path = folder / BUNDLE_FOLDER
    try:
        engine, arrays = bundle.engine_of(pipeline[-1].classifier)
        described = contract(
            settings.model_name,
            fitted,
            engine,
            train_rows,
            metrics,
            split.data_sha256,
            split_of(split.fitted["split"]),
            [bundle.Transform(**each) for each in split.fitted[ENRICHED]["transforms"]],
        )
        digest = bundle.write(path, described, arrays, train_rows)
        bundle.verify_against(pipeline, bundle.load(path), test_rows)
    except bundle.BundleRefused as error:
        raise InvalidInput(str(error), Code.UNUSABLE_MODEL) from error
    return digest


def _log_curve(true: NDArray[np.int64], arrest: NDArray[Any]) -> None:
    mpl.use("Agg")
    picture = PrecisionRecallDisplay.from_predictions(true, arrest, plot_chance_level=True)
    mlflow.log_figure(picture.figure_, "precision_recall.png")


if __name__ == "__main__":
    run(train)
