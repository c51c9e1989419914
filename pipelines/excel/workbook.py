"""Opens a workbook that a stranger may have made: by its bytes, within limits, without macros."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from typing import Any

import olefile
from python_calamine import CalamineError, CalamineWorkbook, PasswordError

OLE, ZIP = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04"
MOST_PARTS = 2_000
MOST_UNPACKED_BYTES = 200 << 20
"""A real workbook of 700 kB unpacks to 6 MB."""
HIGHEST_RATIO = 200
"""Of a part's size to its packed size; real ones reach 12."""
SMALL_PART_BYTES = 1 << 20
"""A part below this is not worth a look at its ratio."""
_MACROS = ("vbaproject.bin", "/macrosheets/", "_vba_project")

Sheet = list[list[Any]]


class WorkbookRefused(Exception):
    """A file is no workbook that this pipeline reads; the text is a sentence for whoever dropped it."""


class Workbook:
    """A workbook whose sheets are read when they are asked for.

    Args:
        body: the file's bytes. XLSX and XLS are told apart by them, whatever the file is called.

    Raises:
        WorkbookRefused: it is neither, is encrypted, holds macros, or would unpack to more than the limits.
    """

    def __init__(self, body: bytes) -> None:
        if body.startswith(ZIP):
            _check_zip(body)
        elif body.startswith(OLE):
            _check_ole(body)
        else:
            raise WorkbookRefused(
                "its bytes are neither those of an XLSX nor of an XLS file: save it as a workbook"
            )
        self._opened = _reading(lambda: CalamineWorkbook.from_filelike(io.BytesIO(body)))
        self._names = {name.strip(): name for name in self._opened.sheet_names}

    @property
    def sheets(self) -> list[str]:
        """The names of the sheets, without the blanks that some end in."""
        return list(self._names)

    def rows(self, sheet: str) -> Sheet:
        """Gives the cells of a sheet from A1 on, an empty one as an empty text.

        Raises:
            WorkbookRefused: the sheet cannot be read.
        """
        name = self._names[sheet]
        rows: Sheet = _reading(lambda: self._opened.get_sheet_by_name(name).to_python(skip_empty_area=False))
        return rows


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
            f"python-calamine, which reads it, gave up on it: {error}; open it and save it anew"
        ) from None


def _check_zip(body: bytes) -> None:
    """Looks at what a ZIP file says of its parts; the reader refuses a part that is larger than it says."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as opened:
            parts = opened.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise WorkbookRefused(f"it is cut off or damaged: {error}") from None
    unpacked = sum(part.file_size for part in parts)
    if len(parts) > MOST_PARTS or unpacked > MOST_UNPACKED_BYTES:
        raise WorkbookRefused(
            f"it unpacks to {len(parts)} parts of {unpacked >> 20} MB together; at most {MOST_PARTS} parts "
            f"of {MOST_UNPACKED_BYTES >> 20} MB are read"
        )
    for part in parts:
        if part.file_size > max(SMALL_PART_BYTES, HIGHEST_RATIO * part.compress_size):
            raise WorkbookRefused(
                f"its part {part.filename} is packed {part.file_size // max(part.compress_size, 1)} times "
                f"over, more than {HIGHEST_RATIO}: no workbook of prices is"
            )
        if part.flag_bits & 1:
            raise WorkbookRefused("it is protected by a password: save it without one and drop it again")
    _refuse_macros(part.filename for part in parts)


def _check_ole(body: bytes) -> None:
    try:
        with olefile.OleFileIO(io.BytesIO(body)) as opened:
            streams = ["/".join(path) for path in opened.listdir(streams=True, storages=True)]
    except (OSError, ValueError, IndexError) as error:
        raise WorkbookRefused(f"it is cut off or damaged: {error}") from None
    if "EncryptedPackage" in streams:
        raise WorkbookRefused("it is protected by a password: save it without one and drop it again")
    _refuse_macros(streams)


def _refuse_macros(names: Iterable[str]) -> None:
    for name in names:
        if any(mark in f"/{name.lower()}" for mark in _MACROS):
            raise WorkbookRefused(
                f"it holds macros ({name}): save it as .xlsx without them and drop it again"
            )
