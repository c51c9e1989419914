"""What a price is in each of the two layouts: its columns, their limits, and the table that holds them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

HIGHEST_PRICE = 10_000_000.0
"""Pesos a kilogram; what is above is a price of another unit, or none."""
LARGEST_VARIATION = 100.0
"""Of a price since the day before, as a fraction, either way."""
LONGEST_TEXT = 120
MISSING = frozenset({"n.d.", "n.d", "nd", "n. d.", "-", ""})
"""How the workbooks write that there was no price, in lower case."""
TENDENCIES: dict[str, str | None] = {
    **{sign: sign for sign in ("+++", "++", "+", "=", "-", "--", "---")},
    **dict.fromkeys(("n.d.", "n.d", ""), None),
}
"""The tendency of a week by what its cell holds."""


@dataclass(frozen=True)
class Layout:
    """One kind of workbook.

    Attributes:
        name: of the layout.
        table: that its prices are merged into.
        period: columns that are the same in all rows of a workbook; dates.
        columns: the others, with the type that each has in Parquet.
        key: columns that tell one price from another.
    """

    name: str
    table: str
    period: tuple[str, ...]
    columns: dict[str, str]
    key: tuple[str, ...]

    @property
    def all_columns(self) -> tuple[str, ...]:
        """The columns of the table that a workbook fills."""
        return (*self.period, *self.columns)

    @property
    def values(self) -> tuple[str, ...]:
        """The columns that a correction may change."""
        return tuple(column for column in self.all_columns if column not in self.key)


WEEKLY = Layout(
    name="weekly",
    table="excel_data.weekly_prices",
    period=("week_start", "week_end"),
    columns={
        "product_group": "string",
        "product": "string",
        "market": "string",
        "price_min": "double",
        "price_max": "double",
        "price_mean": "double",
        "tendency": "string",
    },
    key=("week_start", "product", "market"),
)
DAILY = Layout(
    name="daily",
    table="excel_data.daily_prices",
    period=("price_date",),
    columns={
        "product_group": "string",
        "product": "string",
        "market": "string",
        "price": "double",
        "variation": "double",
        "predominant_variety": "bool",
    },
    key=("price_date", "product", "market"),
)
LAYOUTS = {layout.name: layout for layout in (WEEKLY, DAILY)}


_NUMERAL = re.compile(r"'?[$+-]? ?\d[\d., ]*")


class FaultyCellError(ValueError):
    """A cell does not hold what its column should; the text says what it holds.

    Args:
        reason: what it holds.
        column: its column, where that is known.
    """

    def __init__(self, reason: str, column: str = "") -> None:
        super().__init__(f"column {column}: {reason}" if column else reason)
        self.column = column


class Texts(dict[Any, str]):
    """Names as tables hold them, by their cells: in one line, without blanks around and stars behind.

    A workbook repeats few names, so most cells are read by look-up.
    """

    def __missing__(self, cell: Any) -> str:
        text = " ".join(cell.split()).rstrip("* ") if isinstance(cell, str) else ""
        if not text:
            raise FaultyCellError(f"{cell!r} is not a name")
        if len(text) > LONGEST_TEXT or not text.isprintable():
            raise FaultyCellError(f"{cell!r} is not a name of at most {LONGEST_TEXT} printable characters")
        self[cell] = text
        return text


def is_missing(cell: Any) -> bool:
    """Returns whether a cell is empty or says that there was no price."""
    return isinstance(cell, str) and cell.strip().lower() in MISSING


def is_blank(cell: Any) -> bool:
    """Returns whether a cell is empty, which says nothing of why."""
    return isinstance(cell, str) and not cell.strip()


def _is_numeral(cell: Any) -> bool:
    """Returns whether a cell is a text that looks like a number, as foreign files and typed dots make it.

    It is not read as one: of `1.200` nobody knows whether it is above a thousand.
    """
    return isinstance(cell, str) and _NUMERAL.fullmatch(cell.strip()) is not None


def price(cell: Any) -> float:
    """Returns the price in a cell.

    Raises:
        FaultyCellError: it holds no number, or one that is not a price.
    """
    if type(cell) not in (int, float):
        advice = " but a text: make the cell a number" if _is_numeral(cell) else ""
        raise FaultyCellError(f"{cell!r} is not a price{advice}")
    if not 0 < cell <= HIGHEST_PRICE:
        raise FaultyCellError(f"{cell!r} is not a price above 0 and at most {HIGHEST_PRICE:,.0f}")
    return float(cell)
