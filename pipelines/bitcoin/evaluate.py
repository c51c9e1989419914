"""Walks forward through the held-out bars, against naive guesses and with costs; then the champion."""

from __future__ import annotations

import json
import logging
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import mlflow

from bitcoin.backtest import Walk, walk
from bitcoin.policy import Veto
from bitcoin.snapshot import fetch
from stepkit import tracking
from stepkit.options import Option
from stepkit.promotion import evaluate_step
from stepkit.promotion.comparison import MIN_GAIN, Thresholds
from stepkit.promotion.evaluate_step import MinGain, WhenIncomparable, best
from stepkit.settings import Settings
from stepkit.step import run

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluated:
    """What the walk found, and whether the challenger should become champion."""

    evaluation_uri: str
    mlflow_run_id: str
    algorithm: str
    metrics: dict[str, float]
    """On the held-out bars, of the model as it is."""
    walk_forward: dict[str, float]
    baseline: str
    """The best of the naive guesses, and its area under the ROC curve."""
    net: float
    """What trading on the walk's models would have earned after costs."""
    champion_version: int | None
    verdict: str
    reason: str


def evaluate(
    settings: Settings,
    *,
    candidate: Annotated[dict[str, Any], Option("the result of train")],
    snapshot_uri: Annotated[str, Option("S3 URI of the snapshot of features")],
    snapshot_sha256: Annotated[str, Option("its data hash")],
    folds: Annotated[int, Option("stretches of the walk", minimum=1)] = 6,
    cost_bps: Annotated[float, Option("costs of a trade, in hundredths of a percent", minimum=0)] = 10.0,
    require_profit: Annotated[bool, Option("refuse a model that loses after costs")] = False,
    min_metric: Annotated[float, Option("smallest roc_auc without a champion", minimum=0, maximum=1)] = 0.5,
    min_gain: MinGain = MIN_GAIN,
    incomparable: WhenIncomparable = "refuse",
    seed: Annotated[int, Option("of everything random", minimum=0)] = 42,
    bucket: Annotated[str, Option("bucket of the evaluation", env="DATA_BUCKET")] = "data",
) -> Evaluated:
    """Scores the way of training and the model it gave, on bars that neither tuning nor training has seen."""
    challenger = best([candidate], "roc_auc", snapshot_sha256)
    with tempfile.TemporaryDirectory() as name:
        snapshot = fetch(snapshot_uri, Path(name), snapshot_sha256)
    found = walk(
        snapshot.rows,
        len(snapshot.rows) - len(snapshot.test),
        snapshot.series,
        candidate["parameters"],
        folds=folds,
        cost_bps=cost_bps,
        seed=seed,
    )
    _logger.info("%s", found.contrast.sentence("in the walk through the held-out bars"))
    veto = Veto(found.contrast, found.earned.net, cost_bps, require_profit)
    judged = evaluate_step.evaluate(
        settings,
        veto.policy(),
        challenger,
        snapshot_uri=snapshot_uri,
        thresholds=Thresholds(min_metric, min_gain, incomparable),
        bucket=bucket,
    )
    _log(settings, found, judged)
    return Evaluated(
        evaluation_uri=judged.evaluation_uri,
        mlflow_run_id=judged.mlflow_run_id,
        algorithm=judged.algorithm,
        metrics=judged.metrics,
        walk_forward=found.scores,
        baseline=f"{found.contrast.name} {found.contrast.baseline:.4f}",
        net=round(found.earned.net, 4),
        champion_version=judged.champion_version,
        verdict=judged.verdict,
        reason=judged.reason,
    )


def _log(settings: Settings, found: Walk, judged: evaluate_step.Evaluated) -> None:
    """Logs the walk to a run of its own, with the baselines beside the model."""
    parameters = {"folds": found.folds, "gap": found.gap, "cost_bps": found.cost_bps}
    inputs = {"mlflow_run_id": judged.mlflow_run_id, **parameters}
    tags = {"verdict": judged.verdict, "reason": judged.reason}
    with tracking.run(settings, "evaluate", tags, inputs=inputs):
        mlflow.log_params(parameters)
        mlflow.log_metrics({f"walk_{name}": value for name, value in found.scores.items()})
        mlflow.log_metrics({f"held_out_{name}": value for name, value in judged.metrics.items()})
        for guess, figures in found.baselines.items():
            mlflow.log_metrics({f"{guess}_{name}": value for name, value in figures.items()})
        for step, area in enumerate(found.areas):
            mlflow.log_metric("stretch_roc_auc", area, step=step)
        contrast = {name: value for name, value in asdict(found.contrast).items() if name != "name"}
        mlflow.log_metrics({f"gain_over_baseline_{name}": value for name, value in contrast.items()})
        mlflow.log_metrics({f"earned_{name}": float(value) for name, value in asdict(found.earned).items()})
        mlflow.log_text(json.dumps(asdict(found), indent=1), "walk_forward.json")


if __name__ == "__main__":
    run(evaluate)
