"""The trials of a study in MLflow: each a run within the run `tune`, logged once, when it has ended."""

from __future__ import annotations

from datetime import datetime

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from optuna.study import Study
from optuna.trial import FrozenTrial

from bitcoin.study import ENDED

TASK = "tune"
_NUMBER = "quintet.trial"


class TrialLog:
    """Logs trials below one MLflow run.

    Args:
        parent: id of the run `tune`.
    """

    def __init__(self, parent: str) -> None:
        self._client = MlflowClient()
        self._parent = parent
        self._experiment = self._client.get_run(parent).info.experiment_id

    def log(self, trial: FrozenTrial) -> None:
        """Logs a trial that has ended; the run is there only once it is whole."""
        started, ended = _milliseconds(trial.datetime_start), _milliseconds(trial.datetime_complete)
        run = self._client.create_run(
            self._experiment, start_time=started, run_name=f"trial-{trial.number:03d}"
        )
        metrics = [
            Metric("roc_auc_so_far", value, ended, step)
            for step, value in sorted(trial.intermediate_values.items())
        ]
        if trial.value is not None:
            metrics.append(Metric("roc_auc", trial.value, ended, 0))
        tags = {
            "mlflow.parentRunId": self._parent,
            _NUMBER: str(trial.number),
            "state": trial.state.name.lower(),
        }
        self._client.log_batch(
            run.info.run_id,
            metrics=metrics,
            params=[Param(name, str(value)) for name, value in trial.params.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )
        self._client.set_terminated(run.info.run_id, "FINISHED", ended)

    def complete(self, study: Study) -> int:
        """Logs the trials that a killed worker has not logged; gives how many ended ones there are."""
        # MLflow's client gives the first page alone, of a thousand runs.
        found = mlflow.search_runs(
            [self._experiment], f"tags.`mlflow.parentRunId` = '{self._parent}'", output_format="list"
        )
        logged = {run.data.tags.get(_NUMBER) for run in found}
        ended = study.get_trials(deepcopy=False, states=ENDED)
        for trial in ended:
            if str(trial.number) not in logged:
                self.log(trial)
        return len(ended)


def _milliseconds(moment: datetime | None) -> int:
    return int(moment.timestamp() * 1000) if moment else 0
