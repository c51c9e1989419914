"""Fits the random forest on the train rows, scores it on the test rows, logs model and bundle to MLflow."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import mlflow

from penguins.models import baseline, cross_validated, fit, scores
from penguins.schema import FEATURES, SPECIES, TARGET
from penguins.snapshot import SPLIT, fetch
from stepkit import tracking
from stepkit.options import Option
from stepkit.settings import Settings
from stepkit.step import run
from stepkit.training import log_bundle, log_pipeline, proven_bundle

ALGORITHM = "random_forest"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """The candidate for champion."""

    algorithm: str
    mlflow_run_id: str
    bundle_digest: str
    accuracy: float
    f1_macro: float


def train(
    settings: Settings,
    *,
    snapshot_uri: Annotated[str, Option("S3 URI of preprocess's snapshot")],
    snapshot_sha256: Annotated[str, Option("data hash of that snapshot")],
    seed: Annotated[int, Option("of everything random", minimum=0)] = 42,
    n_estimators: Annotated[int, Option("trees of the random forest", minimum=1)] = 100,
) -> Trained:
    """Fits, scores, proves and logs the model, also as a pickle; a retry logs to the same MLflow run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        snapshot = fetch(snapshot_uri, folder, snapshot_sha256)
        train_rows, test_rows = snapshot.train, snapshot.test
        features = list(FEATURES)
        asked = {"seed": seed, "n_estimators": n_estimators}
        inputs = {"snapshot_sha256": snapshot_sha256, **asked}
        with tracking.run(settings, "train", inputs=inputs) as run_id:
            pipeline = fit(train_rows, **asked)
            metrics = scores(test_rows[TARGET].to_numpy(), pipeline.predict(test_rows[features]))
            _logger.info("on %d test rows: %s", len(test_rows), metrics)
            digest = proven_bundle(
                pipeline,
                train_rows[features],
                test_rows[features],
                folder,
                model=settings.model_name,
                target=TARGET,
                label_names=dict(enumerate(SPECIES)),
                metrics=metrics,
                data_sha256=snapshot_sha256,
                split=SPLIT,
            )
            mlflow.log_params(
                {
                    "algorithm": ALGORITHM,
                    **asked,
                    "train_rows": len(train_rows),
                    "test_rows": len(test_rows),
                    "data_sha256": snapshot_sha256,
                    **asdict(snapshot.defects),
                }
            )
            others = cross_validated(train_rows, **asked)
            mlflow.log_metrics({**metrics, **others, **baseline(train_rows, test_rows)})
            mlflow.set_tags({"bundle_digest": digest, "snapshot_uri": snapshot_uri})
            log_pipeline(pipeline, test_rows[features].head(5), folder)
            log_bundle(folder)
    return Trained(ALGORITHM, run_id, digest, metrics["accuracy"], metrics["f1_macro"])


if __name__ == "__main__":
    run(train)
