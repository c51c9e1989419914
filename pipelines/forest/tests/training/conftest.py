"""Real covertype rows in a real Postgres, models trained on them, and the settings of steps that use both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import mlflow
import pandas as pd
import psycopg2
import pytest
from mlflow import MlflowClient

from forest.evaluate import evaluate
from forest.promote import Promoted, promote
from forest.schema import NAMES
from forest.snapshot import Snapshot, clean
from forest.train import Trained, train
from stepkit import postgres
from stepkit.s3 import ObjectStore
from stepkit.settings import Run, Settings
from tests import services
from tests.roles import as_promotion

COVERTYPE = Path(__file__).resolve().parents[4] / "sources/forest_api/data/covertype.csv.gz"
TABLE = "forest.forest_cover_samples"
ALGORITHMS = ("logistic_regression", "random_forest", "svc")
Make = Callable[..., Any]


@pytest.fixture(scope="session")
def covertype() -> pd.DataFrame:
    """The file's first 60,000 rows, which hold all seven classes, under our own column names."""
    return pd.read_csv(COVERTYPE, nrows=60_000).set_axis(list(NAMES), axis=1)


@pytest.fixture
def settings(forest_database: str) -> Callable[..., Settings]:
    """Makes the settings of a run; they lead to Postgres alone unless more is given."""

    def make(run_id: str = "run-1", **more: Any) -> Settings:
        return Settings(run=Run(dag_id="training", run_id=run_id), database_url=forest_database, **more)

    return make


@pytest.fixture
def insert(settings: Callable[..., Settings]) -> Callable[..., None]:
    """Adds rows to a table as one capture."""

    def run(
        rows: pd.DataFrame, table: str = TABLE, columns: tuple[str, ...] = NAMES, capture: int = 1
    ) -> None:
        values = rows.astype(object).where(rows.notna(), None).itertuples(index=False, name=None)
        moment = f"2026-11-21T12:{capture:02}:00+00:00"
        with postgres.transaction(settings()) as cursor:
            batches = ((*row, capture, moment) for row in values)
            postgres.copy(cursor, table, (*columns, "batch_number", "captured_at"), batches)

    return run


@pytest.fixture
def query(forest_database: str) -> Callable[..., list[Any]]:
    """Asks Postgres as the pipeline's role, unless a URL of another is given."""

    def run(statement: str, values: Any = None, url: str = forest_database) -> list[Any]:
        connection = psycopg2.connect(url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    return run


@pytest.fixture
def end_session(query: Callable[..., list[Any]], forest_database: str) -> Callable[[str], None]:
    """Ends the session of a promotion, as an administrator does or a server that fails."""

    def end(run_id: str) -> None:
        ended = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = %s"
        assert query(ended, [f"step {run_id}"], as_promotion(forest_database)) == [(True,)]

    return end


@dataclass(frozen=True)
class Training:
    """One snapshot and the three candidates that were trained on it."""

    snapshot: dict[str, str]
    candidates: dict[str, Trained]


@pytest.fixture(scope="session")
def training(
    s3_server: services.S3Server,
    mlflow_url: str,
    covertype: pd.DataFrame,
    tmp_path_factory: pytest.TempPathFactory,
) -> Training:
    snapshot = Snapshot(clean(covertype[:6000]), 1, "parameters")
    path = tmp_path_factory.mktemp("snapshot") / "s.parquet"
    snapshot.write(path)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.environment.items():
            patch.setenv(name, value)
        uri = f"s3://{s3_server.create_bucket()}/s.parquet"
        ObjectStore().upload(path, uri)
        named = {"snapshot_uri": uri, "snapshot_sha256": snapshot.sha256}
        settings = Settings(
            run=Run("training", "run-0"), tracking_uri=mlflow_url, image_reference="forest-train@sha"
        )
        small = {"n_estimators": 10, "svc_max_rows": 1000, "svc_components": 50}
        results = {each: train(settings, algorithm=each, **named, **small) for each in ALGORITHMS}
    return Training(named, results)


@pytest.fixture
def world(settings: Make, mlflow_url: str, bucket: str) -> Make:
    """Makes settings that share one registered model, a fresh one for each test."""
    model = f"forest-{uuid4().hex[:8]}"

    def make(run_id: str, **more: Any) -> Settings:
        made: Settings = settings(run_id, **({"tracking_uri": mlflow_url, "model_name": model} | more))
        return made

    return make


@pytest.fixture
def run_evaluate(world: Make, training: Training, bucket: str) -> Make:
    def run(run_id: str, algorithm: str, **options: Any) -> str:
        candidates = [asdict(training.candidates[algorithm])]
        found = evaluate(world(run_id), candidates=candidates, bucket=bucket, **training.snapshot, **options)
        return found.evaluation_uri

    return run


@pytest.fixture
def promoting(world: Make) -> Make:
    """Makes the settings of the step that promotes, which has a role of its own."""

    def make(run_id: str, **more: Any) -> Settings:
        made: Settings = world(run_id, **more)
        return replace(made, database_url=as_promotion(made.database_url))

    return make


@pytest.fixture
def run_promote(promoting: Make, bucket: str) -> Make:
    def run(run_id: str, uri: str | None = None, **options: Any) -> Promoted:
        return promote(promoting(run_id), evaluation_uri=uri, bucket=bucket, **options)

    return run


@pytest.fixture
def client(mlflow_url: str) -> MlflowClient:
    return MlflowClient(mlflow_url, mlflow_url)


@pytest.fixture
def tracking(mlflow_url: str) -> Iterator[None]:
    mlflow.set_tracking_uri(mlflow_url)
    mlflow.set_registry_uri(mlflow_url)
    yield
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)
