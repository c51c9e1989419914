"""The four steps on a real S3 and a real Postgres: what is loaded, refused, moved, and left by a repeat."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from excel.folder import SETTLED_SECONDS
from excel.parse import parse
from excel.tests import workbooks
from excel.tests.conftest import Landing
from stepkit.errors import InvalidInput, NothingToDo
from stepkit.s3 import ObjectStore

STATUSES = "SELECT file_name, status FROM excel_data.file_audit ORDER BY audit_id"


def place(body: bytes, name: str) -> str:
    return f"{hashlib.sha256(body).hexdigest()[:17]}/{name}"


def report_of(landing: Landing, key: str) -> dict[str, Any]:
    return dict(json.loads(ObjectStore().get(f"s3://{landing.bucket}/{key}")))


def test_daily_and_weekly_workbooks_are_loaded_and_archived(landing: Landing) -> None:
    weekly, daily = workbooks.ACROSS_YEARS.read_bytes(), workbooks.daily()
    landing.drop("semana.xlsx", weekly)
    landing.drop("de ayer/día #2?.xls", daily)
    loaded, archived = landing.run("r1")
    assert (loaded.files_loaded, loaded.rows_new, loaded.rows_changed) == (2, 4248 + 7, 0)
    assert (archived.files_archived, archived.files_rejected) == (2, 0)
    assert landing.keys("landing_zone/") == []
    assert sorted(landing.keys("archive/")) == sorted(
        [f"archive/{place(weekly, 'semana.xlsx')}", f"archive/{place(daily, 'de ayer/día #2?.xls')}"]
    )
    assert landing.query(
        "SELECT product_group, price, variation, predominant_variety FROM excel_data.daily_prices"
        " WHERE product = 'Cebolla cabezona blanca' AND market = 'Ibagué, La 21' AND price_date = '2023-8-2'"
    ) == [("Verduras y hortalizas", 1900.0, None, True)]
    assert landing.query(
        "SELECT week_end::text, price_min, price_max, price_mean, tendency FROM excel_data.weekly_prices"
        " WHERE product = 'Acelga' AND market = 'Bogotá, D.C., Corabastos' AND week_start = '2024-12-28'"
    ) == [("2025-01-03", 800.0, 1667.0, 1245.0, "-")]
    assert landing.query(
        "SELECT status, layout, rows_read, rows_new, rows_missing, rows_refused, reasons FROM"
        " excel_data.file_audit WHERE layout = 'daily' AND started_at <= finished_at AND received_at < now()"
    ) == [("loaded", "daily", 9, 7, 2, 0, [])]


def test_an_empty_landing_zone_is_nothing_to_do(landing: Landing) -> None:
    with pytest.raises(NothingToDo, match=r"no file is in s3://.*/landing_zone/"):
        landing.scan("r1")
    ObjectStore().put(f"s3://{landing.bucket}/landing_zone/folder/", b"")
    with pytest.raises(NothingToDo):
        landing.scan("r1")


def test_a_refused_file_is_rejected_with_a_report_and_keeps_no_other_from_being_loaded(
    landing: Landing,
) -> None:
    landing.drop("a.xlsx", b"no workbook")
    landing.drop("b.xlsx", workbooks.daily())
    loaded, archived = landing.run("r1")
    assert (loaded.files_loaded, loaded.files_refused) == (1, 1)
    rejected = f"rejected/{place(b'no workbook', 'a.xlsx')}"
    assert archived.rejected == [f"s3://{landing.bucket}/{rejected}.report.json"]
    assert sorted(landing.keys("rejected/")) == [rejected, f"{rejected}.report.json"]
    report = report_of(landing, f"{rejected}.report.json")
    assert (report["file"], report["status"]) == ("a.xlsx", "refused")
    assert report["reasons"] == [
        "its bytes are neither those of an XLSX nor of an XLS file: save it as a workbook"
    ]
    assert landing.query(STATUSES) == [("a.xlsx", "refused"), ("b.xlsx", "loaded")]


def test_faulty_cells_are_left_out_and_named(landing: Landing) -> None:
    body = workbooks.weekly(
        [[f"Producto {at:02}", "Cali, Cavasa", 5, 9, 7, "="] for at in range(100, 120)]
        + [["Ajo", "Cali, Cavasa", 5, 9, "siete", "="]]
    )
    landing.drop("a.xlsx", body)
    loaded, _ = landing.run("r1")
    assert loaded.rows_new == 20 + 7
    ((status, refused, reasons),) = landing.query(
        "SELECT status, rows_refused, reasons FROM excel_data.file_audit"
    )
    reason = "sheet 1.1 row 25 column Precio medio: 'siete' is not a price"
    assert (status, refused, reasons) == ("loaded_with_refusals", 1, [reason])
    assert report_of(landing, f"archive/{place(body, 'a.xlsx')}.report.json")["reasons"] == [reason]


def test_a_file_with_too_many_faulty_cells_is_refused_as_a_whole(landing: Landing) -> None:
    landing.drop("a.xlsx", workbooks.daily(B6="x", D6="y"))
    loaded, _ = landing.run("r1")
    assert (loaded.files_refused, landing.prices()["daily"]) == (1, [])
    ((reasons,),) = landing.query("SELECT reasons FROM excel_data.file_audit")
    assert reasons[0].startswith(
        "2 of its 9 rows are refused, more than 10%; the first: sheet Hoja1 row 6 column"
    )
    assert len(reasons) == 3


def test_an_oversized_file_is_refused_unread(landing: Landing) -> None:
    landing.drop("big.xlsx", bytes(2 << 20))
    scanned = landing.scan("r1")
    parsed = landing.parse("r1", scanned, 0, max_megabytes=1)
    assert parsed.refused == "it has 2 MB, more than the 1 that are read"
    landing.archive("r1", landing.load("r1", scanned))
    assert landing.query("SELECT status, sha256, file_bytes FROM excel_data.file_audit") == [
        ("refused", None, 2 << 20)
    ]
    assert landing.keys("landing_zone/") == []


def test_the_same_bytes_are_loaded_once_under_two_names_and_again_later(landing: Landing) -> None:
    body = workbooks.daily()
    landing.drop("a.xlsx", body)
    landing.drop("b.xls", body)
    loaded, archived = landing.run("r1")
    assert (loaded.files_loaded, loaded.files_duplicate, loaded.rows_new) == (1, 1, 7)
    assert (archived.files_archived, archived.files_rejected) == (2, 0)
    before = landing.prices()
    landing.drop("c.xls", body)
    loaded, _ = landing.run("r2")
    assert (loaded.files_loaded, loaded.files_duplicate, loaded.rows_new) == (0, 1, 0)
    after = landing.prices()
    assert after["daily"] == before["daily"]
    assert after["audit"][2][0] == "c.xls"
    assert after["audit"][2][-1] == ["the same bytes were loaded as a.xlsx by run r1"]


def test_a_correction_changes_what_differs_and_nothing_else(landing: Landing) -> None:
    landing.drop("a.xlsx", workbooks.daily())
    landing.run("r1")
    landing.drop("a.xlsx", workbooks.daily(B6=1250))
    landing.run("r2")
    assert landing.query(
        "SELECT rows_new, rows_changed, rows_unchanged FROM excel_data.file_audit ORDER BY audit_id"
    ) == [(7, 0, 0), (0, 1, 6)]
    assert landing.query("SELECT price FROM excel_data.daily_prices ORDER BY 1 LIMIT 2") == [(1150,), (1250,)]


def test_every_step_can_be_repeated(landing: Landing) -> None:
    landing.drop("a.xlsx", workbooks.daily())
    landing.drop("b.xlsx", b"no workbook")
    scanned = landing.scan("r1")
    landing.drop("late.xlsx", workbooks.daily(B6=1))
    assert landing.scan("r1") == scanned
    parsed = [landing.parse("r1", scanned, index) for index in (0, 1)]
    assert [landing.parse("r1", scanned, index) for index in (0, 1)] == parsed
    loaded = landing.load("r1", scanned)
    before = landing.prices()
    assert landing.load("r1", scanned) == loaded
    archived = landing.archive("r1", loaded)
    assert landing.archive("r1", loaded) == archived
    assert landing.run("r1") == (loaded, archived)
    assert landing.prices() == before
    assert landing.keys("landing_zone/") == ["landing_zone/late.xlsx"]


def test_a_run_that_ended_before_archive_is_made_good_by_the_next(landing: Landing) -> None:
    landing.drop("a.xlsx", workbooks.daily())
    landing.load("r1", landing.parsed("r1"))
    rows = landing.prices()["daily"]
    loaded, archived = landing.run("r2")
    assert (loaded.files_duplicate, archived.files_archived) == (1, 1)
    assert landing.prices()["daily"] == rows
    assert landing.keys("landing_zone/") == []


def test_a_file_whose_parse_failed_stays_and_is_named(landing: Landing) -> None:
    landing.drop("a.xlsx", workbooks.daily())
    landing.drop("b.xlsx", workbooks.daily(B6=1))
    scanned = landing.scan("r1")
    landing.parse("r1", scanned, 1)
    loaded = landing.load("r1", scanned)
    assert (loaded.files_loaded, loaded.files_left) == (1, 1)
    with pytest.raises(InvalidInput, match=r"a.xlsx: parse failed, so 1 files stay .*1 others were archived"):
        landing.archive("r1", loaded)
    assert landing.keys("landing_zone/") == ["landing_zone/a.xlsx"]


def test_a_file_that_is_replaced_after_the_scan_waits_for_the_next(landing: Landing) -> None:
    landing.drop("a.xlsx", workbooks.daily())
    scanned = landing.scan("r1")
    landing.drop("a.xlsx", workbooks.daily(B6=1))
    landing.parse("r1", scanned, 0)
    loaded = landing.load("r1", scanned)
    assert (loaded.files_left, landing.archive("r1", loaded).files_archived) == (1, 0)
    assert landing.run("r2")[0].files_loaded == 1


def test_a_file_that_is_replaced_after_its_load_is_not_lost(landing: Landing) -> None:
    landing.drop("a.xlsx", workbooks.daily())
    loaded = landing.load("r1", landing.parsed("r1"))
    landing.drop("a.xlsx", workbooks.daily(B6=1))
    landing.archive("r1", loaded)
    assert landing.keys("landing_zone/") == ["landing_zone/a.xlsx"]
    assert landing.run("r2")[0].rows_changed == 1


def test_more_files_than_one_run_takes_wait_for_the_next(landing: Landing) -> None:
    for at in range(3):
        landing.drop(f"{at}.xlsx", workbooks.daily(B6=at + 1))
    assert len(landing.scan("r1", max_files=2).files) == 2


def test_an_index_past_the_manifest_is_refused(landing: Landing) -> None:
    landing.drop("a.xlsx", workbooks.daily())
    scanned = landing.scan("r1")
    with pytest.raises(InvalidInput, match=r"--index \(INDEX\) is 1: .*manifest.json lists 1"):
        parse(landing.settings("r1"), manifest_uri=scanned.manifest_uri, index=1)


def test_files_of_a_folder_are_moved_in_when_they_are_whole(landing: Landing, tmp_path: Path) -> None:
    def put(name: str, body: bytes, age: float = 2 * SETTLED_SECONDS) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(body)
        at = path.stat().st_mtime - age
        os.utime(path, (at, at))
        return path

    body = workbooks.daily()
    whole, nested = put("a.xlsx", body), put("x/b.xlsx", body)
    fresh, hidden = put("c.xlsx", body, age=0), put(".d.xlsx", body)
    other = put("e.xlsx", body)
    landing.drop("e.xlsx", b"another")
    landing.scan("r1", landing_folder=tmp_path)
    assert landing.keys("landing_zone/") == [
        f"landing_zone/{name}" for name in ("a.xlsx", "e.xlsx", "x/b.xlsx")
    ]
    assert not whole.exists()
    assert not nested.exists()
    assert fresh.exists()
    assert hidden.exists()
    assert other.exists()
    with pytest.raises(InvalidInput, match="there is no folder /nowhere"):
        landing.scan("r2", landing_folder=Path("/nowhere"))


def test_the_role_can_change_no_audit_and_remove_no_price(landing: Landing) -> None:
    landing.drop("a.xlsx", workbooks.daily())
    landing.run("r1")
    for statement in (
        "DELETE FROM excel_data.file_audit",
        "UPDATE excel_data.file_audit SET status = 'loaded'",
        "DELETE FROM excel_data.daily_prices",
        "TRUNCATE excel_data.weekly_prices",
        "CREATE TABLE excel_data.own (x int)",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            landing.query(statement)
