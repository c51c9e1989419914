"""A champion whose run `mlflow gc` has deleted for good: who is served, who follows, and the ways back."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from forest.evaluate import evaluate
from forest.tests.training.conftest import Training
from forest.train import Trained
from quintet.local.platform import python
from quintet.testing import shared_servers
from stepkit.errors import InvalidInput
from tests import services
from tests.roles import as_serving
from tests.serving.conftest import Server, started

Make = Callable[..., Any]
SECONDS = 120


@pytest.fixture
def copied(training: Training, client: MlflowClient, tmp_path: Path) -> Callable[[str], Trained]:
    """Returns a candidate with a run of its own, whose loss other tests do not notice."""

    def copy(algorithm: str) -> Trained:
        trained, folder = training.candidates[algorithm], tmp_path / algorithm
        folder.mkdir()
        run_id: str = client.create_run("0", run_name=algorithm).info.run_id
        client.log_artifacts(run_id, client.download_artifacts(trained.mlflow_run_id, "", str(folder)))
        return replace(trained, mlflow_run_id=run_id)

    return copy


@pytest.fixture
def decide(world: Make, run_promote: Make, training: Training, bucket: str) -> Make:
    """Runs `evaluate` and `promote` for a candidate."""

    def run(run_id: str, candidate: Trained) -> Any:
        found = evaluate(world(run_id), candidates=[asdict(candidate)], bucket=bucket, **training.snapshot)
        return run_promote(run_id, found.evaluation_uri)

    return run


def delete_for_good(run_id: str, client: MlflowClient, url: str) -> None:
    """Deletes a run as retention does: marks it, and calls MLflow's own command, which asks the server."""
    client.delete_run(run_id)
    database = shared_servers.mlflow_database()
    subprocess.run(
        [python("mlflow"), "-m", "mlflow", "gc", "--backend-store-uri", database, "--run-ids", run_id],
        env={**os.environ, "MLFLOW_TRACKING_URI": url},
        check=True,
        timeout=SECONDS,
    )
    with pytest.raises(MlflowException, match="not found"):
        client.get_run(run_id)


@pytest.mark.usefixtures("tracking")
def test_a_champion_that_mlflow_gc_has_deleted_is_served_on_and_stands_in_nobodys_way(
    copied: Callable[[str], Trained],
    decide: Make,
    run_promote: Make,
    world: Make,
    client: MlflowClient,
    mlflow_url: str,
    forest_database: str,
    covertype: pd.DataFrame,
    tmp_path: Path,
) -> None:
    sample = covertype.drop(columns="cover_type").iloc[:1].to_dict("records")
    own = {"MLFLOW_MODEL_NAME": world("1").model_name, "PROMOTION_RECORD_URL": as_serving(forest_database)}

    def serves(server: Server, version: str | None) -> bool:
        return services.wait_until(lambda: server.version() == version, SECONDS)

    assert decide("1", copied("logistic_regression")).version == 1
    champion = copied("random_forest")
    assert decide("2", champion).version == 2
    with ExitStack() as running:
        old, new = (tmp_path / name for name in ("old", "new"))
        for folder in (old, new):
            folder.mkdir()
        serving = started(running, old, mlflow_url, **own)
        assert serves(serving, "2")
        answer = serving.predict(sample).json()

        delete_for_good(champion.mlflow_run_id, client, mlflow_url)
        assert serving.predict(sample).json() == answer
        again = started(running, new, mlflow_url, **own)
        assert services.wait_until(lambda: again.get("/ready").status_code == 503, SECONDS)
        assert again.predict(sample).status_code == 503
        assert (serving.version(), again.version()) == ("2", None)

        promoted = decide("3", copied("svc"))
        assert (promoted.verdict, promoted.version) == ("promoted", 3)
        assert promoted.reason.startswith("the champion cannot answer (")
        assert serves(serving, "3")
        assert serves(again, "3")

        with pytest.raises(InvalidInput, match=r"version 2 of .* has nothing to serve any more"):
            run_promote("4", None, rollback_to=2, reason="for the test")
        back = run_promote("5", None, rollback_to=1, reason="for the test")
        assert (back.verdict, back.champion, back.version) == ("rolled_back", "logistic_regression", 1)
        assert serves(serving, "1")
        assert serves(again, "1")
        assert again.predict(sample).status_code == 200
