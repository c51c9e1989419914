"""The penguins' schemas on a real Postgres, as role `penguins`, and the steps of one run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import uuid4

import psycopg2
import pytest

from penguins.create_raw_table import create_raw_table
from penguins.load_raw import load_raw
from penguins.preprocess import Preprocessed, preprocess
from penguins.publish import publish
from penguins.reset_schema import reset_schema
from penguins.train import Trained, train
from penguins.validate import validate
from stepkit.promotion.promote_step import Promoted
from stepkit.settings import Run, Settings
from tests.roles import as_promotion


@dataclass(frozen=True)
class World:
    """A database, a bucket and an MLflow server, and what the steps do there."""

    database_url: str
    bucket: str
    tracking_uri: str
    model_name: str

    def settings(self, run_id: str) -> Settings:
        return Settings(
            run=Run(dag_id="modelo_penguin", run_id=run_id),
            database_url=self.database_url,
            tracking_uri=self.tracking_uri,
            experiment_name=f"experiment-{self.model_name}",
            model_name=self.model_name,
        )

    def prepare(self, run_id: str, **options: Any) -> Preprocessed:
        settings = self.settings(run_id)
        reset_schema(settings)
        create_raw_table(settings)
        load_raw(settings)
        return preprocess(settings, bucket=self.bucket, **options)

    def train(self, run_id: str, preprocessed: Preprocessed, **options: Any) -> Trained:
        return train(self.settings(run_id), **self.snapshot(preprocessed), **options)

    def publish(self, run_id: str, preprocessed: Preprocessed, trained: Trained) -> Promoted:
        settings = self.settings(run_id)
        evaluated = validate(
            settings, trained=asdict(trained), bucket=self.bucket, **self.snapshot(preprocessed)
        )
        promoting = replace(settings, database_url=as_promotion(self.database_url))
        return publish(promoting, evaluation_uri=evaluated.evaluation_uri, bucket=self.bucket)

    def run(self, run_id: str, **options: Any) -> tuple[Preprocessed, Trained, Promoted]:
        preprocessed = self.prepare(run_id)
        trained = self.train(run_id, preprocessed, **options)
        return preprocessed, trained, self.publish(run_id, preprocessed, trained)

    @staticmethod
    def snapshot(preprocessed: Preprocessed) -> dict[str, str]:
        return {"snapshot_uri": preprocessed.snapshot_uri, "snapshot_sha256": preprocessed.snapshot_sha256}

    def query(self, statement: str) -> list[Any]:
        connection = psycopg2.connect(self.database_url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def tables(self) -> dict[str, list[Any]]:
        """All rows of the schema's two tables."""
        names = ("raw_penguins", "processed_penguins")
        return {name: self.query(f"SELECT * FROM penguins.{name} ORDER BY line") for name in names}


@pytest.fixture
def world(make_database: Callable[[str], str], bucket: str, mlflow_url: str) -> World:
    """A world whose registered model is its own."""
    return World(make_database("penguins"), bucket, mlflow_url, f"penguins-{uuid4().hex[:8]}")
