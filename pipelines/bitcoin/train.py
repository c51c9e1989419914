"""Fits the classifier with the study's best parameters, proves its bundle, and logs it to MLflow."""

from __future__ import annotations

import logging
import platform
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import mlflow
import numpy as np
import pandas as pd
import talib
import xgboost
from optuna.study import Study
from optuna.trial import FrozenTrial
from sklearn.pipeline import Pipeline

import bundle
from bitcoin import study
from bitcoin.models import ALGORITHM, fit, scores, up
from bitcoin.schema import LENGTHS
from bitcoin.snapshot import OPEN_TIME, TARGET, Snapshot, fetch, split_of
from bitcoin.trials import TASK, TrialLog
from bundle.contract import Transform
from bundle.engines import BOOSTER
from bundle.exporter import write
from bundle.transforms.bars import FEATURES
from stepkit import tracking
from stepkit.errors import Code, InvalidInput
from stepkit.options import Option
from stepkit.settings import Settings
from stepkit.step import run
from stepkit.training import BUNDLE_FOLDER, log_bundle, log_pipeline

LABELS = ("down", "up")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """The challenger."""

    algorithm: str
    mlflow_run_id: str
    bundle_digest: str
    roc_auc: float
    """On the held-out bars, as are the others."""
    accuracy: float
    log_loss: float
    best_trial: int
    trials: int
    parameters: dict[str, Any]


def train(
    settings: Settings,
    *,
    snapshot_uri: Annotated[str, Option("S3 URI of the snapshot of features")],
    snapshot_sha256: Annotated[str, Option("its data hash")],
    seed: Annotated[int, Option("of everything random", minimum=0)] = 42,
) -> Trained:
    """Fits on the whole train side, scores, proves and logs; a retry logs to the same MLflow run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        snapshot = fetch(snapshot_uri, folder, snapshot_sha256)
        with study.errors():
            ours = study.opened(settings)
            best = _best(ours)
            with tracking.run(settings, TASK) as parent:
                trials = TrialLog(parent).complete(ours)
                mlflow.log_metrics({"roc_auc": float(ours.best_value), "trials": trials})
                mlflow.set_tag("best_trial", best.number)
        inputs = {"snapshot_sha256": snapshot_sha256, "seed": seed, "trial": [best.number, best.params]}
        with tracking.run(settings, "train", inputs=inputs) as run_id:
            pipeline = fit(snapshot.train, best.params, seed)
            test = snapshot.test
            figures = scores(test[TARGET].to_numpy(), up(pipeline, test))
            _logger.info("trial %d on %d held-out bars: %s", best.number, len(test), figures)
            digest = _proven(pipeline, snapshot, figures, settings.model_name, folder / BUNDLE_FOLDER)
            mlflow.log_params(
                {
                    **best.params,
                    **asdict(snapshot.series),
                    "best_trial": best.number,
                    "seed": seed,
                    "train_rows": len(snapshot.train),
                    "test_rows": len(test),
                    "data_sha256": snapshot_sha256,
                }
            )
            mlflow.log_metrics(figures)
            mlflow.set_tags({"bundle_digest": digest, "snapshot_uri": snapshot_uri})
            _log_importance(pipeline)
            log_pipeline(pipeline, test[list(FEATURES)].head(5), folder)
            log_bundle(folder)
    return Trained(
        ALGORITHM, run_id, digest, **figures, best_trial=best.number, trials=trials, parameters=best.params
    )


def _best(ours: Study) -> FrozenTrial:
    try:
        return ours.best_trial
    except ValueError:
        raise InvalidInput(
            f"the study {ours.study_name} has no trial that ended: run tune first", Code.MISSING_INPUT
        ) from None


def _proven(pipeline: Pipeline, snapshot: Snapshot, figures: dict[str, float], model: str, path: Path) -> str:
    """Writes the bundle, proves that serving's engine answers as the pipeline does, and returns its digest.

    Raises:
        InvalidInput: it does not, so that nothing of this training is published.
    """
    rows = snapshot.train[list(FEATURES)]
    booster = pipeline[-1].get_booster().save_raw("ubj")
    arrays = {BOOSTER: np.frombuffer(bytes(booster), dtype=np.uint8)}
    digest = write(path, contract(pipeline, snapshot, figures, model), arrays, rows)
    try:
        bundle.verify_against(pipeline, bundle.load(path), snapshot.test[list(FEATURES)])
    except bundle.BundleRefused as error:
        raise InvalidInput(str(error), Code.UNUSABLE_MODEL) from error
    return digest


def contract(
    pipeline: Pipeline, snapshot: Snapshot, figures: dict[str, float], model: str
) -> bundle.Contract:
    """Returns what the model takes and gives: bars, of which the transform makes the features."""
    medians = pipeline[0].named_transformers_["numbers"].statistics_
    train, series = snapshot.train, snapshot.series
    trained_until, interval_ms = int(train[OPEN_TIME].iloc[-1]), LENGTHS[series.interval]
    test_share = len(snapshot.test) / len(snapshot.rows)
    return bundle.Contract(
        model=model,
        target=TARGET,
        engine=bundle.Engine("xgboost", {}),
        features=tuple(
            bundle.Feature(name, "number", imputed=float(median), range=_range(train[name]))
            for name, median in zip(FEATURES, medians, strict=True)
        ),
        labels=tuple(bundle.Label(value, name) for value, name in enumerate(LABELS)),
        metrics=figures,
        data_sha256=snapshot.sha256,
        versions={
            "python": platform.python_version(),
            "numpy": np.__version__,
            "xgboost": xgboost.__version__,
            "ta-lib": talib.__version__,
        },
        transforms=(
            Transform(
                "bars",
                {
                    "symbol": series.symbol,
                    "interval": series.interval,
                    "interval_ms": interval_ms,
                    "horizon": series.horizon,
                    "min_move": series.min_move,
                    "trained_until": trained_until,
                },
            ),
        ),
        split=split_of(trained_until, series.horizon, interval_ms, test_share),
    )


def _range(values: pd.Series) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _log_importance(pipeline: Pipeline) -> None:
    gains = pipeline[-1].get_booster().get_score(importance_type="gain")
    total = sum(gains.values()) or 1.0
    named = {FEATURES[int(name[1:])]: gain / total for name, gain in gains.items()}
    mlflow.log_dict(dict(sorted(named.items(), key=lambda item: -item[1])), "feature_gain.json")


if __name__ == "__main__":
    run(train)
