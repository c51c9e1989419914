"""The trials of a study in MLflow, against a server that gives them page by page."""

from __future__ import annotations

import json

import mlflow
import optuna

from bitcoin.trials import TrialLog
from tests.scripted_http import response, serving


def page(number: int, token: str = "") -> bytes:
    """Gives an answer with the run of one trial."""
    run = {
        "info": {"run_id": f"trial-{number}", "experiment_id": "1", "status": "FINISHED"},
        "data": {"tags": [{"key": "quintet.trial", "value": str(number)}]},
    }
    return response(200, json.dumps({"runs": [run], **({"next_page_token": token} if token else {})}))


def test_a_trial_of_a_later_page_is_not_logged_again() -> None:
    study = optuna.create_study()
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    parent = response(
        200, json.dumps({"run": {"info": {"run_id": "tune", "experiment_id": "1"}, "data": {}}})
    )
    with serving(parent, page(0, token="more"), page(1)) as server:
        before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(server.url)
        try:
            assert TrialLog("tune").complete(study) == 2
        finally:
            mlflow.set_tracking_uri(before)
        assert [path.partition("?")[0].rpartition("/")[2] for path in server.requests] == [
            "get",
            "search",
            "search",
        ]
