"""Workbooks as programs other than Excel write them, and as people leave them: read as they are seen."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import date, datetime

import openpyxl
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from excel import reader
from excel.findings import Findings
from excel.tests import workbooks

DAILY = workbooks.daily()
GOLDEN = reader.read(DAILY)
TEXTS, STRAY = "xl/sharedStrings.xml", b"<sst><si><t>not what is seen</t></si></sst>"
STRICT = {
    b"http://schemas.openxmlformats.org/spreadsheetml/2006/main": (
        b"http://purl.oclc.org/ooxml/spreadsheetml/main"
    ),
    b"http://schemas.openxmlformats.org/officeDocument/2006/relationships": (
        b"http://purl.oclc.org/ooxml/officeDocument/relationships"
    ),
}


def rewritten(
    body: bytes,
    name: Callable[[str], str] = str,
    changed: Callable[[str, bytes], bytes] = lambda name, content: content,
    *,
    zip64: bool = False,
) -> bytes:
    """Returns the file with its parts named and changed otherwise."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as source, zipfile.ZipFile(written, "w") as target:
        for part in source.namelist():
            with target.open(name(part), "w", force_zip64=zip64) as opened:
                opened.write(changed(part, source.read(part)))
    return written.getvalue()


def moved(body: bytes, old: str, new: str) -> bytes:
    """Returns the file with a part, its relationships and all that leads to it under another name."""
    return rewritten(
        body,
        lambda part: part.replace(old, new),
        lambda part, content: (
            content.replace(old.encode(), new.encode()) if part.endswith((".rels", "s].xml")) else content
        ),
    )


def opened(**sheets: str) -> bytes:
    """Returns the daily workbook with sheets before its own, each in a state."""
    book = openpyxl.load_workbook(io.BytesIO(DAILY))
    for at, (name, state) in enumerate(sheets.items()):
        if state == "chart":
            book.create_chartsheet(name, at)
        else:
            book.create_sheet(name, at).sheet_state = state
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def strict(part: str, content: bytes) -> bytes:
    for old, new in STRICT.items():
        content = content.replace(old, new)
    return content


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(opened(Listas="hidden", _xltb_storage_="veryHidden"), id="hidden sheets first"),
        pytest.param(opened(Grafico="chart"), id="a chart first"),
        pytest.param(moved(DAILY, "workbook.xml", "workbook22.xml"), id="another name of the workbook"),
        pytest.param(rewritten(DAILY, zip64=True), id="zip64"),
        pytest.param(rewritten(DAILY, changed=strict), id="strict Open XML"),
        pytest.param(
            rewritten(DAILY, changed=lambda part, content: b"\xef\xbb\xbf" + content), id="byte order marks"
        ),
    ],
)
def test_a_daily_workbook_is_read_as_it_is_seen(body: bytes) -> None:
    assert reader.read(body) == GOLDEN


@pytest.mark.parametrize("stray", [False, True], ids=["alone", "beside others that nothing leads to"])
def test_texts_are_found_where_the_workbook_says_that_they_are(stray: bool) -> None:
    body = moved(workbooks.ACROSS_YEARS.read_bytes(), "sharedStrings.xml", "sharedStrings2.xml")
    found = reader.read(workbooks.with_part(body, TEXTS, STRAY) if stray else body)
    assert (found.refused, len(found.rows)) == (None, 4248)
    assert found.rows[0][:3] == reader.read(workbooks.ACROSS_YEARS.read_bytes()).rows[0][:3]


@pytest.mark.parametrize("epoch", [None, CALENDAR_MAC_1904], ids=["1900", "1904"])
def test_a_date_is_the_same_in_both_date_systems_and_wherever_its_format_is(epoch: datetime | None) -> None:
    book = openpyxl.load_workbook(io.BytesIO(DAILY))
    if epoch:
        book.epoch = epoch
    book["Hoja1"]["A2"] = datetime(2023, 8, 2)
    written = io.BytesIO()
    book.save(written)
    for body in (written.getvalue(), moved(written.getvalue(), "styles.xml", "styles9.xml")):
        assert reader.read(body).period == (date(2023, 8, 2),)


def test_a_workbook_of_a_chart_alone_is_refused() -> None:
    book = openpyxl.Workbook()
    book.create_chartsheet("Grafico")
    book.remove(book["Sheet"])
    written = io.BytesIO()
    book.save(written)
    assert reader.read(written.getvalue()) == Findings(refused="it shows no sheet with cells")
