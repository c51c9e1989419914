"""Cleans the raw lines, splits them, and writes what the model sees of them, fitted on train rows only."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from psycopg2 import sql
from psycopg2.extensions import cursor

from penguins.models import preprocessed
from penguins.schema import COLUMNS, PROCESSED, RAW, SPECIES, TARGET
from penguins.snapshot import Snapshot, clean
from stepkit import postgres
from stepkit.errors import Code, InvalidInput
from stepkit.options import Option
from stepkit.promotion.decisions import parameters_hash
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings
from stepkit.step import run

_FEWEST_ROWS = 30
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preprocessed:
    """Where the snapshot is, what it holds, and the defects of the file."""

    snapshot_uri: str
    snapshot_sha256: str
    rows: int
    train_rows: int
    test_rows: int
    defects: dict[str, int]


def preprocess(
    settings: Settings,
    *,
    bucket: Annotated[str, Option("bucket of the snapshot", env="DATA_BUCKET")] = "data",
    training_parameters: Annotated[dict[str, Any] | None, Option("what else decides the outcome")] = None,
) -> Preprocessed:
    """Writes the snapshot to S3 and the preprocessed columns to Postgres; a repeat writes the same again."""
    with postgres.transaction(settings) as rows:
        raw = _read(rows)
        snapshot = Snapshot(*clean(raw), parameters_hash(training_parameters or {}))
        if min(len(snapshot.train), len(snapshot.test)) < _FEWEST_ROWS:
            raise InvalidInput(
                f"{RAW} gives {len(snapshot.train)} train and {len(snapshot.test)} test rows;"
                f" {_FEWEST_ROWS} of each are needed: load the whole file",
                Code.TOO_LITTLE_DATA,
                file=RAW,
            )
        _write_processed(rows, snapshot)
        uri = f"s3://{bucket}/penguins/preprocessed/{settings.run.key}/penguins.parquet"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "penguins.parquet")
            snapshot.write(path)
            ObjectStore().upload(path, uri)
    _logger.info("%d rows; defects: %s", len(snapshot.rows), snapshot.defects)
    return Preprocessed(
        snapshot_uri=uri,
        snapshot_sha256=snapshot.sha256,
        rows=len(snapshot.rows),
        train_rows=len(snapshot.train),
        test_rows=len(snapshot.test),
        defects=asdict(snapshot.defects),
    )


def _read(rows: cursor) -> pd.DataFrame:
    names = ("line", *COLUMNS)
    rows.execute(
        sql.SQL("SELECT {} FROM {} ORDER BY line").format(
            sql.SQL(", ").join(map(sql.Identifier, names)), postgres.identifier(RAW)
        )
    )
    # COPY takes an empty field for NULL.
    return pd.DataFrame(rows.fetchall(), columns=list(names)).fillna("")


def _write_processed(rows: cursor, snapshot: Snapshot) -> None:
    """Replaces the table of preprocessed columns, for people: training makes the same from the snapshot."""
    columns = preprocessed(snapshot.train, snapshot.rows)
    target = postgres.identifier(PROCESSED)
    defined = sql.SQL(", ").join(
        sql.SQL("{} double precision NOT NULL").format(sql.Identifier(name)) for name in columns
    )
    rows.execute(
        sql.SQL(
            "CREATE TABLE IF NOT EXISTS {target}"
            " (line integer PRIMARY KEY, {defined}, {species} text NOT NULL, side text NOT NULL);"
            " TRUNCATE {target}"
        ).format(target=target, defined=defined, species=sql.Identifier(TARGET))
    )
    table = columns.assign(side=snapshot.rows["side"])
    table.insert(0, "line", snapshot.rows["line"])
    table.insert(table.shape[1] - 1, TARGET, snapshot.rows[TARGET].map(SPECIES.__getitem__))
    postgres.copy(rows, PROCESSED, list(table), table.itertuples(index=False, name=None))


if __name__ == "__main__":
    run(preprocess)
