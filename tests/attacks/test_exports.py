"""Cells that a spreadsheet would run when a person opens an export."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pytest

from bitcoin.export import export as export_bars
from forest.capture import Capture
from forest.export import write_csv
from stepkit.s3 import ObjectStore
from stepkit.settings import Run, Settings
from stepkit.spreadsheets import as_text

FORMULAS = [
    "=cmd|' /C calc'!A0",
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    "\uff1d1+1",
    "\uff20SUM(1)",
    "=1+1,2",
    '"=1+1"',
    "=",
    "-",
    "+ 5 =1",
]
EXACT = ["", "Rawah", "C2717", "-5", "+5", "-0.25", "-1.5e-3", "1e400", "2717", "it's", "a=b", "'=1"]


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_formula_becomes_a_text(cell: str) -> None:
    assert as_text(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", EXACT)
def test_numbers_and_other_texts_stay_as_they_are(cell: str) -> None:
    assert as_text(cell) == cell


# All that a category may hold.
@pytest.mark.parametrize("cell", [text for text in FORMULAS if text.isprintable()])
def test_the_export_of_a_capture_holds_no_formula_unless_exact_cells_are_asked_for(
    cell: str, tmp_path: Path
) -> None:
    capture = Capture(group_number=1, batch_number=1, rows=[("-5", cell)])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for safe, expected in ((True, f"'{cell}"), (False, cell)):
        path = tmp_path / "export.csv"
        write_csv(capture, now, ("a", "b"), path, spreadsheet_safe=safe)
        with path.open(newline="", encoding="utf-8") as text:
            assert list(csv.reader(text))[1][:2] == ["-5", expected]


def test_the_export_of_bars_names_what_is_traded_as_a_text(
    bucket: str, make_database: Callable[[str], str]
) -> None:
    url, symbol = make_database("bitcoin"), "=cmd|' /C calc'!A0"
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bitcoin.bars VALUES"
            " (%s, '1h', '2026-01-01Z', 1, 2, 1, 1, 5, '2026-01-01T01:00Z', 5, 1, 1, 1)",
            [symbol],
        )
    connection.close()
    settings = Settings(run=Run(run_id="r1"), database_url=url)
    for safe, expected in ((True, f"'{symbol}"), (False, symbol)):
        done = export_bars(settings, symbol=symbol, bucket=bucket, spreadsheet_safe=safe)
        (line,) = csv.DictReader(io.StringIO(ObjectStore().get(done.csv_uri).decode()))
        assert (line["symbol"], float(line["high"])) == (expected, 2)
