"""A row of the exchange by its properties: a bar that Postgres can hold, or refused with its column."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bitcoin.schema import COLUMNS, parse
from bitcoin.tests.rows import HOUR, row
from stepkit.errors import InvalidRow

ITEMS = st.integers() | st.decimals().map(str) | st.text() | st.floats() | st.booleans() | st.none()


@given(
    st.lists(st.tuples(st.integers(0, len(COLUMNS) - 1), ITEMS), max_size=2),
    st.integers(0, 1 << 50),
)
def test_any_items_are_a_bar_with_its_times_or_refused_by_column(
    spoilt: list[tuple[int, Any]], hour: int
) -> None:
    items = row(0)
    items[0], items[6] = hour * HOUR, hour * HOUR + HOUR - 1
    for at, item in spoilt:
        items[at] = item
    try:
        bar = parse(items, "1h")
    except InvalidRow as error:
        assert "column " in str(error)  # noqa: PT017 - it may not be refused
        return
    assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
    fields = dict(zip(COLUMNS, bar.fields(), strict=True))
    assert datetime.fromisoformat(fields["open_time"]).timestamp() * 1000 == bar.open_time
    assert all(Decimal(0) <= amount < 10**12 for amount in fields.values() if isinstance(amount, Decimal))
