"""What a step `train` publishes of a scikit-learn pipeline: a proven bundle, and the pipeline for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow

import bundle
from stepkit.errors import Code, InvalidInput

if TYPE_CHECKING:
    from pandas import DataFrame
    from sklearn.pipeline import Pipeline

MODEL_FOLDER = "model"
BUNDLE_FOLDER = "bundle"


def proven_bundle(
    pipeline: Pipeline,
    train: DataFrame,
    test: DataFrame,
    folder: Path,
    *,
    model: str,
    target: str,
    label_names: Mapping[int, str],
    metrics: Mapping[str, float],
    data_sha256: str,
    split: bundle.Split | None = None,
    transforms: Sequence[bundle.Transform] = (),
) -> str:
    """Writes the bundle, proves that serving's engine answers as the pipeline does, and returns its digest.

    Args:
        pipeline: fitted; see `bundle.export` for what it may hold.
        train: the features that it was fitted on, and what its transforms take.
        test: the same of rows that it was not fitted on, on which both must answer alike.
        folder: takes the bundle as `BUNDLE_FOLDER`.
        model: the registered model's name.
        target: the name of what is predicted.
        label_names: a name for each class.
        metrics: what was measured on the test rows.
        data_sha256: the hash of the snapshot.
        split: how the test rows were put aside; promotion compares models whose splits permit it.
        transforms: those by which `bundle.with_made` made features of others.

    Raises:
        InvalidInput: they do not answer alike, so that nothing of this training is published.
    """
    path = folder / BUNDLE_FOLDER
    try:
        digest = bundle.export(
            pipeline,
            train,
            path,
            model=model,
            target=target,
            label_names=label_names,
            metrics=metrics,
            data_sha256=data_sha256,
            split=split,
            transforms=transforms,
        )
        bundle.verify_against(pipeline, bundle.load(path), test)
    except bundle.BundleRefused as error:
        raise InvalidInput(str(error), Code.UNUSABLE_MODEL) from error
    return digest


def log_bundle(folder: Path) -> None:
    """Logs the bundle in a folder to the MLflow run that is open, where serving looks for it."""
    mlflow.log_artifacts(str(folder / BUNDLE_FOLDER), BUNDLE_FOLDER)


def log_pipeline(pipeline: Pipeline, example: DataFrame, folder: Path) -> None:
    """Logs the pipeline itself, for people; as plain artifacts of the run, which a retry overwrites.

    Args:
        pipeline: fitted.
        example: a few rows of its input.
        folder: takes it as `MODEL_FOLDER`.
    """
    mlflow.sklearn.save_model(
        pipeline,
        folder / MODEL_FOLDER,
        serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_CLOUDPICKLE,
        # With a signature MLflow refuses whole numbers where the example has floats, and the reverse.
        signature=False,
        input_example=example,
        # Named, because MLflow would find them by loading the model again in a second process.
        pip_requirements=mlflow.sklearn.get_default_pip_requirements(include_cloudpickle=True),
    )
    mlflow.log_artifacts(str(folder / MODEL_FOLDER), MODEL_FOLDER)
