"""Each writer of CSV with each reader of its files: whatever the texts hold, they come back."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stepkit import csv_files, csv_tables, postgres
from stepkit.errors import InvalidInput
from stepkit.settings import Settings

HEADER = ("one", "two")
ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
MARKS = st.text(st.sampled_from("\r\n\",;'\\.\t |é\ufeff"))
"""What a file of CSV is made of, and what programs have taken for an end of data."""
CELL = st.none() | ANY | MARKS | st.sampled_from(["NA", "null", "NULL", "None", "nan", "\\.", "\r"])
ROWS = st.lists(st.tuples(CELL, CELL), min_size=1, max_size=8)
WORST = [("a\rb", "\r"), ("\n", "\r\n"), ("\\.", None), (None, "\\."), ('"', "a,b"), (None, None)]


def kept(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Returns rows as they come back: an empty text is a missing one."""
    return [tuple(cell or None for cell in row) for row in rows]


def written(path: Path, rows: list[tuple[Any, ...]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv_files.Writer(file)
        for row in [HEADER, *rows]:
            writer.write(row)
    return path


def of_arrow(table: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


@given(ROWS)
@example(WORST)
def test_rows_are_read_by_python_and_by_pandas(rows: list[tuple[Any, ...]]) -> None:
    text = io.StringIO(newline="")
    writer = csv_files.Writer(text)
    for row in rows:
        writer.write(row)
    body = text.getvalue()
    assert kept([tuple(row) for row in csv.reader(io.StringIO(body, newline=""), strict=True)]) == kept(rows)
    frame = pd.read_csv(
        io.BytesIO(body.encode()), names=HEADER, dtype="str", keep_default_na=False, encoding="utf-8"
    )
    assert kept(list(frame.itertuples(index=False, name=None))) == kept(rows)


@given(ROWS)
@example(WORST)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_and_tables_are_read_by_arrow(tmp_path: Path, rows: list[tuple[Any, ...]]) -> None:
    types = dict.fromkeys(HEADER, pa.string())
    path = written(tmp_path / "rows.csv", rows)
    assert of_arrow(csv_tables.read(path, types, "rows", HEADER)) == kept(rows)
    assert kept([tuple(fields) for _, fields in csv_files.lines(path, HEADER)]) == kept(rows)
    csv_tables.write(pa.table(list(zip(*rows, strict=True)), schema=pa.schema(types)), path)
    assert of_arrow(csv_tables.read(path, types, "rows", HEADER)) == kept(rows)


def test_a_text_with_line_breaks_may_stand_where_a_block_ends(tmp_path: Path) -> None:
    table = pa.table({"one": ["a line\n" * 4] * 60_000, "two": ["b"] * 60_000})
    csv_tables.write(table, tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").stat().st_size > 2 << 20
    assert csv_tables.read(tmp_path / "rows.csv", {}, "rows") == table


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("one\n1,2\n")
    with pytest.raises(InvalidInput, match=r"rows\.csv is not a file of crimes: "):
        csv_tables.read(tmp_path / "rows.csv", {}, "crimes")


@given(ROWS)
@example(WORST)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_are_copied_into_postgres_and_out_again(
    forest_database: str, rows: list[tuple[Any, ...]]
) -> None:
    with postgres.transaction(Settings(database_url=forest_database)) as cursor:
        cursor.execute("CREATE TEMPORARY TABLE copied (one text, two text, number serial) ON COMMIT DROP")
        assert postgres.copy(cursor, "copied", HEADER, rows) == len(rows)
        cursor.execute("SELECT one, two FROM copied ORDER BY number")
        assert cursor.fetchall() == kept(rows)
        body = io.BytesIO()
        cursor.copy_expert("COPY (SELECT one, two FROM copied ORDER BY number) TO STDOUT (FORMAT csv)", body)
    frame = pd.read_csv(
        io.BytesIO(body.getvalue()), names=HEADER, dtype="str", keep_default_na=False, na_values=[""]
    )
    assert frame.astype(object).where(frame.notna(), None).to_numpy().tolist() == [
        list(row) for row in kept(rows)
    ]
    text = io.StringIO(body.getvalue().decode(), newline="")
    assert kept([tuple(row) for row in csv.reader(text)]) == kept(rows)
