"""The trials of a study in MLflow, against a server that gives them page by page."""

from __future__ import annotations

import json

import optuna
import pytest

from bitcoin.trials import TrialLog
from stepkit import tracking
from stepkit.settings import Settings
from tests.scripted_http import response, serving


def page(number: int, token: str = "") -> bytes:
    """Returns an answer with the run of one trial."""
    run = {
        "info": {"run_id": f"trial-{number}", "experiment_id": "1", "status": "FINISHED"},
        "data": {"tags": [{"key": "quintet.trial", "value": str(number)}]},
    }
    return response(200, json.dumps({"runs": [run], **({"next_page_token": token} if token else {})}))


def test_a_trial_of_a_later_page_is_not_logged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    study = optuna.create_study()
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    parent = response(
        200, json.dumps({"run": {"info": {"run_id": "tune", "experiment_id": "1"}, "data": {}}})
    )
    with serving(parent, page(0, token="more"), page(1)) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)  # MLflow writes it too
        tracking.configure(Settings(tracking_uri=server.url))
        assert TrialLog("tune").complete(study) == 2
        asked = [path.partition("?")[0].rpartition("/")[2] for path in server.requests]
    assert asked == ["get", "search", "search"]
