"""`stage` and `merge` on a real Postgres and a real S3."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sipsa.merge import Merged
from sipsa.schema import REPORTS
from sipsa.stage import Staged
from sipsa.tests.answers import CITY, MARKET, answer, city_row, market_row
from stepkit.errors import InvalidInput, NothingToDo
from tests.services import PostgresServer

TABLE = "sipsa_data.promedios_sipsa_ciudad"
ROWS = f"SELECT ciudad, cod_producto, fecha_captura, precio_promedio FROM {TABLE} ORDER BY 2, 3, 1"
PLACES = f"SELECT ctid, xmin, xmax, * FROM {TABLE} ORDER BY ctid"
DAY = date(2017, 11, 23)
Stage = Callable[..., Staged]
Merge = Callable[..., Merged]
Query = Callable[[str], list[Any]]


def test_rows_are_merged_by_their_key(run_stage: Stage, run_merge: Merge, query: Query) -> None:
    assert run_stage("r1", [city_row(n) for n in range(50)]) == Staged(CITY, 50, 50, 0, 0)
    assert run_merge("r1") == Merged(TABLE, 50, 50, 0, 0, 0, "2017-11-23")
    run_stage("r2", [city_row(n) for n in range(60)])
    assert run_merge("r2") == Merged(TABLE, 60, 10, 0, 50, 0, "2017-11-23")
    assert query(ROWS) == [("IBAGUÉ", 8 + n, DAY, 2083 + n) for n in range(60)]


ANSWERS = st.lists(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3)), min_size=1, max_size=6), min_size=1, max_size=3
)
"""Answers of one run after another, each rows of a product and its price."""


@given(ANSWERS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_answers_leave_the_last_row_of_each_key(
    run_stage: Stage, run_merge: Merge, query: Query, runs: itertools.count[int], answers: list[Any]
) -> None:
    city = f"CITY {next(runs)}"
    kept: dict[int, int] = {}
    for rows in answers:
        run = f"r{next(runs)}"
        sent = [
            city_row(ciudad=city, codProducto=str(product), precioPromedio=str(price))
            for product, price in rows
        ]
        incoming = dict(rows)
        if incoming.items() <= kept.items():
            with pytest.raises(NothingToDo):
                run_stage(run, sent) and run_merge(run)
            continue
        run_stage(run, sent)
        merged = run_merge(run)
        counts = (merged.rows_new, merged.rows_changed, merged.rows_same, merged.rows_duplicate)
        changed = sum(kept.get(product, price) != price for product, price in incoming.items())
        new = len(incoming.keys() - kept.keys())
        assert counts == (new, changed, len(incoming) - new - changed, len(rows) - len(incoming))
        kept |= incoming
    found = query(f"SELECT cod_producto, precio_promedio FROM {TABLE} WHERE ciudad = '{city}' ORDER BY 1")
    assert found == sorted(kept.items())


@pytest.fixture
def runs() -> itertools.count[int]:
    return itertools.count(1)


def test_a_correction_changes_its_row_and_touches_no_other(
    run_stage: Stage, run_merge: Merge, query: Query
) -> None:
    run_stage("r1", [city_row(n) for n in range(20)])
    run_merge("r1")
    before = query(PLACES)
    run_stage("r2", [city_row(n, **({"precioPromedio": "999.50"} if n == 7 else {})) for n in range(20)])
    assert run_merge("r2") == Merged(TABLE, 20, 0, 1, 19, 0, "2017-11-23")
    after = query(PLACES)
    assert len(set(before) & set(after)) == 19
    assert query(f"SELECT precio_promedio, changed_at::date FROM {TABLE} WHERE cod_producto = 15") == [
        (Decimal("999.50"), date(2025, 7, 12))
    ]


def test_the_same_values_written_otherwise_touch_no_row(
    run_stage: Stage, run_merge: Merge, query: Query
) -> None:
    run_stage("r1", [city_row(n) for n in range(20)])
    run_merge("r1")
    before = query(PLACES)
    same = {"codProducto": "8.0", "precioPromedio": "2083.00", "fechaCreacion": "2017-11-23T19:00:00Z"}
    run_stage("r2", [city_row(**same), *(city_row(n) for n in range(1, 20))])
    with pytest.raises(NothingToDo, match=f"all 20 rows of {CITY} were in {TABLE} already"):
        run_merge("r2")
    assert query(PLACES) == before
    assert query("SELECT run_id FROM sipsa_data.ingest_watermarks") == [("r2",)]
    assert query("SELECT run_id, rows_same FROM sipsa_data.ingest_audit ORDER BY 1") == [
        ("r1", 0),
        ("r2", 20),
    ]


def test_an_answer_that_is_merged_is_not_staged_again(
    run_stage: Stage, run_merge: Merge, query: Query
) -> None:
    rows = [city_row(n) for n in range(20)]
    run_stage("r1", rows)
    run_merge("r1")
    with pytest.raises(NothingToDo, match=f"{CITY} is the same as in run r1, which has merged it"):
        run_stage("r2", rows)
    assert run_stage("r2", rows, historical_start_date=date(2017, 1, 1)).rows_staged == 20


def test_a_run_done_again_gives_the_first_result(run_stage: Stage, run_merge: Merge, query: Query) -> None:
    rows = [city_row(n) for n in range(20)]
    results = [(run_stage("r1", rows), run_merge("r1"), run_merge("r1")) for _ in range(2)]
    assert results[0] == results[1]
    assert query("SELECT run_id, rows_new FROM sipsa_data.ingest_audit") == [("r1", 20)]


def test_an_older_answer_does_not_undo_a_correction(run_stage: Stage, run_merge: Merge, query: Query) -> None:
    run_stage("r1", [city_row()])
    run_stage("r2", [city_row(precioPromedio="5")])
    run_merge("r2")
    with pytest.raises(NothingToDo, match="the newer run r2 has merged promediosSipsaCiudad already"):
        run_stage("r1", [city_row()])
    assert query(ROWS) == [("IBAGUÉ", 8, DAY, 5)]


def test_what_another_run_has_staged_is_not_merged(run_stage: Stage, run_merge: Merge) -> None:
    with pytest.raises(InvalidInput, match="is empty: run stage again before merge"):
        run_merge("r1")
    run_stage("r2", [city_row()])
    with pytest.raises(InvalidInput, match="holds the rows of run r2: run stage again before merge"):
        run_merge("r1")


def test_of_two_rows_with_one_key_the_last_counts(run_stage: Stage, run_merge: Merge, query: Query) -> None:
    run_stage("r1", [city_row(), city_row(precioPromedio="5"), city_row(1), city_row(precioPromedio="7")])
    merged = run_merge("r1")
    assert (merged.rows_read, merged.rows_new, merged.rows_duplicate) == (4, 2, 2)
    assert query(ROWS) == [("IBAGUÉ", 8, DAY, 7), ("IBAGUÉ", 9, DAY, 2084)]


def test_a_row_that_is_no_longer_sent_is_counted_and_stays(
    run_stage: Stage, run_merge: Merge, query: Query
) -> None:
    before = city_row(50, fechaCaptura="2017-11-22T00:00:00-05:00")
    run_stage("r1", [before, *(city_row(n) for n in range(20))])
    assert run_merge("r1").rows_vanished == 0
    run_stage("r2", [city_row(n) for n in range(2, 21)])
    merged = run_merge("r2")
    assert (merged.rows_new, merged.rows_vanished) == (1, 2)
    assert run_merge("r2") == merged
    assert query(f"SELECT count(*) FROM {TABLE}") == [(22,)]
    assert query("SELECT rows_vanished FROM sipsa_data.ingest_audit ORDER BY run_id") == [(0,), (2,)]


def test_a_renamed_city_is_one_city(run_stage: Stage, run_merge: Merge, query: Query) -> None:
    later = "2022-12-01T00:00:00-05:00"
    run_stage("r1", [city_row(ciudad="CÚCUTA"), city_row(ciudad="SAN JOSÉ DE CÚCUTA", fechaCaptura=later)])
    run_merge("r1")
    assert query(f"SELECT DISTINCT ciudad FROM {TABLE}") == [("SAN JOSÉ DE CÚCUTA",)]
    run_stage("r2", [city_row(ciudad="SAN JOSÉ DE CÚCUTA"), city_row(9)])
    assert run_merge("r2").rows_same == 1


def test_rows_of_a_city_follow_a_name_that_is_mapped_later(
    run_stage: Stage, run_merge: Merge, query: Query, postgres_server: PostgresServer, sipsa_database: str
) -> None:
    run_stage("r1", [city_row(n, ciudad="BOGOTÁ") for n in range(3)])
    run_merge("r1")
    database = sipsa_database.rpartition("/")[2]
    postgres_server.execute("INSERT INTO sipsa_data.city_names VALUES ('BOGOTÁ', 'BOGOTÁ, D.C.')", database)
    run_stage("r2", [city_row(n, ciudad="BOGOTÁ") for n in range(4)])
    assert run_merge("r2").rows_new == 1
    assert [row[0] for row in query(ROWS)] == ["BOGOTÁ, D.C."] * 4


def test_days_before_the_start_are_left_out_and_counted(
    run_stage: Stage, run_merge: Merge, query: Query
) -> None:
    days = ["2017-12-31T23:00:00-05:00", "2018-01-01T00:00:00-05:00", "2018-01-01T04:59:59Z"]
    rows = [city_row(n, fechaCaptura=day) for n, day in enumerate(days)]
    assert run_stage("r1", rows, historical_start_date=date(2018, 1, 1)) == Staged(CITY, 3, 1, 2, 0)
    run_merge("r1")
    assert query("SELECT rows_before_start, start_date FROM sipsa_data.ingest_audit") == [
        (2, date(2018, 1, 1))
    ]


def test_a_few_unusable_rows_are_left_out_and_told_of(
    run_stage: Stage, run_merge: Merge, query: Query
) -> None:
    rows = [city_row(n) for n in range(199)]
    rows.insert(2, city_row(precioPromedio="n.d."))
    assert run_stage("r1", rows).rows_refused == 1
    assert run_merge("r1").rows_new == 199
    assert query("SELECT rows_refused, refusals FROM sipsa_data.ingest_audit") == [
        (1, ["row 3 column precioPromedio: 'n.d.' is not a number"])
    ]


def test_too_many_unusable_rows_refuse_the_answer(run_stage: Stage, query: Query) -> None:
    run_stage("r1", [city_row(n) for n in range(3)])
    rows = [city_row(n) for n in range(50)]
    rows[4]["precioPromedio"] = rows[5]["precioPromedio"] = ""
    with pytest.raises(InvalidInput, match=r"2 of 50 rows are refused, .*first: row 5 column precioPromedio"):
        run_stage("r2", rows)
    assert query("SELECT count(*) FROM sipsa_data.staging_promedios_sipsa_ciudad") == [(3,)]
    assert query("SELECT run_id FROM sipsa_data.staged_answers") == [("r1",)]


def test_malformed_xml_and_an_empty_history_stage_nothing(run_stage: Stage, query: Query) -> None:
    cut = answer([city_row(n) for n in range(30)])[:-300]
    with pytest.raises(InvalidInput, match=r"answer\.xml\.gz: after row 29 the XML is malformed"):
        run_stage("r1", gzip.compress(cut))
    with pytest.raises(InvalidInput, match="cannot be read as gzip"):
        run_stage("r1", gzip.compress(cut)[:-20])
    with pytest.raises(NothingToDo, match="holds no rows"):
        run_stage("r1", [])
    assert query("SELECT count(*) FROM sipsa_data.staging_promedios_sipsa_ciudad") == [(0,)]


def test_entities_are_not_expanded(run_stage: Stage, query: Query, tmp_path: Any) -> None:

    (tmp_path / "secret").write_text("secret")
    bomb = (
        f'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;"><!ENTITY f SYSTEM "{tmp_path / "secret"}">]>'
    ).encode()
    body = answer([city_row(ciudad="NAME", producto="OTHER"), *(city_row(n) for n in range(1, 200))])
    head, _, rest = body.partition(b"?>")
    body = (head + b"?>" + bomb + rest).replace(b"NAME", b"&b;").replace(b"OTHER", b"&f;")
    staged = run_stage("r1", gzip.compress(body))
    assert (staged.rows_staged, staged.rows_refused) == (199, 1)


def test_reports_do_not_meet(run_stage: Stage, run_merge: Merge, query: Query) -> None:
    run_stage("r1", [city_row()])
    run_stage("r1", [market_row(n) for n in range(3)], MARKET)
    assert run_merge("r1", MARKET).rows_new == 3
    assert run_merge("r1").rows_new == 1
    assert query("SELECT muni_id, maximo_kg FROM sipsa_data.promedios_sipsa_parcial LIMIT 1") == [
        ("08001", Decimal("1666.67"))
    ]


@pytest.mark.parametrize("operation", sorted(REPORTS))
def test_every_report_has_its_tables_and_keys(operation: str, query: Query) -> None:
    report = REPORTS[operation]
    columns = "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attnum > 0"
    columns += " AND NOT attisdropped AND attrelid = '{}'::regclass"
    assert query(columns.format(report.table)) == [(" ".join([*report.names, "changed_at"]),)]
    assert query(columns.format(report.staging)) == [(" ".join([*report.names, "answer_row"]),)]
    key = (
        "SELECT array_agg(attname::text ORDER BY attname) FROM pg_index"
        " JOIN pg_attribute ON attrelid = indrelid"
        f" AND attnum = ANY (indkey) WHERE indisprimary AND indrelid = '{report.table}'::regclass"
    )
    assert query(key) == [(sorted(report.key),)]


def test_the_role_can_change_no_audit_row_and_remove_no_price(
    run_stage: Stage, run_merge: Merge, query: Query
) -> None:

    run_stage("r1", [city_row()])
    run_merge("r1")
    for statement in (
        "UPDATE sipsa_data.ingest_audit SET rows_new = 0",
        "DELETE FROM sipsa_data.ingest_audit",
        f"DELETE FROM {TABLE}",
        "DELETE FROM sipsa_data.city_names",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            query(statement)
