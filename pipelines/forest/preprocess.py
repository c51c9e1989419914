"""Freezes a table's samples as the snapshot that one training run works on."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from psycopg2 import sql

from forest.schema import NAMES, SCHEMA, TABLES, Table
from forest.snapshot import CATEGORIES, TARGET, Snapshot, clean, fetch
from stepkit import postgres
from stepkit.errors import NothingToDo
from stepkit.options import Option
from stepkit.promotion.decisions import parameters_hash, refuse_repetition
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings
from stepkit.step import run

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preprocessed:
    """Where the snapshot is, and what it holds."""

    snapshot_uri: str
    snapshot_sha256: str
    rows: int
    train_rows: int
    test_rows: int
    classes: int
    captures: int


@dataclass(frozen=True)
class Enough:
    """What training needs before it starts."""

    rows: int
    captures: int
    classes: int

    def check(self, snapshot: Snapshot, table: str) -> None:
        """Compares a snapshot with the thresholds.

        Raises:
            NothingToDo: it has too little; says of what, and how much is needed.
        """
        classes = snapshot.train[TARGET].nunique()
        for found, needed, what in (
            (len(snapshot.rows), self.rows, "rows"),
            (snapshot.captures, self.captures, "captures"),
            (classes, self.classes, "classes among its training rows"),
            (len(snapshot.test), 1, "test rows"),
        ):
            if found < needed:
                raise NothingToDo(f"{table} has {found} {what}; training needs {needed} and waits for more")


def preprocess(
    settings: Settings,
    *,
    table: Annotated[Table, Option("table to read")],
    run_after: Annotated[datetime, Option("time of the run; names the snapshot")],
    bucket: Annotated[str, Option("bucket of the snapshot", env="DATA_BUCKET")] = "data",
    min_rows: Annotated[int, Option("fewest rows to train on", minimum=1)] = 1000,
    min_captures: Annotated[int, Option("fewest captures to train on", minimum=0)] = 1,
    min_classes: Annotated[int, Option("fewest classes to train on", minimum=2)] = 7,
    training_parameters: Annotated[dict[str, Any] | None, Option("what else decides the outcome")] = None,
) -> Preprocessed:
    """Writes the samples as Parquet, or skips when they are too few or were trained on before."""
    name = f"forest_cover_preprocessed_{run_after.astimezone(UTC):%Y%m%dT%H%M%SZ}.parquet"
    uri = f"s3://{bucket}/forest/preprocessed/{settings.run.key}/{name}"
    store = ObjectStore()
    with tempfile.TemporaryDirectory() as folder:
        if store.exists(uri):
            _logger.info("a former try has written %s", uri)
            return _described(uri, fetch(uri, Path(folder)))
        raw = read_table(settings, table, Path(folder, "table.csv"))
        snapshot = Snapshot(
            clean(raw), raw["captured_at"].nunique(), parameters_hash(training_parameters or {})
        )
        Enough(min_rows, min_captures, min_classes).check(snapshot, table)
        refuse_repetition(settings, SCHEMA, snapshot.sha256, snapshot.parameters_sha256, table)
        path = Path(folder, name)
        snapshot.write(path)
        store.upload(path, uri)
    return _described(uri, snapshot)


def read_table(settings: Settings, table: str, path: Path) -> pd.DataFrame:
    """Returns the samples of a table under our own column names, with `captured_at`.

    Args:
        settings: leads to Postgres.
        table: one of `TABLES`.
        path: a file to hold the rows in between.

    Raises:
        DependencyUnavailable: Postgres does not answer.
    """
    names = sql.SQL(", ").join(map(sql.Identifier, TABLES[table]))
    query = sql.SQL("COPY (SELECT {}, captured_at FROM {}) TO STDOUT WITH (FORMAT csv)")
    with postgres.transaction(settings) as rows, path.open("wb") as file:
        rows.copy_expert(query.format(names, postgres.identifier(table)), file)
    types = {name: "str" if name in CATEGORIES else "float64" for name in NAMES}
    return pd.read_csv(
        path,
        names=[*NAMES, "captured_at"],
        dtype={**types, "captured_at": "category"},
        keep_default_na=False,
        na_values=[""],
    )


def _described(uri: str, snapshot: Snapshot) -> Preprocessed:
    return Preprocessed(
        snapshot_uri=uri,
        snapshot_sha256=snapshot.sha256,
        rows=len(snapshot.rows),
        train_rows=len(snapshot.train),
        test_rows=len(snapshot.test),
        classes=int(snapshot.rows[TARGET].nunique()),
        captures=snapshot.captures,
    )


if __name__ == "__main__":
    run(preprocess)
