"""Cells that hold something and have no value are refused, each by its place; none is a missing price."""

from __future__ import annotations

import io
import struct
import zipfile
from datetime import date

import pytest

from excel import reader
from excel.tests import workbooks
from excel.tests.conftest import Landing

UNCALCULATED = "a formula without a value (open the file in a spreadsheet and save it)"
SHEET = "xl/worksheets/sheet1.xml"


def with_cell(old: bytes, new: bytes) -> bytes:
    """Returns a daily workbook with other XML in the place of one cell's, which stands in it once."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbooks.daily())) as source, zipfile.ZipFile(written, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == SHEET:
                assert content.count(old) == 1
                content = content.replace(old, new)
            target.writestr(name, content)
    return written.getvalue()


def old_xls(records: bytes) -> bytes:
    """Returns a real XLS file with other records in the place of the first row's three prices."""
    body = workbooks.XLS.read_bytes()
    sheet = body.index(b"\xbd\x00\x18\x00\x0b\x00\x02\x00")
    assert len(records) == 28
    return body[:sheet] + records + body[sheet + 28 :]


@pytest.mark.parametrize("error", ["#REF!", "#VALUE!", "#N/A", "#DIV/0!"])
def test_an_error_in_the_place_of_a_price_is_refused(error: str) -> None:
    found = reader.read(workbooks.daily(B6=error, C6=error))
    assert found.reasons == [f"sheet Hoja1 row 6 column Armenia, Mercar: {error} is not a price"]
    assert (found.rows_refused, found.rows_missing, len(found.rows)) == (1, 2, 6)


def test_a_formula_that_was_never_calculated_is_refused() -> None:
    found = reader.read(workbooks.daily(D6="=B6*2", E6="=B6/2", G9="=1-1"))
    assert found.reasons == [
        f"sheet Hoja1 row 6 column Bogotá, D.C., Corabastos: {UNCALCULATED} is not a price",
        f"sheet Hoja1 row 9 column Ibagué, La 21: {UNCALCULATED} is not a variation, a fraction such as 0.03",
    ]


def test_a_product_of_such_cells_is_no_group_of_the_next() -> None:
    errors = dict.fromkeys(("B6", "C6", "D6", "E6", "F6", "G6"), "#REF!")
    found = reader.read(workbooks.daily(**errors))
    assert (found.rows_refused, found.rows_missing) == (3, 1)
    assert {row[0] for row in found.rows} == {"Verduras y hortalizas", "Frutas frescas"}


def test_the_last_market_may_be_all_formulas() -> None:
    formulas = dict.fromkeys(("F6", "G6", "F7", "G7", "F9", "G9"), "=1+1")
    found = reader.read(workbooks.daily(**formulas, A9="Mora", A10="=1+1"))
    assert found.rows_refused == 3
    assert len(found.rows) + found.rows_missing + found.rows_refused == found.rows_read == 9


def test_a_group_or_a_product_that_is_an_error_refuses_its_prices() -> None:
    found = reader.read(workbooks.daily(A5="#REF!", A9="#N/A"))
    assert found.reasons[0] == (
        "sheet Hoja1 row 6 column Producto: the line that names its group: #REF! is not a name"
    )
    assert found.reasons[-1] == "sheet Hoja1 row 9 column Producto: #N/A is not a name"
    assert (found.rows, found.rows_refused) == ([], 9)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (["Ajo", "Cali", "#REF!", "#REF!", "#REF!", "="], "column Precio mínimo: #REF! is not a price"),
        (["Ajo", "Cali", 5, 9, "=(C6+D6)/2", "="], f"column Precio medio: {UNCALCULATED} is not a price"),
        (["Ajo", "Cali", 5, 9, 7, "#N/A"], "column Tendencia: #N/A is not one of + ++ +++ - -- --- = n.d."),
        (["Ajo", "#N/A", 5, 9, 7, "="], "column Mercado mayorista: #N/A is not a name"),
        (["=A1", "Cali", 5, 9, 7, "="], f"column Producto: {UNCALCULATED} is not a name"),
        (["=A1", "=A1", "=A1", "=A1", "=A1", "=A1"], f"column Precio mínimo: {UNCALCULATED} is not a price"),
    ],
)
def test_such_a_cell_of_a_weekly_workbook_is_named(row: list[object], sentence: str) -> None:
    found = reader.read(workbooks.weekly([["Acelga", "Cali", 1, 3, 2, "="], row]))
    assert found.reasons == [f"sheet 1.1 row 6 {sentence}"]
    assert (found.rows_read, found.rows_missing, len(found.rows)) == (9, 0, 8)


