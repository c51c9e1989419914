"""Loads that are killed at any statement, and loads of the same bytes at once: each file is loaded once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from excel.load import load
from excel.tests import workbooks
from excel.tests.conftest import Landing
from tests import children
from tests.killing_proxy import KillingProxy, moments
from tests.services import PostgresServer

KILLED = -9


def load_through(database_url: str, bucket: str, manifest_uri: str) -> None:
    load(Landing(bucket, database_url).settings("r2"), manifest_uri=manifest_uri)


def test_a_load_killed_at_any_statement_and_tried_again_leaves_the_same(
    postgres_server: PostgresServer, make_database: Callable[[str], str], landing: Landing
) -> None:
    landing.drop("a.xlsx", workbooks.daily())
    landing.run("r1")
    landing.drop("b.xlsx", workbooks.daily(B6=1250, A6="Ajo"))
    scanned = landing.parsed("r2")
    (prepared,) = urlsplit(landing.database_url).path.split("/")[1:]

    def disturbed(at: int | None, after: bool) -> tuple[int, list[bytes], Landing]:
        name = postgres_server.create_database(prepared, "quintet_owner")
        proxy = KillingProxy(postgres_server.address, lambda: child.kill(), at, after=after)
        url = f"postgresql://excel@127.0.0.1:{proxy.port}/{name}"
        child = children.child(load_through, url, landing.bucket, scanned.manifest_uri)
        child.start()
        child.join(60)
        proxy.close()
        assert child.exitcode is not None
        return child.exitcode, proxy.statements, Landing(landing.bucket, postgres_server.url(name, "excel"))

    _, statements, _ = disturbed(at=None, after=False)
    undisturbed = Landing(landing.bucket, make_copy(postgres_server, prepared))
    undisturbed.load("r2", scanned)
    golden = undisturbed.prices()
    assert len(golden["daily"]) == 9
    assert len(statements) >= 8
    for at, after in moments(statements):
        code, _, left = disturbed(at, after)
        assert code == KILLED, statements[at]
        left.load("r2", scanned)
        assert left.prices() == golden, (at, after, statements[at][:60])


def make_copy(postgres_server: PostgresServer, prepared: str) -> str:
    return postgres_server.url(postgres_server.create_database(prepared, "quintet_owner"), "excel")


def test_two_runs_at_once_load_the_same_bytes_once(landing: Landing) -> None:
    for name in ("a.xlsx", "b.xlsx", "c.xlsx"):
        landing.drop(name, workbooks.ACROSS_YEARS.read_bytes())
    scanned = {run: landing.parsed(run) for run in ("r1", "r2", "r3", "r4")}
    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(lambda run: landing.load(run, scanned[run]), scanned))
    assert sum(each.files_loaded for each in loaded) == 1
    assert sum(each.files_duplicate for each in loaded) == 11
    assert len(landing.prices()["weekly"]) == 4248
