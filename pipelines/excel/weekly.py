"""The weekly layout: a sheet a group of products, a row a product and market."""

from __future__ import annotations

import itertools
import re
from datetime import date
from typing import Any

from excel.dates import ImpossibleDateError, week_of
from excel.findings import Findings
from excel.schema import (
    HIGHEST_PRICE,
    TENDENCIES,
    WEEKLY,
    FaultyCellError,
    Texts,
    is_blank,
    is_missing,
    price,
)
from excel.workbook import Sheet, Workbook, WorkbookRefused

SHEETS = tuple(f"1.{number}" for number in range(1, 9))
"""Prices a kilogram. Sheets 1.9 and 1.10 are now supply, now rice at the mill, and not read."""
PRICES = {"price_min": "Precio mínimo", "price_max": "Precio máximo", "price_mean": "Precio medio"}
HEADER = ("Producto", "Mercado mayorista")
_GROUP = re.compile(r"1\.\d+\.?\s*(.+?)[*\s]*$")
_HEAD_ROWS = 30
_COLUMNS = 6


def read(workbook: Workbook) -> Findings:
    """Reads a weekly workbook.

    Raises:
        WorkbookRefused: a sheet of prices is missing or has another header, or its title names no week or
            another than the other sheets.
    """
    if missing := [name for name in SHEETS if name not in workbook.sheets]:
        raise WorkbookRefused(f"it has no sheet {', '.join(missing)}: a weekly workbook has 1.1 to 1.8")
    found = Findings(WEEKLY)
    texts, seen = Texts(), set[tuple[str, str]]()
    for name in SHEETS:
        sheet = workbook.rows(name)
        first = _first_row(sheet, name)
        week = _week(sheet[:first], name)
        if found.period and week != found.period:
            raise WorkbookRefused(
                f"sheet {name} is of the week of {week[0]}, the sheets before it of that of {found.period[0]}"
            )
        found.period = week
        _read_sheet(sheet, name, first, found, texts, seen)
    return found


def _read_sheet(
    sheet: Sheet,
    name: str,
    first: int,
    found: Findings,
    texts: Texts,
    seen: set[tuple[str, str]],
) -> None:
    group = _group(sheet, name)
    keep, note = found.rows.append, seen.add
    read = 0
    # By columns, as a row at a time costs as much again as the library's reading.
    columns = [column[first:] for column in itertools.islice(zip(*sheet, strict=True), _COLUMNS)]
    for number, product, market, low, high, mean, tendency in zip(itertools.count(first + 1), *columns):
        if market == "" and low == high == mean == "":
            continue  # an empty row, or a line below the table
        read += 1
        try:
            if not (
                type(low) is type(high) is type(mean) is float
                and 0 < low <= mean <= high <= HIGHEST_PRICE
                and tendency in TENDENCIES
            ):
                if is_missing(low) and is_missing(high) and is_missing(mean):
                    found.miss_row(is_blank(low) and is_blank(high) and is_blank(mean))
                    continue
                low, high, mean, tendency = _checked(low, high, mean, tendency)
            key = texts[product], texts[market]
        except FaultyCellError as error:
            fault = error if error.column else FaultyCellError(str(error), HEADER[product in texts])
            found.refuse_row(f"sheet {name} row {number} {fault}")
            continue
        if key in seen:
            found.refuse_row(f"sheet {name} row {number} repeats {key[0]} in {key[1]} of a row above it")
            continue
        note(key)
        keep((group, *key, low, high, mean, TENDENCIES[tendency]))
    found.rows_read += read


def _checked(low: Any, high: Any, mean: Any, tendency: Any) -> tuple[float, float, float, str]:
    prices = []
    for column, cell in zip(PRICES.values(), (low, high, mean), strict=True):
        try:
            prices.append(price(cell))
        except FaultyCellError as error:
            raise FaultyCellError(str(error), column) from None
    if not prices[0] <= prices[2] <= prices[1]:
        raise FaultyCellError(f"{mean!r} is not between {low!r} and {high!r}", "Precio medio")
    sign = str(tendency).strip().lower()
    if sign not in TENDENCIES:
        raise FaultyCellError(f"{tendency!r} is not one of + ++ +++ - -- --- = n.d.", "Tendencia")
    return prices[0], prices[1], prices[2], sign


def _first_row(sheet: Sheet, name: str) -> int:
    """Returns the index of the first row below the header, which takes two rows."""
    for at, cells in enumerate(sheet[:_HEAD_ROWS]):
        if [str(cell).strip().lower() for cell in cells[:2]] == [name.lower() for name in HEADER]:
            below = sheet[at + 1] if at + 1 < len(sheet) else []
            if tuple(str(cell).strip() for cell in below[2:5]) == tuple(PRICES.values()) and len(cells) >= 6:
                return at + 2
            raise WorkbookRefused(
                f"sheet {name} row {at + 2} does not name the columns {', '.join(PRICES.values())}"
            )
    raise WorkbookRefused(f"sheet {name} has no row `Producto | Mercado mayorista` at its head")


def _week(head: Sheet, name: str) -> tuple[date, date]:
    for number, cells in enumerate(head, 1):
        for cell in cells:
            try:
                week = week_of(cell)
            except ImpossibleDateError as error:
                raise WorkbookRefused(f"sheet {name} row {number}: {error}") from None
            if week:
                return week
    raise WorkbookRefused(f"sheet {name} has no title that names a week, such as `1 al 7 de mayo de 2021`")


def _group(sheet: Sheet, name: str) -> str:
    for cells in sheet[:_HEAD_ROWS]:
        found = _GROUP.match(str(cells[0]).strip())
        if found and str(cells[0]).strip().startswith(name):
            return " ".join(found[1].split())
    raise WorkbookRefused(f"sheet {name} has no title `{name}. <group of products>`")
