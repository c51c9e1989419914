"""Files that are not workbooks, or mean harm: each is refused with a sentence, within memory and time."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from excel import reader
from excel.findings import Findings
from excel.tests import workbooks
from excel.workbook import Workbook, WorkbookRefused

DAILY = workbooks.daily()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        pytest.param(b"", "neither those of an XLSX nor of an XLS", id="empty"),
        pytest.param(b"a;b\n1;2\n", "neither those of an XLSX nor of an XLS", id="csv"),
        pytest.param(DAILY[:2000], "cut off or damaged", id="cut xlsx"),
        pytest.param(workbooks.XLS.read_bytes()[:700], "damaged", id="cut xls"),
        pytest.param(workbooks.ole("Note"), "damaged or no workbook", id="an OLE file of another kind"),
        pytest.param(workbooks.ole("EncryptedPackage"), "protected by a password", id="encrypted xlsx"),
        pytest.param(workbooks.ole("Workbook", "_VBA_PROJECT_CUR"), "holds macros", id="macros in xls"),
        pytest.param(
            workbooks.with_part(DAILY, "xl/vbaProject.bin", b"x"), "holds macros", id="macros in xlsx"
        ),
        pytest.param(
            workbooks.with_part(DAILY, "xl/media/a.bin", bytes(8 << 20)), "packed 10", id="a zip bomb"
        ),
    ],
)
def test_a_file_that_is_no_workbook_is_refused(body: bytes, sentence: str) -> None:
    with pytest.raises(WorkbookRefused, match=sentence):
        Workbook(body)
    assert reader.read(body).refused is not None


def test_too_many_parts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("excel.package.MOST_PARTS", 3)
    with pytest.raises(WorkbookRefused, match="unpacks to"):
        Workbook(DAILY)


def test_a_part_that_is_larger_than_it_says_is_refused() -> None:
    name = b"xl/worksheets/sheet1.xml"
    body = bytearray(workbooks.xlsx({"Hoja1": [[number] for number in range(5000)]}))
    for signature, size_at, name_at in ((b"PK\x03\x04", 22, 30), (b"PK\x01\x02", 24, 46)):
        at = -1
        while (at := body.find(signature, at + 1)) >= 0:
            if body[at + name_at : at + name_at + len(name)] == name:
                struct.pack_into("<L", body, at + size_at - 8, zlib.crc32(b""))
                struct.pack_into("<L", body, at + size_at, 1000)
    assert "damaged" in str(reader.read(bytes(body)).refused)


def test_a_sheet_that_is_wide_and_long_ends_its_reader_alone(tmp_path: Path) -> None:
    """A cell in the last corner makes the reader lay out 17 thousand million cells."""
    rows = [*workbooks.DAILY]
    body = workbooks.xlsx({"Hoja1": rows})
    sheet = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    path = tmp_path / "corner.xlsx"
    path.write_bytes(_replaced(body, "xl/worksheets/sheet1.xml", b"</sheetData>", sheet))
    refused = reader.read_apart(path).refused
    assert refused is not None
    assert "cannot be read with 512 MB of memory" in refused


def test_a_reader_that_takes_too_long_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MOST_SECONDS", 0)
    path = tmp_path / "a.xlsx"
    path.write_bytes(DAILY)
    assert reader.read_apart(path).refused == "it cannot be read in 0 s"


def test_a_process_apart_finds_the_same_and_knows_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    path = tmp_path / "a.xlsx"
    path.write_bytes(DAILY)
    found = reader.read_apart(path)
    assert [tuple(row) for row in found.rows] == reader.read(DAILY).rows
    assert (found.layout, found.period) == (reader.read(DAILY).layout, reader.read(DAILY).period)
    assert "AWS_SECRET_ACCESS_KEY" not in reader.environment()


def test_a_bug_of_the_reader_is_not_told_as_a_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(DAILY)
    broken = tmp_path / "broken" / "python_calamine"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text(
        "class CalamineError(Exception): pass\n"
        "class PasswordError(CalamineError): pass\n"
        "class SheetTypeEnum: MacroSheet, Vba, WorkSheet = range(3)\n"
        "class SheetVisibleEnum: Visible = 0\n"
        "class Sheet: name, typ, visible = 'Hoja1', 2, 0\n"
        "class CalamineWorkbook:\n"
        "    sheet_names, sheets_metadata = ['Hoja1'], [Sheet]\n"
        "    @classmethod\n"
        "    def from_filelike(cls, file): return cls()\n"
        "    def get_sheet_by_name(self, name): return {}['a bug']\n"
    )
    monkeypatch.syspath_prepend(str(broken.parent))
    with pytest.raises(reader.ReaderError, match=r"exit code 1: (?s:.*)KeyError: 'a bug'"):
        reader.read_apart(path)


def test_a_file_that_makes_the_library_give_up_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        pass

    def give_up(file: io.BytesIO) -> None:
        raise PanicException("index out of bounds")

    monkeypatch.setattr("excel.workbook.CalamineWorkbook", SimpleNamespace(from_filelike=give_up))
    assert reader.read(DAILY).refused == (
        "python-calamine, which reads it, gave up on it: index out of bounds; open it and save it again"
    )


def test_a_file_that_takes_all_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fill_memory(body: bytes) -> Findings:
        raise MemoryError

    path = tmp_path / "a.xlsx"
    path.write_bytes(DAILY)
    monkeypatch.setattr(reader, "read", fill_memory)
    monkeypatch.setattr(reader.apart, "give_up_rights", lambda: None)
    monkeypatch.setattr(reader.resource, "setrlimit", lambda *limit: None)
    monkeypatch.setattr(reader.gc, "disable", lambda: None)
    monkeypatch.setattr("sys.argv", ["-c", str(path)])
    reader.main()
    assert "cannot be read with 512 MB of memory" in str(Findings.from_json(capfd.readouterr().out).refused)


def _replaced(body: bytes, part: str, old: bytes, new: bytes) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as source, zipfile.ZipFile(written, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, content.replace(old, new) if name == part else content)
    return written.getvalue()
