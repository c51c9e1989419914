"""What is read of daily and weekly workbooks, and which cells are refused with which sentence."""

from __future__ import annotations

import unicodedata
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from excel import reader
from excel.schema import DAILY, WEEKLY
from excel.tests import workbooks

GOOD = ["Acelga", "Armenia, Mercar", 1000, 1200, 1100, "+"]


@pytest.mark.parametrize(
    ("path", "week", "rows"),
    [
        (workbooks.XLS, (date(2021, 5, 1), date(2021, 5, 7)), 3505),
        (workbooks.XLSX_NAMED_XLS, (date(2021, 10, 2), date(2021, 10, 8)), 4395),
        (workbooks.ACROSS_YEARS, (date(2024, 12, 28), date(2025, 1, 3)), 4248),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else "",
)
def test_every_price_of_a_real_weekly_workbook_is_read(
    path: Path, week: tuple[date, date], rows: int
) -> None:
    found = reader.read(path.read_bytes())
    assert (found.refused, found.reasons) == (None, [])
    assert (found.layout, found.period) == (WEEKLY, week)
    assert (found.rows_read, len(found.rows), found.rows_refused) == (rows, rows, 0)
    assert len({row[0] for row in found.rows}) == 8
    assert len({row[1:3] for row in found.rows}) == rows


def test_a_row_of_a_real_workbook_is_what_it_shows() -> None:
    found = reader.read(workbooks.ACROSS_YEARS.read_bytes())
    prices = ("Bogotá, D.C., Corabastos", 800.0, 1667.0, 1245.0, "-")
    assert ("Verduras y hortalizas", "Acelga", *prices) in found.rows
    assert {row[0] for row in found.rows} >= {"Huevos y lácteos", "Productos procesados"}


def test_a_daily_workbook_becomes_a_row_a_market() -> None:
    found = reader.read(workbooks.daily())
    assert (found.refused, found.reasons) == (None, [])
    assert (found.layout, found.period) == (DAILY, (date(2023, 8, 2),))
    assert (found.rows_read, found.rows_missing, found.rows_refused) == (9, 2, 0)
    assert found.rows == [
        ("Verduras y hortalizas", "Ahuyama", "Armenia, Mercar", 1200.0, 0.03, False),
        ("Verduras y hortalizas", "Ahuyama", "Bogotá, D.C., Corabastos", 1150.0, -0.01, False),
        ("Verduras y hortalizas", "Cebolla cabezona blanca", "Armenia, Mercar", 2000.0, 0.0, True),
        ("Verduras y hortalizas", "Cebolla cabezona blanca", "Ibagué, La 21", 1900.0, None, True),
        ("Frutas frescas", "Banano Urabá", "Armenia, Mercar", 1450.0, 0.1, False),
        ("Frutas frescas", "Banano Urabá", "Bogotá, D.C., Corabastos", 1500.0, 0.0, False),
        ("Frutas frescas", "Banano Urabá", "Ibagué, La 21", 1475.0, -0.2, False),
    ]


def test_a_daily_workbook_need_not_name_the_columns_of_a_pair() -> None:
    rows = [row for row in workbooks.DAILY if row[0] != "Producto"]
    assert len(reader.read(workbooks.xlsx({"Hoja1": rows})).rows) == 7


@pytest.mark.parametrize(
    ("cell", "value", "sentence"),
    [
        ("B6", "mil", "sheet Hoja1 row 6 column Armenia, Mercar: 'mil' is not a price"),
        *(
            (
                "B6",
                text,
                f"sheet Hoja1 row 6 column Armenia, Mercar: {text!r} is not a price but a text: make",
            )
            for text in ("1200", "1.200", "1.200,50", "$ 1 200", "'1200")
        ),
        (
            "B6",
            -5,
            "sheet Hoja1 row 6 column Armenia, Mercar: -5.0 is not a price above 0 and at most 10,000",
        ),
        ("B6", True, "sheet Hoja1 row 6 column Armenia, Mercar: True is not a price"),
        (
            "C6",
            "much",
            "sheet Hoja1 row 6 column Armenia, Mercar: 'much' is not a variation, a fraction",
        ),
        ("A9", "Ahuyama", "sheet Hoja1 row 9 column Armenia, Mercar: repeats Ahuyama of sheet Hoja1 row 6"),
        ("A6", "x" * 200, "sheet Hoja1 row 6 column Producto: "),
    ],
)
def test_a_faulty_cell_of_a_daily_workbook_is_named(cell: str, value: Any, sentence: str) -> None:
    found = reader.read(workbooks.daily(**{cell: value}))
    assert found.refused is None
    assert found.reasons[0].startswith(sentence)
    assert len(found.rows) + found.rows_missing + found.rows_refused == found.rows_read == 9


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (["Ajo", "Cali", "x", 2, 2, "="], "sheet 1.1 row 6 column Precio mínimo: 'x' is not a price"),
        (
            ["Ajo", "Cali", 5, 9, 10, "="],
            "sheet 1.1 row 6 column Precio medio: 10.0 is not between 5.0 and 9.0",
        ),
        (["Ajo", "Cali", 5, 9, 7, "?"], "sheet 1.1 row 6 column Tendencia: '?' is not one of + ++"),
        (GOOD, "sheet 1.1 row 6 repeats Acelga in Armenia, Mercar of a row above it"),
        (["", "Cali", 5, 9, 7, "="], "sheet 1.1 row 6 column Producto: '' is not a name"),
    ],
)
def test_a_faulty_row_of_a_weekly_workbook_is_named(row: list[Any], sentence: str) -> None:
    found = reader.read(workbooks.weekly([GOOD, row]))
    assert found.refused is None
    assert found.reasons[0].startswith(sentence)
    assert (len(found.rows), found.rows_refused, found.rows_read) == (8, 1, 9)


