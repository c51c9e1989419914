"""The migrations of the pipelines' tables, against a real server: in turn, and whole or not at all."""

from __future__ import annotations

import io
import json
import os
import runpy
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from quintet.local import databases
from quintet.local.databases import OWNER
from quintet.local.postgres import Postgres
from quintet.pipelines import pipelines
from quintet.progress import CommandError
from quintet.testing import tables
from tests.places import REPOSITORY
from tests.services import PostgresServer, wait_until

FILES = REPOSITORY / "charts/postgres/files"
PROGRAM = FILES / "migrate.py"
PIPELINES: dict[str, Any] = {
    name: {"schemas": pipeline.schemas, "promotes": pipeline.promotes}
    for name, pipeline in pipelines().items()
    if pipeline.schemas
}
PROMOTING = sum(given["promotes"] for given in PIPELINES.values())
MIGRATIONS = sum(1 for path in FILES.glob("pipelines/*/migrations/*.sql")) + PROMOTING * len(
    [*FILES.glob("promotion/*")]
)
FOREST = {"forest": PIPELINES["forest"]}
LAST = len([*FILES.glob("pipelines/forest/migrations/*.sql")])
NEXT, SECOND_NEXT = (f"{LAST + further:04}" for further in (1, 2))
"""Numbers of the migrations that forest's next releases would add."""
NEW_COLUMN = "ALTER TABLE forest.ingest_watermarks ADD COLUMN source text NOT NULL DEFAULT 'api';"
ROW = "INSERT INTO ingest_watermarks VALUES ('forest_cover_samples', 7, '2026-01-02T03:04:05Z', 'run-1')"
TRAINED = (
    "INSERT INTO forest.trainings (model_name, data_sha256, parameters_sha256, dag_id, run_id)"
    " VALUES ('forest', 'd', 'p', 'training', 'run-1')"
)
"""What each step of a release before promotion had a role of its own could write."""


@pytest.fixture(scope="module")
def schemas(postgres_server: PostgresServer) -> str:
    """A database of the owner role with the schemas of every pipeline and no table, to be copied."""
    server = postgres_server
    server.make_role(OWNER)
    name = server.create_database(owner=OWNER)
    for pipeline, given in PIPELINES.items():
        server.make_role(pipeline)
        tables.make_schemas(server, pipeline, given, name)
    return name


@pytest.fixture
def empty(postgres_server: PostgresServer, schemas: str) -> str:
    """A database of the owner role with the schemas of every pipeline and no table."""
    return postgres_server.create_database(schemas, OWNER)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the migrations, for a test to add to."""
    shutil.copytree(FILES / "promotion", tmp_path / "promotion")
    for name in PIPELINES:
        place = Path("pipelines", name, "migrations")
        shutil.copytree(FILES / place, tmp_path / place)
    return tmp_path


def login(server: PostgresServer, database: str) -> dict[str, str]:
    return {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": OWNER, "PGDATABASE": database}


def start(
    server: PostgresServer, database: str, folder: Path, pipelines: dict[str, Any]
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, PROGRAM, folder],
        env={**os.environ, **login(server, database)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(pipelines))
    process.stdin.close()
    process.stdin = None
    return process


def migrated(
    server: PostgresServer, database: str, folder: Path, pipelines: dict[str, Any] = FOREST
) -> tuple[int, str, str]:
    """What the program ends with, prints and says of a failure; in this process: it has Alembic imported."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as printed:
        for name, value in login(server, database).items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", [str(PROGRAM), str(folder)])
        patch.setattr(sys, "stdin", io.StringIO(json.dumps(pipelines)))
        try:
            runpy.run_path(str(PROGRAM), run_name="__main__")
        except SystemExit as failure:
            return 1, printed.getvalue(), str(failure.code)
    return 0, printed.getvalue(), ""


def rows(server: PostgresServer, database: str, statement: str, role: str = "postgres") -> list[Any]:
    connection = psycopg2.connect(server.url(database, role))
    try:
        cursor = connection.cursor()
        cursor.execute(statement)
        found = cursor.fetchall() if cursor.description else []
        connection.commit()
        return found
    finally:
        connection.close()


