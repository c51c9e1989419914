"""Looks for the parameters that predict best on the train side; several of it work on one study at once."""

from __future__ import annotations

import logging
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import optuna
import pandas as pd
from optuna.trial import Trial, TrialState

from bitcoin import study
from bitcoin.models import fit, scores, up
from bitcoin.snapshot import TARGET, fetch, walk_forward
from bitcoin.trials import TASK, TrialLog
from stepkit import tracking
from stepkit.options import Option
from stepkit.settings import Settings
from stepkit.step import run

_FIRST_FOLD = 0.5
"""Share of the train side that is before the first stretch to be scored."""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tuned:
    """What this worker did, and how the study stands at its end."""

    study: str
    worker: int
    trials_here: int
    trials: int
    pruned: int
    best_trial: int
    best_roc_auc: float


def tune(
    settings: Settings,
    *,
    snapshot_uri: Annotated[str, Option("S3 URI of the snapshot of features")],
    snapshot_sha256: Annotated[str, Option("its data hash")],
    worker: Annotated[int, Option("which of the workers this is", minimum=0)] = 0,
    trials: Annotated[int, Option("trials of all workers together", minimum=1)] = 30,
    folds: Annotated[int, Option("stretches that a trial is scored on", minimum=1)] = 4,
    max_estimators: Annotated[int, Option("most trees of a trial", minimum=20)] = 300,
    seed: Annotated[int, Option("of everything random", minimum=0)] = 42,
) -> Tuned:
    """Tries parameters until the run's study has enough trials; a killed worker loses the one it was at.

    A trial walks forward through the train side. The test side is not read.
    """
    with tempfile.TemporaryDirectory() as name:
        snapshot = fetch(snapshot_uri, Path(name), snapshot_sha256)
    rows, gap = snapshot.train, snapshot.series.gap

    def objective(trial: Trial) -> float:
        return _score(trial, rows, suggested(trial, max_estimators), folds, gap, seed)

    with study.errors(), study.trial_lock(settings) as lock, ExitStack() as opened:
        with lock.held():  # two workers would make two studies, and two runs in MLflow
            ours = study.opened(settings)
            log = TrialLog(opened.enter_context(tracking.run(settings, TASK)))

        def done(trial: optuna.trial.FrozenTrial) -> None:
            _logger.info("trial %d %s: %s", trial.number, trial.state.name.lower(), trial.value)
            log.log(trial)

        here = study.work(ours, lock, objective, trials, done, seed)
        ended = ours.get_trials(deepcopy=False)
        return Tuned(
            study=ours.study_name,
            worker=worker,
            trials_here=here,
            trials=sum(trial.state in study.ENDED for trial in ended),
            pruned=sum(trial.state is TrialState.PRUNED for trial in ended),
            best_trial=ours.best_trial.number,
            best_roc_auc=float(ours.best_value),
        )


def suggested(trial: Trial, max_estimators: int) -> dict[str, Any]:
    """Returns the parameters of XGBoost that a trial tries."""
    return {
        "n_estimators": trial.suggest_int("n_estimators", min(40, max_estimators), max_estimators),
        "max_depth": trial.suggest_int("max_depth", 2, 6),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
        "min_child_weight": trial.suggest_float("min_child_weight", 1, 200, log=True),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.3, 1.0),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.1, 100, log=True),
    }


def _score(
    trial: Trial, rows: pd.DataFrame, parameters: dict[str, Any], folds: int, gap: int, seed: int
) -> float:
    """Returns the mean area under the ROC curve over the stretches, or ends early where others did better."""
    areas: list[float] = []
    for step, (before, stretch) in enumerate(
        walk_forward(len(rows), int(len(rows) * _FIRST_FOLD), folds, gap)
    ):
        pipeline = fit(rows[before], parameters, seed)
        scored = rows[stretch]
        areas.append(scores(scored[TARGET].to_numpy(), up(pipeline, scored))["roc_auc"])
        trial.report(float(np.mean(areas)), step)
        if step < folds - 1 and trial.should_prune():
            raise optuna.TrialPruned
    return float(np.mean(areas))


if __name__ == "__main__":
    run(tune)