VALUE = b'<c r="B6" t="n"><v>1200</v></c>'
MISSING_PRICE = [
    b'<c r="B6"/>',
    b'<c r="B6"><v></v></c>',
    b'<c r="B6" t="str"><f>IF(1,"","")</f><v></v></c>',  # a formula that gives an empty text
    b'<c r="B6" t="inlineStr"><is><t>n.d.</t></is></c>',
]
REFUSED_PRICE = {
    b"<c r='B6' t='e'><v>#REF!</v></c>": "#REF!",
    b'<c r="B6" s="0" t="e"><f>A1</f><v>#N/A</v></c>': "#N/A",
    b'<c r="B6" t = "e" ><v>#NUM!</v></c>': "#NUM!",
    b'<c r="B6"><f>A1</f></c>': UNCALCULATED,
    b'<c r="B6"><f>A1</f><v/></c>': UNCALCULATED,
    b'<c r="B6"><f t="shared" si="0"/></c>': UNCALCULATED,
    b'<x:c r="B6" xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><x:f>A1</x:f></x:c>': (
        UNCALCULATED
    ),
}


@pytest.mark.parametrize("cell", MISSING_PRICE)
def test_what_is_empty_is_a_price_that_was_not_there(cell: bytes) -> None:
    found = reader.read(with_cell(VALUE, cell))
    assert (found.rows_refused, found.rows_missing, len(found.rows)) == (0, 3, 6)


@pytest.mark.parametrize(("cell", "said"), REFUSED_PRICE.items(), ids=repr)
def test_a_cell_is_told_however_a_program_writes_it(cell: bytes, said: str) -> None:
    found = reader.read(with_cell(VALUE, cell))
    assert found.reasons == [f"sheet Hoja1 row 6 column Armenia, Mercar: {said} is not a price"]


def test_a_formula_with_its_value_is_read() -> None:
    assert len(reader.read(with_cell(VALUE, b'<c r="B6"><f>600*2</f><v>1200</v></c>')).rows) == 7


def test_a_cell_is_found_where_neither_rows_nor_cells_say_their_place() -> None:
    rows = b"".join(b"<row><c><v>1</v></c><c t='e'><v>#REF!</v></c></row>" for _ in range(2))
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbooks.daily())) as source, zipfile.ZipFile(written, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == SHEET:
                head, _, _ = content.partition(b"<sheetData>")
                content = head + b"<sheetData>" + rows + b"</sheetData></worksheet>"
            target.writestr(name, content)
    cells = reader.Workbook(written.getvalue()).rows("Hoja1")
    assert [[repr(cell) for cell in row] for row in cells] == [["1.0", "#REF!"], ["1.0", "#REF!"]]


@pytest.mark.parametrize(
    ("records", "said"),
    [
        (struct.pack("<HHHHHBB", 0x205, 8, 11, 2, 84, 0x17, 1) * 2 + bytes(4), "#REF!"),
        (struct.pack("<HHHHHQLHH", 6, 24, 11, 2, 84, 0xFFFF_0000_002A_0002, 0, 0, 0) + b"\0\0", "#N/A"),
        (struct.pack("<HHHHHQLHH", 6, 24, 11, 2, 84, 0xFFFF_0000_0000_0003, 0, 0, 0) + b"\0\0", UNCALCULATED),
    ],
    ids=["an error", "a formula with an error", "a formula without a value"],
)
def test_such_cells_of_an_xls_file_are_named(records: bytes, said: str) -> None:
    found = reader.read(old_xls(records.ljust(28, b"\0")))
    assert found.reasons == [f"sheet 1.1 row 12 column Precio mínimo: {said} is not a price"]
    assert (len(found.rows), found.rows_missing, found.rows_refused) == (3504, 0, 1)


def test_a_file_with_many_empty_cells_says_so(landing: Landing) -> None:
    empty = dict.fromkeys(("B6", "C6", "D7", "E7"), None)
    landing.drop("a.xlsx", workbooks.daily(**empty))
    landing.drop("b.xlsx", workbooks.daily(A2=f"{date(2023, 8, 3).day} de agosto de 2023"))
    landing.run("r1")
    assert landing.query(
        "SELECT status, rows_missing, reasons FROM excel_data.file_audit ORDER BY 2 DESC"
    ) == [
        (
            "loaded",
            3,
            [
                "2 of its 9 prices are empty cells, not `n.d.`, and count as missing: if they were lost on"
                " the way, drop the file again with them"
            ],
        ),
        ("loaded", 2, []),
    ]
