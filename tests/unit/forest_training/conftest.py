"""Real covertype rows in a real Postgres, and the settings of steps that use it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg2
import pytest

from forest.schema import NAMES
from stepkit import postgres
from stepkit.settings import Run, Settings

COVERTYPE = Path(__file__).resolve().parents[3] / "sources/forest_api/data/covertype.csv.gz"
TABLE = "forest.forest_cover_samples"


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
    def run(statement: str, values: Any = None) -> list[Any]:
        connection = psycopg2.connect(forest_database)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    return run