def test_a_week_without_prices_and_one_without_a_tendency() -> None:
    rows = [["Ajo", "Cali", "n.d.", "n.d.", "n.d.", "n.d."], ["Ajo *", "Cúcuta", 5, 9, 7, "N.D. "]]
    found = reader.read(workbooks.weekly(rows))
    assert (found.rows_missing, found.reasons) == (1, [])
    assert found.rows[0] == ("Grupo 1", "Ajo", "Cúcuta", 5.0, 9.0, 7.0, None)


def unusual(text: Any) -> Any:
    """Returns a text that looks the same: letters decomposed, other blanks and dashes, characters unseen."""
    if not isinstance(text, str):
        return text
    apart = unicodedata.normalize("NFD", text)
    return f"\u200b{apart.replace(' ', chr(0xA0)).replace('-', chr(0x2013))}\ufeff"


def test_texts_that_look_the_same_are_the_same() -> None:
    rows = [[unusual(cell) for cell in row] for row in workbooks.DAILY]
    assert reader.read(workbooks.xlsx({unusual("Hoja1"): rows})) == reader.read(workbooks.daily())
    prices = [["Piña", "Bogotá, D.C., Corabastos", 5, 9, 7, "--"], ["Ajo", "Cúcuta", *["n.d."] * 4]]
    titled = workbooks.weekly([*prices, [*map(unusual, prices[0])]], title=unusual("1 al 7 de mayo de 2021"))
    found = reader.read(titled)
    assert found.reasons == ["sheet 1.1 row 7 repeats Piña in Bogotá, D.C., Corabastos of a row above it"]
    assert found.rows == reader.read(workbooks.weekly(prices)).rows


@pytest.mark.parametrize("notes", [True, False])
def test_a_group_without_products_is_empty(notes: bool) -> None:
    found = reader.read(workbooks.weekly([], notes=notes))
    assert (found.refused, found.reasons) == (None, [])
    assert [row[0] for row in found.rows] == [f"Grupo {number}" for number in range(2, 9)]


@pytest.mark.parametrize(
    ("sheets", "sentence"),
    [
        ({"Hoja1": [["Ventas de mayo"]]}, "neither `boletín diario de precios mayoristas` nor"),
        ({"Hoja1": workbooks.DAILY[:2]}, r"sheet Hoja1 has no row `Precio \$/Kg`"),
        ({"Hoja1": [workbooks.DAILY[0], *workbooks.DAILY[2:]]}, "no title that names a day"),
        (
            {"Hoja1": [*workbooks.DAILY[:2], ["Precio $/Kg", None, "Cali"]]},
            "row 3 must name a market over each pair",
        ),
        (
            {"Hoja1": [*workbooks.DAILY[:2], ["Precio $/Kg", "Cali", None, "Cali", None]]},
            "row 3 names a market twice",
        ),
        (
            {"Hoja1": [*workbooks.DAILY[:3], ["Producto", "Var%", "Precio", *["Precio", "Var%"] * 2]]},
            "row 4 must name Precio and Var% under Armenia, Mercar",
        ),
        (
            {"Índice": [["Boletín semanal precios mayoristas - 1 al 7 de mayo de 2021"]]},
            "it has no sheet 1.1, 1.2",
        ),
    ],
)
def test_a_workbook_of_neither_layout_is_refused_as_a_whole(
    sheets: dict[str, list[list[Any]]], sentence: str
) -> None:
    refused = reader.read(workbooks.xlsx(sheets)).refused
    assert refused is not None
    with pytest.raises(ValueError, match=sentence):
        raise ValueError(refused)


def test_a_title_without_a_week_is_refused() -> None:
    refused = reader.read(workbooks.weekly([GOOD], title="mayo de 2021")).refused
    assert refused == "sheet 1.1 has no title that names a week, such as `1 al 7 de mayo de 2021`"


@pytest.mark.parametrize("cell", [date(2023, 8, 2), datetime(2023, 8, 2, 7, 30), "2 de agosto del 2023"])
def test_the_day_of_a_title_may_be_a_date_or_a_text(cell: Any) -> None:
    found = reader.read(workbooks.daily(A2=cell))
    assert (found.refused, found.period, len(found.rows)) == (None, (date(2023, 8, 2),), 7)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            workbooks.daily(A2="31 de septiembre de 2023"),
            "sheet Hoja1 row 2: `31 de septiembre de 2023` names the day 31 septiembre 2023,"
            " which does not exist",
        ),
        (
            workbooks.daily(A2=date(1900, 1, 1)),
            "sheet Hoja1 row 2: `1900-01-01` is not within the years 1990 and 2100",
        ),
        (
            workbooks.weekly([GOOD], title="1 al 30 de mayo de 2021"),
            "sheet 1.1 row 1: `1 al 30 de mayo de 2021` is not a week: it takes 30 days, a week at most 7",
        ),
    ],
)
def test_a_title_with_an_impossible_date_is_refused_with_it(body: bytes, sentence: str) -> None:
    assert reader.read(body).refused == sentence
