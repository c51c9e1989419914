"""Fields of the service's rows, as they come and as they must not."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipsa.schema import REPORTS
from sipsa.tests.answers import CITY, MARKET, city_row, market_row
from sipsa.values import RowParser
from sipsa_ws.operations import OPERATIONS
from stepkit.errors import InvalidRow


def parsed(row: dict[str, str], operation: str = CITY) -> dict[str, str | None]:
    report = REPORTS[operation]
    return dict(zip(report.names, RowParser(report).parse(row), strict=True))


def test_the_published_examples() -> None:
    assert parsed(city_row(ciudad="CÚCUTA")) == {
        "ciudad": "CÚCUTA",
        "cod_producto": "8",
        "enviado": "0",
        "fecha_captura": "2017-11-23",
        "fecha_creacion": "2017-11-23T14:00:00-05:00",
        "precio_promedio": "2083",
        "producto": "Pimentón",
        "reg_id": "212186",
    }
    row = parsed(market_row(), MARKET)
    assert (row["muni_id"], row["maximo_kg"], row["enma_fecha"]) == ("08001", "1666.67", "2017-03-29")


@pytest.mark.parametrize(
    ("sent", "day"),
    [
        ("2017-11-23T00:00:00-05:00", "2017-11-23"),
        ("2017-11-23T00:00:00", "2017-11-23"),
        ("2017-11-23T05:00:00Z", "2017-11-23"),
        ("2017-11-23T04:59:59Z", "2017-11-22"),
        ("2017-11-23T00:00:00.000-05:00", "2017-11-23"),
        ("2017-11-23T23:59:59.999999-05:00", "2017-11-23"),
        ("2017-11-23T00:00:00+02:00", "2017-11-22"),
    ],
)
def test_a_date_is_the_day_in_bogota(sent: str, day: str) -> None:
    assert parsed(city_row(fechaCaptura=sent))["fecha_captura"] == day


def test_a_number_is_read_as_it_looks() -> None:
    assert parsed(city_row(precioPromedio="\u00a02083\u200b"))["precio_promedio"] == "2083"
    with pytest.raises(InvalidRow, match="is not a price above 0"):
        parsed(city_row(precioPromedio="\u22125"))


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("Papa negra*", "Papa negra"),
        (">Calabaza", "Calabaza"),
        (" Ibagué, \n La 21 ", "Ibagué, La 21"),
        ("Pimento\u0301n\u200b", "Pimentón"),
        ("Papa\u00a0\u2013\u00a0negra\u00a0*", "Papa - negra"),
    ],
)
def test_a_name_loses_what_is_not_of_it(sent: str, name: str) -> None:
    assert parsed(city_row(producto=sent))["producto"] == name


def test_numbers_as_decimals_may_be_written() -> None:
    row = parsed(city_row(codProducto="8.00", precioPromedio=".5", enviado="", regId=None))
    assert (row["cod_producto"], row["precio_promedio"], row["enviado"], row["reg_id"]) == (
        "8",
        ".5",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"ciudad": None}, "column ciudad: None is missing"),
        ({"ciudad": " * "}, r"column ciudad: ' \* ' is missing"),
        ({"ciudad": "x" * 201}, "is not a name of at most 200"),
        ({"codProducto": "8.5"}, "column codProducto: '8.5' is not a whole number"),
        ({"codProducto": "٨"}, "is not a number"),
        ({"fechaCaptura": "23/11/2017"}, "column fechaCaptura: '23/11/2017' is not a date and time"),
        ({"fechaCaptura": "0207-11-23T00:00:00-05:00"}, "not within the years 1990 and 2100"),
        ({"precioPromedio": "n.d."}, "column precioPromedio: 'n.d.' is not a number"),
        ({"precioPromedio": "NaN"}, "is not a number"),
        ({"precioPromedio": "0"}, "is not a price above 0"),
        ({"precioPromedio": "-3"}, "is not a price above 0"),
        ({"precioPromedio": ""}, "is missing"),
    ],
)
def test_what_is_no_value_of_its_column_is_named(changes: dict[str, str | None], sentence: str) -> None:
    with pytest.raises(InvalidRow, match=sentence):
        parsed(city_row(**changes))


def test_a_field_that_is_new_is_told_of_and_harms_nothing() -> None:
    parser = RowParser(REPORTS[CITY])
    assert parser.parse(city_row(unidad="kg")) == parser.parse(city_row())
    assert parser.unknown == {"unidad"}


def test_many_distinct_values_do_not_fill_the_memory() -> None:
    parser = RowParser(REPORTS[CITY])
    for number in range(70_000):
        parser.parse(city_row(regId=str(number)))
    assert all(len(kept) <= 1 << 16 for kept in parser._parsed)


def test_columns_are_those_of_the_published_interface() -> None:
    for operation, report in REPORTS.items():
        assert [column.source_name for column in report.columns] == [
            name for name, _ in OPERATIONS[operation].fields
        ]
        assert {report.date, *report.key} <= set(report.names)


TEXTS = (
    st.none() | st.text() | st.decimals().map(str) | st.datetimes().map(str) | st.sampled_from(["²", " 7 "])
)
USED = {operation: RowParser(REPORTS[operation]) for operation in (CITY, MARKET)}
"""Parsers that have seen the rows of all examples before."""


@pytest.mark.parametrize("operation", USED)
@given(data=st.data())
def test_any_texts_are_values_that_mean_themselves_or_refused_by_column(
    operation: str, data: st.DataObject
) -> None:
    row: dict[str, str | None] = dict(city_row() if operation == CITY else market_row())
    spoilt = data.draw(st.dictionaries(st.sampled_from(sorted(row)), TEXTS, max_size=3))
    row |= spoilt
    try:
        values = RowParser(REPORTS[operation]).parse(row)
    except InvalidRow as error:
        refused = re.match(r"column (\w+): ", str(error))
        assert refused
        assert refused[1] in spoilt
        with pytest.raises(InvalidRow, match=f"column {refused[1]}"):
            USED[operation].parse(row)
        return
    assert USED[operation].parse(row) == values, "what was seen before changes nothing"
    columns = REPORTS[operation].columns
    again = {column.source_name: value for column, value in zip(columns, values, strict=True)}
    assert RowParser(REPORTS[operation]).parse(again) == values
    for column, value in zip(columns, values, strict=True):
        assert not (column.required and value is None)
        assert column.kind != "price" or value is None or Decimal(value) > 0
