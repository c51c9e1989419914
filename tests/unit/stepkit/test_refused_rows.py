"""A few refused rows cost themselves alone; too many refuse the whole."""

from __future__ import annotations

import json

import pytest

from stepkit.errors import Code, InvalidInput, InvalidRow
from stepkit.refused_rows import REASONS_KEPT, RefusedRows

URI = "s3://data/raw"


def refused(count: int, read: int) -> RefusedRows:
    rows = RefusedRows(read=read)
    for number in range(count):
        rows.refuse(7 + number, InvalidRow("'x' is not a price", "price"))
    return rows


def test_all_are_counted_and_the_first_are_told_of() -> None:
    report = json.loads(refused(REASONS_KEPT + 5, 1000).report(URI))
    assert (report["file"], report["rows_read"], report["rows_refused"]) == (URI, 1000, REASONS_KEPT + 5)
    assert len(report["reasons"]) == REASONS_KEPT
    assert report["reasons"][:2] == [
        "row 7 column price: 'x' is not a price",
        "row 8 column price: 'x' is not a price",
    ]


@pytest.mark.parametrize(
    ("count", "read", "share"), [(0, 0, 0), (0, 100, 0), (1, 2, 0), (2, 200, 0.01), (4, 5, 1)]
)
def test_up_to_the_share_the_others_go_in(
    count: int, read: int, share: float, caplog: pytest.LogCaptureFixture
) -> None:
    refused(count, read).check(URI, share)
    told = [f"{URI}: {count} of {read} rows are refused; the first: row 7 column price: 'x' is not a price"]
    assert [record.message for record in caplog.records] == (told if count else [])


@pytest.mark.parametrize(
    ("count", "read", "share", "much"),
    [
        (2, 100, 0.01, "more than --max-refused-share 0.01"),
        (2, 200, 0, "more than --max-refused-share 0"),
        (1, 1, 0.5, "all"),
        (5, 5, 1, "all"),
    ],
)
def test_above_the_share_the_whole_is_refused_with_the_first(
    count: int, read: int, share: float, much: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        refused(count, read).check(URI, share)
    assert refusal.value.fields == {
        "code": str(Code.INVALID_ROW),
        "message": f"{URI}: {count} of {read} rows are refused, {much};"
        " the first: row 7 column price: 'x' is not a price",
        "exit_code": 2,
        "file": URI,
        "row": 7,
        "column": "price",
    }
