"""The daily layout: one sheet, a row a product, two columns a market; wide, and made long here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from excel.dates import ImpossibleDateError, day_of
from excel.findings import Findings
from excel.schema import DAILY, LARGEST_VARIATION, FaultyCellError, Texts, is_blank, is_missing, price
from excel.valueless import Valueless
from excel.workbook import Sheet, Workbook, WorkbookRefused

PRICE, VARIATION = "Precio", "Var%"
_HEAD_ROWS = 30


def read(workbook: Workbook) -> Findings:
    """Reads the first sheet that a daily workbook shows.

    A line of text with no prices names the group of the products below it; after the last product such
    lines are notes. A name that ends in a star is of the variety that the market has most of.

    Raises:
        WorkbookRefused: its title names no day, or it has no row of markets.
    """
    name = workbook.first
    sheet = workbook.rows(name)
    head, markets = _markets(sheet, name)
    found = Findings(DAILY, period=(_day(sheet[:head], name),))
    texts, seen = Texts(), dict[tuple[str, str], str]()
    group: Any = ""
    for number, cells in enumerate(sheet[head + 1 :], head + 2):
        label = cells[0]
        prices = [(market, at, cells[at], _at(cells, at + 1)) for at, market in markets]
        if all(cost == "" and variation == "" for _, _, cost, variation in prices):
            names_a_group = isinstance(label, Valueless) or (isinstance(label, str) and label.strip())
            group = label if names_a_group else group
        elif not (isinstance(label, str) and label.strip().lower() == "producto"):
            _read_row(f"sheet {name} row {number}", label, group, prices, found, texts, seen)
    return found


def _read_row(
    place: str,
    label: Any,
    group: Any,
    prices: Sequence[tuple[str, int, Any, Any]],
    found: Findings,
    texts: Texts,
    seen: dict[tuple[str, str], str],
) -> None:
    found.rows_read += len(prices)
    try:
        product = texts[label]
        product_group = _group(texts, group)
    except FaultyCellError as error:
        for _ in prices:
            found.refuse_row(f"{place} column Producto: {error}")
        return
    predominant = label.rstrip().endswith("*")
    for market, _, cost, change in prices:
        if is_missing(cost):
            found.miss_row(is_blank(cost))
            continue
        try:
            cost = price(cost)
            change = _variation(change)
        except FaultyCellError as error:
            found.refuse_row(f"{place} column {market}: {error}")
            continue
        if (product, market) in seen:
            found.refuse_row(f"{place} column {market}: repeats {product} of {seen[product, market]}")
            continue
        seen[product, market] = place
        found.rows.append((product_group, product, market, cost, change, predominant))


def _group(texts: Texts, cell: Any) -> str:
    try:
        return texts[cell]
    except FaultyCellError as error:
        reason = f"the line that names its group: {error}" if cell else "no line above it names its group"
        raise FaultyCellError(reason) from None


def _variation(cell: Any) -> float | None:
    if is_missing(cell):
        return None
    if type(cell) not in (int, float) or not abs(cell) <= LARGEST_VARIATION:
        raise FaultyCellError(f"{cell!r} is not a variation, a fraction such as 0.03")
    return float(cell)


def _markets(sheet: Sheet, name: str) -> tuple[int, list[tuple[int, str]]]:
    """Returns the index of the row `Precio $/Kg`, and the column of each market that it names."""
    for head, cells in enumerate(sheet[:_HEAD_ROWS]):
        if not str(cells[0]).strip().lower().startswith("precio"):
            continue
        named = [(at, cell) for at, cell in enumerate(cells) if at and str(cell).strip()]
        texts = Texts()
        try:
            markets = [(at, texts[cell]) for at, cell in named]
        except FaultyCellError as error:
            raise WorkbookRefused(f"sheet {name} row {head + 1} is not a row of markets: {error}") from None
        if not markets or any(at % 2 == 0 for at, _ in markets):
            raise WorkbookRefused(
                f"sheet {name} row {head + 1} must name a market over each pair of columns, from column B on"
            )
        if len({market for _, market in markets}) < len(markets):
            raise WorkbookRefused(f"sheet {name} row {head + 1} names a market twice")
        _check_pairs(sheet, name, head + 1, markets)
        return head, markets
    raise WorkbookRefused(f"sheet {name} has no row `Precio $/Kg` with the markets at its head")


def _check_pairs(sheet: Sheet, name: str, row: int, markets: Sequence[tuple[int, str]]) -> None:
    """Looks at the row that names both columns of each market, where there is one."""
    cells = sheet[row] if row < len(sheet) else [""]
    if str(cells[0]).strip().lower() != "producto":
        return
    for at, market in markets:
        if (str(cells[at]).strip(), str(_at(cells, at + 1)).strip()) != (PRICE, VARIATION):
            raise WorkbookRefused(
                f"sheet {name} row {row + 1} must name {PRICE} and {VARIATION} under {market}"
            )


def _day(head: Sheet, name: str) -> date:
    for number, cells in enumerate(head, 1):
        for cell in cells:
            try:
                day = day_of(cell)
            except ImpossibleDateError as error:
                raise WorkbookRefused(f"sheet {name} row {number}: {error}") from None
            if day:
                return day
    raise WorkbookRefused(f"sheet {name} has no title that names a day, such as `2 de agosto de 2023`")


def _at(cells: Sequence[Any], at: int) -> Any:
    return cells[at] if at < len(cells) else ""
