"""A `load` killed at any statement, then tried again, leaves what an undisturbed one leaves."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest

from forest.load import Loaded, load
from forest.schema import NAMES, SOURCE_NAMES
from forest.tests.ingest.captures import rows
from stepkit.settings import Run, Settings
from tests import children
from tests.killing_proxy import KillingProxy, moments
from tests.services import PostgresServer

TABLE = "forest.forest_cover_samples"
RUN = Run(dag_id="forest_cover_data_pipeline", run_id="r2", task_id="load")
KILLED = -9


def load_file(database_url: str, path: Path, run: Run = RUN) -> Loaded:
    settings = Settings(run=run, database_url=database_url)
    return load(settings, table=TABLE, file=path, run_after=datetime(2026, 11, 21, 12, tzinfo=UTC))


def kept(database_url: str) -> dict[str, list[Any]]:
    """Returns all that a load leaves, but for row numbers and the time of day."""
    connection = psycopg2.connect(database_url)
    try:
        with connection.cursor() as cursor:
            columns = ", ".join((*NAMES, "batch_number", "captured_at"))
            left = {}
            for table, query in {
                TABLE: f"SELECT {columns} FROM {TABLE} ORDER BY {columns}",
                "audit": "SELECT run_id, table_name, source_sha256, rows_read, rows_new, rows_duplicate"
                " FROM forest.ingest_audit ORDER BY 1",
                "watermarks": "SELECT * FROM forest.ingest_watermarks",
            }.items():
                cursor.execute(query)
                left[table] = cursor.fetchall()
            return left
    finally:
        connection.close()


@pytest.fixture
def captures(tmp_path: Path) -> tuple[Path, Path]:
    """Two captures that share rows."""
    paths = (tmp_path / "first.csv", tmp_path / "second.csv")
    for path, first in zip(paths, (0, 200), strict=True):
        with path.open("w", newline="") as text:
            csv.writer(text).writerows([SOURCE_NAMES, *rows(300, first)])
    return paths


@pytest.fixture
def fresh(
    postgres_server: PostgresServer, forest_database: str, captures: tuple[Path, Path]
) -> Callable[[], tuple[str, str]]:
    """Returns the name and URL of a database in which the first capture is loaded."""
    load_file(forest_database, captures[0], Run(dag_id="d", run_id="r1"))
    prepared = urlsplit(forest_database).path.removeprefix("/")

    def make() -> tuple[str, str]:
        name = postgres_server.create_database(prepared, "quintet_owner")
        return name, postgres_server.url(name, "forest")

    return make


def test_a_load_killed_at_any_statement_and_tried_again_leaves_the_same(
    postgres_server: PostgresServer, fresh: Callable[[], tuple[str, str]], captures: tuple[Path, Path]
) -> None:
    def disturbed(database: str, at: int | None, after: bool) -> tuple[int, list[bytes]]:
        proxy = KillingProxy(postgres_server.address, lambda: child.kill(), at, after=after)
        through_proxy = f"postgresql://forest@127.0.0.1:{proxy.port}/{database}"
        child = children.child(load_file, through_proxy, captures[1])
        child.start()
        child.join(60)
        proxy.close()
        assert child.exitcode is not None
        return child.exitcode, proxy.statements

    name, url = fresh()
    before = kept(url)
    code, statements = disturbed(name, at=None, after=False)
    golden = kept(url)
    assert code == 0
    assert len(statements) >= 9
    assert b"COMMIT" in statements[-1]
    assert (len(before[TABLE]), len(golden[TABLE])) == (300, 500)

    for at, after in moments(statements):
        where = f"killed {'after' if after else 'before'} {statements[at][:60]!r}"
        name, url = fresh()
        assert disturbed(name, at, after)[0] == KILLED, where
        assert kept(url) == (golden if after else before), where
        assert load_file(url, captures[1]) == Loaded(TABLE, 300, 200, 100, 0), where
        assert kept(url) == golden, where
