"""Transactions and COPY on a real Postgres."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import psycopg2
import pytest

from stepkit import postgres
from stepkit.errors import POSTGRES, Code, DependencyUnavailable, InvalidInput
from stepkit.settings import Run, Settings
from tests.pooler import pooler


@pytest.fixture
def settings(database: str) -> Settings:
    with psycopg2.connect(database) as connection, connection.cursor() as rows:
        rows.execute('CREATE TABLE kept (number integer, "Text" text)')
    connection.close()
    return Settings(run=Run(run_id="r", task_id="load"), database_url=database)


def kept(settings: Settings) -> list[tuple[int, str | None]]:
    with postgres.transaction(settings) as rows:
        rows.execute("SELECT * FROM kept ORDER BY number")
        return rows.fetchall()


def test_copied_rows_arrive_whatever_they_hold(settings: Settings) -> None:
    values = [(1, 'quote " comma , newline \n'), (2, None), (3, "\\N"), (4, "Spruce/Fír")]
    with postgres.transaction(settings) as rows:
        assert postgres.copy(rows, "public.kept", ("number", "Text"), values) == 4
    assert kept(settings) == values


def test_an_error_in_the_block_leaves_nothing_and_stays_itself(settings: Settings) -> None:
    def refuse() -> None:
        with postgres.transaction(settings) as rows:
            postgres.copy(rows, "kept", ("number", "Text"), [(1, "a")])
            raise InvalidInput("row 2 is invalid")

    with pytest.raises(InvalidInput, match="row 2 is invalid"):
        refuse()
    assert kept(settings) == []


def test_a_refusal_while_rows_are_read_stays_itself(settings: Settings) -> None:
    def broken() -> Iterator[tuple[int, str]]:
        yield 1, "a"
        raise InvalidInput("row 2 is invalid")

    with pytest.raises(InvalidInput, match="row 2 is invalid"), postgres.transaction(settings) as rows:
        postgres.copy(rows, "kept", ("number", "Text"), broken())
    assert kept(settings) == []


def test_copy_holds_one_chunk_in_memory(settings: Settings) -> None:
    tracemalloc.start()
    with postgres.transaction(settings) as rows:
        postgres.copy(rows, "kept", ("number", "Text"), ((number, "x" * 100) for number in range(200_000)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def test_a_session_is_named_after_its_task_and_run(settings: Settings) -> None:
    with postgres.transaction(settings) as rows:
        rows.execute("SELECT current_setting('application_name'), current_setting('statement_timeout')")
        assert rows.fetchone() == ("load r", "10min")


def test_a_pooler_that_takes_no_options_is_no_hindrance(settings: Settings) -> None:
    names = ("statement_timeout", "lock_timeout", "timezone")
    with (
        pooler(settings.database_url) as url,
        postgres.transaction(replace(settings, database_url=url)) as rows,
    ):
        rows.execute("SELECT current_setting(name) FROM unnest(%s) AS name", [list(names)])
        assert [value for (value,) in rows] == ["10min", "1min", "UTC"]


def test_a_server_that_takes_no_writes_is_an_outage(settings: Settings) -> None:
    def write_on_a_standby() -> None:
        with postgres.transaction(settings) as rows:
            rows.execute("SET TRANSACTION READ ONLY")
            postgres.copy(rows, "kept", ("number", "Text"), [(1, "a")])

    with pytest.raises(
        DependencyUnavailable, match="in a read-only transaction: it is a standby, or"
    ) as down:
        write_on_a_standby()
    assert (down.value.code, down.value.service) == (Code.SERVICE_DOWN, POSTGRES)
    assert kept(settings) == []


def test_a_url_that_is_none_is_refused_without_its_password() -> None:
    with (
        pytest.raises(InvalidInput, match="DATABASE_URL is not a URL like postgresql:") as refused,
        postgres.transaction(Settings(database_url="postgresql://forest:100%secret@127.0.0.1/quintet")),
    ):
        pass
    assert refused.value.code == Code.INVALID_SETTING
    assert "secret" not in str(refused.value)


def test_a_cut_connection_is_an_outage(settings: Settings) -> None:
    with (
        pytest.raises(DependencyUnavailable, match="Postgres did not finish"),
        postgres.transaction(settings) as rows,
    ):
        rows.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def test_a_missing_server_is_an_outage() -> None:
    gone = Settings(database_url="postgresql://forest@127.0.0.1:1/quintet")
    with pytest.raises(DependencyUnavailable, match="Connection refused"), postgres.transaction(gone):
        pass


def test_a_login_that_is_refused_is_told_from_a_server_that_is_down(settings: Settings) -> None:
    gone = replace(settings, database_url="postgresql://forest@127.0.0.1:1/quintet")
    address = urlsplit(settings.database_url)
    nobody = address._replace(netloc=f"nobody:no@{address.netloc.rpartition('@')[2]}").geturl()
    codes = {gone: Code.SERVICE_DOWN, replace(settings, database_url=nobody): Code.ACCESS_REFUSED}
    for each, code in codes.items():
        with pytest.raises(DependencyUnavailable) as down, postgres.transaction(each):
            pass
        assert (down.value.code, down.value.service) == (code, POSTGRES)


def test_a_full_disk_of_postgres_is_told_through_what_libraries_wrap_it_in() -> None:
    full = psycopg2.errors.DiskFull("could not extend file")
    wrapped, between = RuntimeError("the storage failed"), RuntimeError("(psycopg2.errors.DiskFull)")
    wrapped.__cause__ = between
    between.orig = full  # type: ignore[attr-defined]  # as SQLAlchemy's errors have it
    assert [postgres.down(error).code for error in (full, wrapped)] == [Code.STORAGE_FULL] * 2


def test_a_missing_url_is_refused() -> None:
    with pytest.raises(InvalidInput, match="DATABASE_URL"), postgres.transaction(Settings()):
        pass


def test_a_wrong_statement_is_a_bug(settings: Settings) -> None:
    with pytest.raises(psycopg2.errors.UndefinedTable), postgres.transaction(settings) as rows:
        rows.execute("SELECT * FROM nowhere")