def everything(server: PostgresServer, database: str) -> list[Any]:
    """All relations of the pipelines with their columns, constraints, owners and grants."""
    return rows(
        server,
        database,
        """
        SELECT n.nspname, c.relname, c.relkind, c.relowner::regrole::text, c.relacl::text, n.nspacl::text,
            (SELECT array_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull)
                ORDER BY attnum)
             FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
            (SELECT array_agg(pg_get_constraintdef(oid) ORDER BY conname)
             FROM pg_constraint WHERE conrelid = c.oid)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname !~ '^(pg_|information_schema|migrations)' ORDER BY 1, 2, 3
        """,
    )


def make_without_migrations(server: PostgresServer, database: str) -> None:
    """Make all tables as releases before migrations did: the same statements, and no note of them."""
    for pipeline, given in PIPELINES.items():
        tables = (REPOSITORY / f"pipelines/{pipeline}/migrations/0001_tables.sql").read_text()
        server.execute(tables, database, OWNER)
        if given["promotes"]:
            setting = f"SET search_path = {given['schemas'][0]}; SET quintet.role = {pipeline};"
            server.execute(setting + (FILES / "promotion/0001_records.sql").read_text(), database, OWNER)


def test_tables_of_a_release_before_migrations_become_those_of_a_new_platform_and_keep_their_rows(
    postgres_server: PostgresServer, schemas: str, empty: str, folder: Path
) -> None:
    server = postgres_server
    make_without_migrations(server, empty)
    rows(server, empty, f"SET search_path = forest; {ROW}", "forest")
    rows(server, empty, TRAINED, "forest")
    code, out, error = migrated(server, empty, folder, PIPELINES)
    assert code == 0, error
    assert f"{MIGRATIONS} migrations have run." in out
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        rows(server, empty, TRAINED, "forest")
    assert rows(server, empty, "SELECT run_id FROM forest.trainings", "forest") == [("run-1",)]
    new = server.create_database(schemas, OWNER)
    assert migrated(server, new, folder, PIPELINES)[0] == 0
    assert len(everything(server, new)) > 30
    assert everything(server, empty) == everything(server, new)

    # A release later.
    (folder / f"pipelines/forest/migrations/{NEXT}_source.sql").write_text(NEW_COLUMN)
    code, out, error = migrated(server, empty, folder, PIPELINES)
    assert (code, out) == (0, f"forest: {NEXT}_source.sql\n1 migrations have run.\n"), error
    written = rows(
        server,
        empty,
        "UPDATE forest.ingest_watermarks SET batch_number = 8; "
        "SELECT batch_number, run_id, source FROM forest.ingest_watermarks",
        "forest",
    )
    assert written == [(8, "run-1", "api")]


def test_two_at_once_run_each_migration_once(
    postgres_server: PostgresServer, empty: str, folder: Path
) -> None:
    # Not to be repeated: a second run of it would fail.
    (folder / f"pipelines/forest/migrations/{NEXT}_source.sql").write_text(
        NEW_COLUMN + "SELECT pg_sleep(0.3);"
    )
    both = [start(postgres_server, empty, folder, PIPELINES) for _ in range(2)]
    results = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], results
    assert sorted(out.splitlines()[-1] for out, _ in results) == [
        "0 migrations have run.",
        f"{MIGRATIONS + 1} migrations have run.",
    ]


def test_a_migration_that_fails_changes_nothing_and_can_be_put_right(
    postgres_server: PostgresServer, empty: str, folder: Path
) -> None:
    second, third = (
        folder / f"pipelines/forest/migrations/{name}.sql"
        for name in (f"{NEXT}_source", f"{SECOND_NEXT}_more")
    )
    second.write_text(NEW_COLUMN)
    third.write_text(NEW_COLUMN.replace("source", "more") + "SELECT 1 / 0;")
    code, _, error = migrated(postgres_server, empty, folder)
    assert code == 1
    assert error == f"forest: {SECOND_NEXT}_more.sql failed and has changed nothing: division by zero"
    columns = "SELECT column_name FROM information_schema.columns WHERE table_name = 'ingest_watermarks'"
    assert {("source",), ("more",)} & set(rows(postgres_server, empty, columns)) == {("source",)}
    third.write_text(NEW_COLUMN.replace("source", "more"))
    assert migrated(postgres_server, empty, folder)[1].splitlines()[0] == f"forest: {SECOND_NEXT}_more.sql"


