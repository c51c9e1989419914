"""`stage` and `merge` killed at any statement, then tried again, leave what undisturbed ones leave."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

import psycopg2
import pytest

from sipsa.merge import Merged, merge
from sipsa.stage import Staged, stage
from sipsa.tests.answers import city_row, packed
from stepkit.s3 import ObjectStore
from stepkit.settings import Run, Settings
from tests import children
from tests.killing_proxy import KillingProxy, moments
from tests.services import PostgresServer
from tests.table_hash import of_rows

KILLED = -9
FIRST = packed([city_row(n) for n in range(300)])
# 200 rows as before, 100 corrected, 200 new.
SECOND = packed([city_row(n, **({} if n < 200 else {"precioPromedio": "7"})) for n in range(500)])
TABLES = {
    "sipsa_data.promedios_sipsa_ciudad": "*",
    "sipsa_data.staging_promedios_sipsa_ciudad": "*",
    "sipsa_data.staged_answers": "*",
    "sipsa_data.ingest_watermarks": "*",
    "sipsa_data.ingest_audit": "run_id, source_sha256, rows_read, rows_new, rows_changed, rows_same",
}


def run_stage(url: str, bucket: str, run_id: str, body: bytes) -> Staged:
    return stage(
        Settings(run=Run(dag_id="dag", run_id=run_id), database_url=url),
        operation="promediosSipsaCiudad",
        raw_uri=f"s3://{bucket}/{run_id}",
        raw_sha256=hashlib.sha256(body).hexdigest(),
        run_after=datetime.fromisoformat(f"2025-07-1{run_id[1]}T19:30:00+00:00"),
    )


def run_merge(url: str, run_id: str) -> Merged:
    return merge(
        Settings(run=Run(dag_id="dag", run_id=run_id), database_url=url), operation="promediosSipsaCiudad"
    )


def kept(url: str) -> dict[str, str]:
    """Returns a hash of what each table holds, whatever the order of its rows."""
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            hashes = {}
            for table, columns in TABLES.items():
                cursor.execute(f"SELECT {columns} FROM {table}")
                hashes[table] = of_rows([table], cursor.fetchall())
            return hashes
    finally:
        connection.close()


@pytest.fixture
def prepared(make_database: Callable[[str], str], bucket: str) -> str:
    """The name of a database in which a first answer is merged."""
    for run_id, body in (("r1", FIRST), ("r2", SECOND)):
        ObjectStore().put(f"s3://{bucket}/{run_id}", body)
    url = make_database("sipsa")
    run_stage(url, bucket, "r1", FIRST)
    run_merge(url, "r1")
    return url.rpartition("/")[2]


@pytest.mark.parametrize("step", ["stage", "merge"])
def test_a_step_killed_at_any_statement_and_tried_again_leaves_the_same(
    step: str, postgres_server: PostgresServer, prepared: str, bucket: str
) -> None:
    def run(url: str) -> Any:
        return run_stage(url, bucket, "r2", SECOND) if step == "stage" else run_merge(url, "r2")

    def fresh() -> tuple[str, str]:
        name = postgres_server.create_database(prepared, "quintet_owner")
        return name, postgres_server.url(name, "sipsa")

    def disturbed(database: str, at: int | None, after: bool) -> tuple[int, list[bytes]]:
        proxy = KillingProxy(postgres_server.address, lambda: child.kill(), at, after=after)
        url = f"postgresql://sipsa@127.0.0.1:{proxy.port}/{database}"
        target, arguments = (
            (run_stage, (url, bucket, "r2", SECOND)) if step == "stage" else (run_merge, (url, "r2"))
        )
        child = children.child(target, *arguments)
        child.start()
        child.join(60)
        proxy.close()
        assert child.exitcode is not None
        return child.exitcode, proxy.statements

    if step == "merge":
        run_stage(postgres_server.url(prepared, "sipsa"), bucket, "r2", SECOND)
    name, url = fresh()
    before = kept(url)
    code, statements = disturbed(name, at=None, after=False)
    golden, result = kept(url), run(url)
    assert code == 0
    assert kept(url) == golden != before
    assert len(statements) >= 7
    assert b"COMMIT" in statements[-1]
    if step == "merge":
        assert result == Merged("sipsa_data.promedios_sipsa_ciudad", 500, 200, 100, 200, 0, "2017-11-23")

    for at, after in moments(statements):
        where = f"killed {'after' if after else 'before'} {statements[at][:60]!r}"
        name, url = fresh()
        assert disturbed(name, at, after)[0] == KILLED, where
        assert kept(url) == (golden if after else before), where
        assert run(url) == result, where
        assert kept(url) == golden, where
