"""Opens a workbook that a stranger may have made: by its bytes, within limits, without macros."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import olefile
from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

from excel import package, parts
from excel.package import WorkbookRefused as WorkbookRefused
from excel.schema import LONGEST_TEXT
from excel.valueless import Places, XlsSheets, XlsxSheets
from stepkit.text import normalise

OLE, ZIP = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04"
_MACRO_STORAGE = "_vba_project"
_MACRO_SHEETS = (SheetTypeEnum.MacroSheet, SheetTypeEnum.Vba)

Sheet = list[list[Any]]


class Workbook:
    """A workbook whose sheets are read when they are asked for.

    Args:
        body: the file's bytes. XLSX and XLS are told apart by them, whatever the file is called.

    Raises:
        WorkbookRefused: it is neither, is encrypted, holds macros, or would unpack to more than the limits.
    """

    def __init__(self, body: bytes) -> None:
        self._sheets: Callable[[], XlsSheets | XlsxSheets]
        if body.startswith(ZIP):
            package.check(body)
            body = parts.renamed(body)
            self._sheets = cache(lambda: XlsxSheets(body))
        elif body.startswith(OLE):
            stream = _checked_ole(body)
            self._sheets = cache(lambda: XlsSheets(stream))
        else:
            raise WorkbookRefused(
                "its bytes are neither those of an XLSX nor of an XLS file: save it as a workbook"
            )
        self._opened = _reading(lambda: CalamineWorkbook.from_filelike(io.BytesIO(body)))
        names = self._opened.sheet_names
        if longest := next((name for name in names if len(name) > LONGEST_TEXT), ""):
            raise WorkbookRefused(
                f"its sheet {longest[:40]!r}… has a name longer than {LONGEST_TEXT} characters: shorten it"
            )
        sheets = self._opened.sheets_metadata
        package.refuse_macros(f"sheet {sheet.name!r}" for sheet in sheets if sheet.typ in _MACRO_SHEETS)
        self._names = {normalise(name).strip(): name for name in names}
        self._shown = [
            normalise(sheet.name).strip()
            for sheet in sheets
            if sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible
        ]
        self._places = {name: at for at, name in enumerate(names)}

    @property
    def sheets(self) -> list[str]:
        """The names of the sheets as they look, without the blanks that some end in."""
        return list(self._names)

    @property
    def first(self) -> str:
        """The name of the first sheet with cells that a person sees.

        Programs put sheets of their own before it and hide them, and charts stand among the sheets.

        Raises:
            WorkbookRefused: there is none.
        """
        if not self._shown:
            raise WorkbookRefused("it shows no sheet with cells")
        return self._shown[0]

    def rows(self, sheet: str) -> Sheet:
        """Returns the cells of a sheet from A1 on, texts as they look.

        An empty one is an empty text; one that holds something and has no value is a `Valueless`.

        Raises:
            WorkbookRefused: the sheet cannot be read.
        """
        name = self._names[sheet]
        read: Sheet = _reading(lambda: self._opened.get_sheet_by_name(name).to_python(skip_empty_area=False))
        rows = _as_they_look(read)
        try:
            places = self._sheets().valueless(self._places[name])
        except package.DAMAGE as error:
            raise WorkbookRefused(
                f"its sheet {sheet} is damaged: {str(error)[:200]}; open it and save it again"
            ) from None
        _put(places, rows)
        return rows


def _as_they_look(rows: Sheet) -> Sheet:
    """Returns cells with their texts as they look. A sheet has few distinct ones; few have to change."""
    distinct = set(itertools.chain.from_iterable(rows))
    written = {cell: normalise(cell) for cell in distinct if isinstance(cell, str) and not cell.isascii()}
    if all(cell == text for cell, text in written.items()):
        return rows
    return [[written.get(cell, cell) for cell in cells] for cells in rows]


def _put(places: Places, rows: Sheet) -> None:
    """Puts cells into their places, also behind the last ones that have a value."""
    if not places:
        return
    width = max(len(rows[0]) if rows else 0, *(column + 1 for _, column in places))
    height = max(len(rows), *(row + 1 for row, _ in places))
    for cells in rows:
        cells.extend([""] * (width - len(cells)))
    rows.extend([""] * width for _ in range(height - len(rows)))
    for (row, column), cell in places.items():
        rows[row][column] = cell


def _reading(read: Any) -> Any:
    try:
        return read()
    except PasswordError:
        raise WorkbookRefused(
            "it is protected by a password: save it without one and drop it again"
        ) from None
    except CalamineError as error:
        raise WorkbookRefused(f"it is damaged or no workbook: {error}") from None
    except BaseException as error:
        # What the library's Rust gives up with; no class of that name can be imported.
        if type(error).__name__ != "PanicException":
            raise
        raise WorkbookRefused(
            f"python-calamine, which reads it, gave up on it: {error}; open it and save it again"
        ) from None


def _checked_ole(body: bytes) -> bytes:
    """Returns the workbook's own stream of an OLE file; nothing where it has none."""
    try:
        with olefile.OleFileIO(io.BytesIO(body)) as opened:
            streams = ["/".join(path) for path in opened.listdir(streams=True, storages=True)]
            name = next((name for name in ("Workbook", "Book") if opened.exists(name)), None)
            stream: bytes = opened.openstream(name).read() if name else b""
    except (OSError, ValueError, IndexError) as error:
        raise WorkbookRefused(f"it is cut off or damaged: {error}") from None
    if "EncryptedPackage" in streams:
        raise WorkbookRefused("it is protected by a password: save it without one and drop it again")
    package.refuse_macros(name for name in streams if _MACRO_STORAGE in name.lower())
    return stream
