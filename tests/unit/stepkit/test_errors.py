"""What an ending says of the place that it is about."""

from __future__ import annotations

from pathlib import Path

import pytest

from stepkit.errors import Code, InvalidInput, InvalidRow


@pytest.mark.parametrize(("column", "said"), [("Elevation", "column Elevation: is high"), ("", "is high")])
def test_a_row_that_is_invalid_is_told_with_its_file_and_column(column: str, said: str) -> None:
    error = InvalidRow("is high", column)
    assert (str(error), error.column) == (said, column)
    known = {"column": column} if column else {}
    assert error.at(Path("/data/x"), 4).fields == {
        "code": "INVALID_ROW",
        "message": f"/data/x: row 4 {said}",
        "exit_code": 2,
        "file": "/data/x",
        "row": 4,
        **known,
    }
    assert str(error.at("s3://data/x", 5, "line")) == f"s3://data/x: line 5 {said}"


def test_what_is_not_known_is_left_out() -> None:
    ended = InvalidInput("no")
    assert (ended.file, ended.row, ended.column, ended.service) == ("", None, "", "")
    assert ended.fields == {"code": "INVALID_INPUT", "message": "no", "exit_code": 2}
    full = InvalidInput("no", Code.MISSING_INPUT, file="f", row=0, column="c", service="s")
    assert full.fields == {
        "code": "MISSING_INPUT",
        "message": "no",
        "exit_code": 2,
        "file": "f",
        "row": 0,
        "column": "c",
        "service": "s",
    }
