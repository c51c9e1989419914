"""A `load` killed at any statement, then tried again, leaves what an undisturbed one leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg2
import pytest

from bitcoin.load import Loaded, load
from bitcoin.tests.rows import capture, rows
from stepkit.s3 import ObjectStore
from stepkit.settings import Run, Settings
from tests import children
from tests.killing_proxy import KillingProxy, moments
from tests.services import PostgresServer

KILLED = -9


def load_run(database_url: str, uri: str, run_id: str = "r2") -> Loaded:
    return load(Settings(run=Run(dag_id="d", run_id=run_id), database_url=database_url), raw_uri=uri)


def kept(database_url: str) -> dict[str, list[Any]]:
    """Returns all that a load leaves, but for the time of day."""
    connection = psycopg2.connect(database_url)
    try:
        with connection.cursor() as cursor:
            left = {}
            for table in ("bars", "ingest_watermarks"):
                cursor.execute(f"SELECT * FROM bitcoin.{table} ORDER BY 1, 2, 3")
                left[table] = cursor.fetchall()
            cursor.execute("SELECT run_id, source_sha256, rows_new FROM bitcoin.ingest_audit ORDER BY 1")
            left["audit"] = cursor.fetchall()
            return left
    finally:
        connection.close()


@pytest.fixture
def captures(bucket: str) -> tuple[str, str]:
    """Two captures that share bars."""
    uris = (f"s3://{bucket}/first.json", f"s3://{bucket}/second.json")
    for uri, first in zip(uris, (0, 200), strict=True):
        ObjectStore().put(uri, capture(rows(300, first)).to_json())
    return uris


@pytest.fixture
def fresh(
    postgres_server: PostgresServer, bitcoin_database: str, captures: tuple[str, str]
) -> Callable[[], tuple[str, str]]:
    """Returns the name and URL of a database in which the first capture is loaded."""
    load_run(bitcoin_database, captures[0], "r1")
    prepared = bitcoin_database.rpartition("/")[2]

    def make() -> tuple[str, str]:
        name = postgres_server.create_database(prepared, "quintet_owner")
        return name, postgres_server.url(name, "bitcoin")

    return make


def test_a_load_killed_at_any_statement_and_tried_again_leaves_the_same(
    postgres_server: PostgresServer, fresh: Callable[[], tuple[str, str]], captures: tuple[str, str]
) -> None:
    def disturbed(database: str, at: int | None, after: bool) -> tuple[int, list[bytes]]:
        proxy = KillingProxy(postgres_server.address, lambda: child.kill(), at, after=after)
        through_proxy = f"postgresql://bitcoin@127.0.0.1:{proxy.port}/{database}"
        child = children.child(load_run, through_proxy, captures[1])
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
    assert (len(before["bars"]), len(golden["bars"])) == (300, 500)

    for at, after in moments(statements):
        where = f"killed {'after' if after else 'before'} {statements[at][:60]!r}"
        name, url = fresh()
        assert disturbed(name, at, after)[0] == KILLED, where
        assert kept(url) == (golden if after else before), where
        assert load_run(url, captures[1]) == Loaded("bitcoin.bars", 300, 200, 100, 0, []), where
        assert kept(url) == golden, where