def test_a_migration_that_is_killed_leaves_nothing_and_is_run_again(
    postgres_server: PostgresServer, empty: str, folder: Path
) -> None:
    second = folder / f"pipelines/forest/migrations/{NEXT}_source.sql"
    second.write_text(NEW_COLUMN + "SELECT pg_sleep(600);")
    process = start(postgres_server, empty, folder, FOREST)
    sleeping = f"SELECT 1 FROM pg_stat_activity WHERE datname = '{empty}' AND wait_event = 'PgSleep'"
    assert wait_until(lambda: bool(rows(postgres_server, "postgres", sleeping)), 20)
    process.kill()
    process.communicate()
    second.write_text(NEW_COLUMN)
    code, out, error = migrated(postgres_server, empty, folder)
    assert (code, out.splitlines()[0]) == (0, f"forest: {NEXT}_source.sql"), error


@pytest.mark.parametrize("changed", ["0001_tables", f"{NEXT}_source"])
def test_a_migration_that_was_changed_after_it_ran_is_refused(
    changed: str, postgres_server: PostgresServer, empty: str, folder: Path
) -> None:
    (folder / f"pipelines/forest/migrations/{NEXT}_source.sql").write_text(NEW_COLUMN)
    assert migrated(postgres_server, empty, folder)[0] == 0
    with (folder / f"pipelines/forest/migrations/{changed}.sql").open("a") as file:
        file.write("SELECT 1;")
    (folder / f"pipelines/forest/migrations/{SECOND_NEXT}_more.sql").write_text("CREATE TABLE forest.more ()")
    code, _, error = migrated(postgres_server, empty, folder)
    assert code == 1
    assert f"forest: a migration up to {NEXT}_source.sql was changed after it ran here." in error
    assert rows(postgres_server, empty, "SELECT to_regclass('forest.more')") == [(None,)]


def test_an_older_release_leaves_the_tables_of_a_newer_one(
    postgres_server: PostgresServer, empty: str, folder: Path
) -> None:
    newest = folder / f"pipelines/forest/migrations/{NEXT}_source.sql"
    newest.write_text(NEW_COLUMN)
    assert migrated(postgres_server, empty, folder)[0] == 0
    newest.unlink()
    code, out, _ = migrated(postgres_server, empty, folder)
    assert code == 0
    assert f"forest: migration {NEXT} has run, of a later release; nothing is taken back." in out
    columns = rows(postgres_server, empty, "SELECT source FROM forest.ingest_watermarks")
    assert columns == []


@pytest.mark.parametrize("name", [f"{SECOND_NEXT}_gap.sql", f"{NEXT}-dash.sql", f"{LAST + 1}_short.sql"])
def test_a_migration_with_a_wrong_name_is_refused_before_any_runs(
    name: str, postgres_server: PostgresServer, empty: str, folder: Path
) -> None:
    (folder / "pipelines/forest/migrations" / name).write_text("SELECT 1")
    code, _, error = migrated(postgres_server, empty, folder)
    assert code == 1
    assert f"{name} should be {NEXT}_<words>.sql" in error
    assert rows(postgres_server, empty, "SELECT to_regclass('forest.ingest_watermarks')") == [(None,)]


def test_the_local_platform_says_which_migration_failed(postgres_server: PostgresServer, empty: str) -> None:
    server = Postgres(Path(), postgres_server.port, None)
    with pytest.raises(CommandError, match=r"nowhere/migrations holds no migration: add 0001_tables\.sql"):
        databases.migrate(server, empty, {"nowhere": {"schemas": ["nowhere"]}})
