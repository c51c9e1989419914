"""Brings the tables of each pipeline to its newest migration, and the record of promotions where it promotes.

A migration is a file NNNN_<words>.sql, numbered from 0001 without a gap, that runs once, in one transaction
with the note of it. It is noted under its number and a digest of it and all before it, so that one which was
changed after it ran is refused. Two runs wait for each other.

Usage: migrate.py <folder> < pipelines.json

The folder holds pipelines/<pipeline>/migrations/ and promotion/; the JSON object says of each pipeline
{"schemas": [...], "promotes": true}. libpq's environment (PGHOST, PGUSER, ...) leads to the database, as its
owner.
"""

import hashlib
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

NOTES = "migrations"
"""The schema of the notes, a table for each series."""
LOCK = 0x51554E54
"""Of all who migrate this database: any number that is the same for each of them."""
WAIT_FOR_OTHERS = "10min"
# A statement that waits for a table's lock lets all later readers wait behind it.
WAIT_FOR_TABLE = "30s"
NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")

ENVIRONMENT = """
from alembic import context
context.configure(**context.config.attributes["configure"])
context.run_migrations()
"""
REVISION = """
from alembic import context, op
revision, down_revision = {revision!r}, {previous!r}
def upgrade():
    context.config.attributes["apply"](op.get_bind(), {number})
"""


class MigrationError(Exception):
    """What is wrong, where, and what to do; the database is as the last whole migration left it."""


@dataclass(frozen=True)
class Series:
    """Migrations that run one after the other.

    Attributes:
        name: of the table of notes.
        files: in their order.
        schema: what names without a schema mean.
        role: the pipeline's, as which its steps log in.
    """

    name: str
    files: tuple[Path, ...]
    schema: str
    role: str

    @property
    def revisions(self) -> list[str]:
        """What each migration is noted under."""
        digest, revisions = hashlib.sha256(), []
        for number, file in enumerate(self.files, 1):
            digest.update(file.read_bytes())
            revisions.append(f"{number:04}_{digest.hexdigest()[:16]}")
        return revisions


def series_of(folder: Path, pipelines: Mapping[str, Any]) -> Iterator[Series]:
    """Yield the series of all pipelines.

    Args:
        folder: holds pipelines/<pipeline>/migrations/ and promotion/.
        pipelines: name -> {"schemas": [...], "promotes": ...}.

    Raises:
        MigrationError: when files are missing, or numbered or named otherwise.
    """
    for pipeline, given in pipelines.items():
        schema = given["schemas"][0]
        yield Series(pipeline, _files(folder / "pipelines" / pipeline / "migrations"), schema, pipeline)
        if given.get("promotes"):
            yield Series(f"{pipeline}_promotion", _files(folder / "promotion"), schema, pipeline)


def _files(folder: Path) -> tuple[Path, ...]:
    files = sorted(folder.glob("*.sql"))
    if not files:
        raise MigrationError(f"{folder} holds no migration: add 0001_tables.sql.")
    for number, file in enumerate(files, 1):
        match = NAME.fullmatch(file.name)
        if match is None or int(match[1]) != number:
            raise MigrationError(
                f"{file} should be {number:04}_<words>.sql: migrations are numbered from 0001 without a gap, "
                "in lower case."
            )
    return tuple(files)


@contextmanager
def alone(engine: Engine) -> Iterator[Connection]:
    """Keep others from migrating until the block ends, or this process is killed."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"SET lock_timeout = '{WAIT_FOR_OTHERS}'"))
        try:
            connection.execute(text(f"SELECT pg_advisory_lock({LOCK})"))
        except DBAPIError as error:
            raise MigrationError(
                f"Another migration of this database runs for more than {WAIT_FOR_OTHERS}: "
                "pg_stat_activity shows what it waits for."
            ) from error
        connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{NOTES}"'))
        yield connection


def migrate(engine: Engine, noting: Connection, series: Series) -> int:
    """Run the migrations of a series that have not run.

    Returns:
        How many ran.

    Raises:
        MigrationError: when one has failed, or was changed after it ran.
    """
    table = {"version_table": series.name, "version_table_schema": NOTES}
    revisions = series.revisions
    noted = MigrationContext.configure(noting, opts=table).get_current_revision()
    if noted is not None and noted not in revisions:
        number = int(noted[:4])
        if number > len(revisions):
            print(f"{series.name}: migration {number:04} has run, of a later release; nothing is taken back.")
            return 0
        raise MigrationError(
            f"{series.name}: a migration up to {series.files[number - 1].name} was changed "
            "after it ran here. Put it back, and write the change as the next number."
        )

    def apply(connection: Connection, number: int) -> None:
        file = series.files[number - 1]
        connection.execute(
            text(
                "SELECT set_config('search_path', :schema, true), set_config('quintet.role', :role, true), "
                "set_config('lock_timeout', :wait, true), "
                # Else a killed Job's statement goes on, with its locks.
                "set_config('client_connection_check_interval', '1s', true)"
            ),
            {"schema": f'"{series.schema}"', "role": series.role, "wait": WAIT_FOR_TABLE},
        )
        try:
            connection.exec_driver_sql(file.read_text("utf-8"), execution_options={"no_parameters": True})
        except DBAPIError as error:
            raise MigrationError(
                f"{series.name}: {file.name} failed and has changed nothing: {str(error.orig).strip()}"
            ) from error
        print(f"{series.name}: {file.name}", flush=True)

    with tempfile.TemporaryDirectory() as folder, engine.connect() as connection:
        settings = {"connection": connection, "transaction_per_migration": True, **table}
        config = Config(attributes={"configure": settings, "apply": apply})
        config.set_main_option("script_location", folder)
        versions = Path(folder, "versions")
        versions.mkdir()
        Path(folder, "env.py").write_text(ENVIRONMENT)
        for number, revision in enumerate(revisions, 1):
            previous = revisions[number - 2] if number > 1 else None
            module = REVISION.format(revision=revision, previous=previous, number=number)
            (versions / f"{revision}.py").write_text(module)
        command.upgrade(config, "head")
    return len(revisions) - (revisions.index(noted) + 1 if noted else 0)


def main() -> None:
    """Migrate all series, each from where it stands; a second call changes nothing."""
    # A connection is for one series: no pool.
    engine = create_engine("postgresql+psycopg2://", poolclass=NullPool)
    try:
        wanted = list(series_of(Path(sys.argv[1]), json.load(sys.stdin)))
        with alone(engine) as noting:
            ran = sum(migrate(engine, noting, series) for series in wanted)
    except MigrationError as error:
        sys.exit(str(error))
    print(f"{ran} migrations have run.", flush=True)


if __name__ == "__main__":
    main()
