"""What a raw answer must be to be taken for a capture."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest

from forest.capture import parse_capture
from forest.schema import COLUMNS, TABLES, Table
from forest.tests.ingest.captures import answer, made_row
from stepkit.errors import InvalidInput, NothingToDo


def spoiled(**fields: Any) -> list[Any]:
    """Returns a good row but for these fields, each named `f<position>`."""
    row: list[Any] = made_row(1)
    for name, value in fields.items():
        row[int(name[1:])] = value
    return row


def test_rows_become_typed_values() -> None:
    body = answer(
        [["2596", "51", "3", "258", "0", "510", "221", "232", "148", "6279", "Rawah", "C7745", "4"]], batch=2
    )
    capture = parse_capture(body, "source")
    assert (capture.group_number, capture.batch_number) == (3, 2)
    assert capture.rows == [(2596, 51, 3, 258, 0, 510, 221, 232, 148, 6279, "Rawah", "C7745", 4)]


@pytest.mark.parametrize(
    ("position", "text", "value"),
    [
        (10, " cache ", "Cache"),
        (10, "COMMANCHE", "Commanche"),
        (10, "Sangre de Cristo", "Sangre de Cristo"),
        (11, "c2702", "C2702"),
        (11, "C9999", "C9999"),
        (0, "", None),
        (0, None, None),
        (0, 2596, 2596),
        (4, "-6", -6),
    ],
)
def test_a_field_is_normalised(position: int, text: Any, value: Any) -> None:
    (row,) = parse_capture(answer([spoiled(**{f"f{position}": text})]), "source").rows
    assert row[position] == value


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (made_row(1)[:12], "row 2 has 12 fields; a sample has 13"),
        ([*made_row(1), "1"], "row 2 has 14 fields; a sample has 13"),
        ({"Elevation": "1"}, "row 2 has dict, not a list"),
        (spoiled(f0="high"), "row 2 column Elevation: 'high' is not a whole number"),
        (spoiled(f0="2596.5"), "row 2 column Elevation: '2596.5' is not a whole number"),
        (spoiled(f0="1_000"), "row 2 column Elevation: '1_000' is not a whole number"),
        (spoiled(f0=2596.0), "row 2 column Elevation: 2596.0 is neither text nor a whole number"),
        (spoiled(f0=["1"]), r"row 2 column Elevation: \['1'\] is not a single value"),
        (spoiled(f1="361"), "row 2 column Aspect: '361' is not within 0 and 360"),
        (spoiled(f12="7"), "row 2 column Cover_Type: '7' is not within 0 and 6"),
        (spoiled(f12=""), "row 2 column Cover_Type: '' is missing"),
        (spoiled(f11="C" * 41), "row 2 column Soil_Type: .* at most 40 printable characters"),
        (spoiled(f10="Ra\x00wah"), "row 2 column Wilderness_Area: .* printable"),
    ],
)
def test_a_row_that_is_no_sample_is_named_and_the_others_are_read(row: Any, sentence: str) -> None:
    capture = parse_capture(answer([made_row(0), row]), "the source")
    assert len(capture.rows) == capture.refused.refused == 1
    assert re.match(sentence, capture.refused.reasons[0])


def test_too_many_rows_that_are_no_samples_refuse_the_capture() -> None:
    rows = [made_row(number) for number in range(250)]
    rows[7] = rows[100] = spoiled(f0="high")
    assert len(parse_capture(answer(rows), "the source").rows) == 248
    with pytest.raises(InvalidInput, match=r"^the source: 2 of 250 rows are refused, more .*: row 8 column"):
        parse_capture(answer(rows), "the source", 0.001)
    with pytest.raises(InvalidInput, match="1 of 1 rows are refused, all; the first: row 1 has 12 fields"):
        parse_capture(answer([made_row(1)[:12]]), "the source")


@pytest.mark.parametrize(("known", "field"), [(1, True), (3, 3.0), (0, False), ("1", True), (0, -0.0)])
def test_a_field_is_refused_whatever_stood_in_its_column_before(known: Any, field: Any) -> None:
    rows = [spoiled(f0=known), spoiled(f0=field)]
    (reason,) = parse_capture(answer(rows), "the source").refused.reasons
    assert reason.startswith(f"row 2 column Elevation: {field!r} is neither text nor")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"<html><body>Welcome</body></html>", "answered HTML, not JSON: <html>"),
        (answer([made_row(0)])[:-20], "cut off or malformed"),
        (b"", "answered nothing: 0 bytes"),
        (b"\xff\xfe", "cut off or malformed"),
        (b"[1, 2]", "a JSON list, not an object"),
        (b'{"error": "database is locked"}', 'an error inside a success: {"error": "database is locked"}'),
        (b'{"group_number": 3, "batch_number": 0, "data": {}}', "`data` is dict, not a list"),
        (
            answer([made_row(0)]).replace(b'"batch_number": 0', b'"batch_number": "0"'),
            "`batch_number` is '0'",
        ),
    ],
)
def test_an_answer_that_is_no_capture_is_refused(body: bytes, sentence: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_capture(body, "the source")
    assert sentence in str(refused.value)


@pytest.mark.parametrize("word", ["minima", "mínima"])
def test_the_end_of_the_data_is_no_error(word: str) -> None:
    body = f'{{"detail": "Ya se recolectó toda la información {word} necesaria"}}'.encode()
    with pytest.raises(NothingToDo, match="has served all its data"):
        parse_capture(body, "the source")


def test_an_answer_without_rows_is_nothing_to_do() -> None:
    with pytest.raises(NothingToDo, match="no rows"):
        parse_capture(answer([]), "the source")


def test_each_table_that_an_option_offers_has_its_columns() -> None:
    assert set(get_args(Table)) == set(TABLES)
    assert {len(columns) for columns in TABLES.values()} == {len(COLUMNS)}
