"""The record of promotions and trainings on a real Postgres, and MLflow gone before it follows the record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg2
import pytest
from mlflow import MlflowClient

from forest.promote import promote
from forest.tests.training.conftest import Training
from forest.tests.training.dying_server import dying_server
from stepkit import postgres
from stepkit.promotion.decisions import Decision, Decisions, Model
from stepkit.step import execute
from tests.roles import as_promotion

Make = Callable[..., Any]


@pytest.mark.parametrize("table", ["promotion_decisions", "trainings"])
@pytest.mark.parametrize(
    "statement", ["DELETE FROM forest.{}", "UPDATE forest.{} SET run_id = 'x'", "TRUNCATE forest.{}"]
)
def test_nobody_changes_or_removes_what_is_recorded(
    settings: Make, promoting: Make, query: Make, forest_database: str, table: str, statement: str
) -> None:
    decision = Decision("promoted", "why", Model("svc", "m", "b", "d"), None, parameters_sha256="p")
    with postgres.transaction(promoting("run-1")) as rows:
        Decisions(rows, settings(), "forest").record(decision)
    for url in (forest_database, as_promotion(forest_database)):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            query(statement.format(table), url=url)
    assert query(f"SELECT run_id FROM forest.{table}") == [("run-1",)]


def test_mlflow_gone_after_the_decision_is_an_outage_that_the_next_run_puts_right(
    run_evaluate: Make,
    run_promote: Make,
    world: Make,
    training: Training,
    query: Make,
    client: MlflowClient,
    mlflow_url: str,
    forest_database: str,
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def champion_digest() -> Any:
        return client.get_model_version_by_alias(model, "champion").tags["bundle_digest"]

    def decided() -> list[Any]:
        return query("SELECT verdict FROM forest.promotion_decisions WHERE run_id = '2'")

    model = world("any").model_name
    run_promote("1", run_evaluate("1", "logistic_regression"))
    second, third = run_evaluate("2", "random_forest"), run_evaluate("3", "svc")
    before = champion_digest()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    database = as_promotion(forest_database)
    with dying_server(mlflow_url, dead=lambda: bool(decided())) as url:
        environment = {"DATABASE_URL": database, "MLFLOW_TRACKING_URI": url, "DAG_ID": "training"}
        options = ["--evaluation-uri", second, "--bucket", bucket, "--run-id", "2"]
        assert execute(promote, options, environment | {"MLFLOW_MODEL_NAME": model}) == 75
    assert decided() == [("promoted",)]
    assert champion_digest() == before

    found = run_promote("3", third)
    assert (found.verdict, found.champion) == ("refused", "random_forest")
    assert champion_digest() == training.candidates["random_forest"].bundle_digest
