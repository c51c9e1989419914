"""A row of the source by its properties: a sample within its limits, or refused with its column."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from forest.schema import COLUMNS, InvalidRow, SampleParser

ROW = ["2804", "139", "9", "268", "65", "3180", "234", "238", "135", "6121", "Rawah", "C7745", "1"]
FIELDS = (
    st.integers() | st.text() | st.floats() | st.booleans() | st.none() | st.sampled_from(["3", " 3", "³"])
)
USED = SampleParser()
"""Has seen the rows of all examples before."""


def outcome(parser: SampleParser, row: Any) -> Any:
    try:
        return parser.parse(row)
    except InvalidRow as error:
        return str(error)


@given(st.lists(st.tuples(st.integers(0, len(COLUMNS) - 1), FIELDS), max_size=3))
def test_any_fields_are_a_sample_or_refused_by_column(spoilt: list[tuple[int, Any]]) -> None:
    row: list[Any] = list(ROW)
    for at, field in spoilt:
        row[at] = field
    found = outcome(SampleParser(), row)
    assert repr(found) == repr(outcome(USED, row)), "what was seen before changes nothing"
    if isinstance(found, str):
        assert any(f"column {COLUMNS[at].source_name}" in found for at, _ in spoilt)
        return
    for column, value in zip(COLUMNS, found, strict=True):
        if column.low is not None and value is not None:
            assert type(value) is int
            assert column.low <= value <= column.high


def test_a_category_or_a_number_is_read_as_it_looks() -> None:
    row = [*ROW[:10], "\u200bRawah\u00a0", "\ufeffC7745", "1\u00a0"]
    assert SampleParser().parse(row) == SampleParser().parse(ROW)


@given(st.recursive(FIELDS, st.lists, max_leaves=20))
def test_what_is_no_list_of_thirteen_is_refused(row: Any) -> None:
    if not isinstance(row, list) or len(row) != len(COLUMNS):
        assert "a sample has 13 fields" in outcome(SampleParser(), row)
