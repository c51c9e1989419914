"""What a ZIP file says of itself: whether it is a workbook of Excel, and whether it holds macros.

Excel goes by content types and relationships. A part may have any name.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from xml.parsers import expat

MOST_PARTS = 2_000
MOST_UNPACKED_BYTES = 200 << 20
"""A real workbook of 700 kB unpacks to 6 MB."""
HIGHEST_RATIO = 200
"""Of a part's size to its packed size; real ones reach 12."""
SMALL_PART_BYTES = 1 << 20
"""A part below this is not worth a look at its ratio."""
MOST_LINKS_BYTES = 4 << 20
"""Of a part with content types or relationships; real ones have some kilobytes."""
_TYPES = "[content_types].xml"
_WORKBOOKS = (
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.template.main+xml",
)
_BINARY = "application/vnd.ms-excel.sheet.binary"
_MACROS = ("vba", "macro")
"""In content types and relationships, such as `…vbaProject`, `…macroEnabled…`, `…xlIntlMacrosheet`."""
_MACRO_NAMES = ("vbaproject.bin", "/macrosheets/", "_vba_project")

DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, expat.ExpatError),
    *(NotImplementedError, ValueError, LookupError, OverflowError, EOFError, OSError),
)
"""What Python's readers of ZIP files and XML raise, each for bytes of some kind."""


class WorkbookRefused(Exception):
    """A file is not a workbook that this pipeline reads; the text is a sentence for whoever dropped it."""


def check(body: bytes) -> None:
    """Checks a ZIP file before anything unpacks it; the reader refuses a part that is larger than it says.

    Raises:
        WorkbookRefused: it is damaged, no XLSX, would unpack to more than the limits, is encrypted, holds
            macros, or two programs could read it differently.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as opened:
            parts = opened.infolist()
            _check_sizes(parts)
            names = by_name(parts)
            refuse_macros(name for name in names if any(mark in f"/{name}" for mark in _MACRO_NAMES))
            if _TYPES not in names:
                raise WorkbookRefused(
                    "it is not XLSX: it lists no content types; save it as a workbook, .xlsx"
                )
            kinds = list(_kinds(opened, names.pop(_TYPES)))
            if any(kind.startswith(_BINARY) for kind in kinds):
                raise WorkbookRefused("it is a binary workbook, .xlsb: save it as .xlsx and drop it again")
            for name, part in names.items():
                if name.endswith(".rels"):
                    kinds += _kinds(opened, part)
    except DAMAGE as error:
        raise WorkbookRefused(f"it is cut off or damaged: {str(error)[:200]}") from None
    refuse_macros(kind for kind in kinds if any(mark in kind for mark in _MACROS))
    if not any(kind.startswith(_WORKBOOKS) for kind in kinds):
        raise WorkbookRefused("it is not XLSX: none of its parts is a workbook; save it as a workbook, .xlsx")


def refuse_macros(found: Iterator[str]) -> None:
    """Refuses a file for the first of the marks of macros that it has.

    Raises:
        WorkbookRefused: it has one.
    """
    for mark in found:
        raise WorkbookRefused(
            f"it holds macros ({mark[:100]}): save it as .xlsx without them and drop it again"
        )


def _check_sizes(parts: list[zipfile.ZipInfo]) -> None:
    unpacked = sum(part.file_size for part in parts)
    if len(parts) > MOST_PARTS or unpacked > MOST_UNPACKED_BYTES:
        raise WorkbookRefused(
            f"it unpacks to {len(parts)} parts of {unpacked >> 20} MB together; at most {MOST_PARTS} parts "
            f"of {MOST_UNPACKED_BYTES >> 20} MB are read"
        )
    for part in parts:
        if part.file_size > max(SMALL_PART_BYTES, HIGHEST_RATIO * part.compress_size):
            raise WorkbookRefused(
                f"its part {part.filename[:100]} is packed {part.file_size // max(part.compress_size, 1)} "
                f"times over, more than {HIGHEST_RATIO}: no workbook of prices is"
            )
        if part.flag_bits & 1:
            raise WorkbookRefused("it is protected by a password: save it without one and drop it again")


def by_name(parts: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """Returns the parts by their names as programs compare them: in small letters, with one kind of slash."""
    named: dict[str, zipfile.ZipInfo] = {}
    for part in parts:
        name = part.filename.replace("\\", "/").lstrip("/").lower()
        if name in named:
            raise WorkbookRefused(f"it holds two parts named {name[:100]}: open it and save it again")
        if name.endswith(".piece"):
            raise WorkbookRefused(f"it holds a part in pieces ({name[:100]}): open it and save it again")
        named[name] = part
    return named


def _kinds(opened: zipfile.ZipFile, part: zipfile.ZipInfo) -> Iterator[str]:
    """Yields the content types or relationships that a part lists, in small letters."""
    for _, attributes in elements(opened, part):
        yield from (
            attributes[name].strip().lower() for name in ("ContentType", "Type") if name in attributes
        )


def elements(opened: zipfile.ZipFile, part: zipfile.ZipInfo) -> list[tuple[str, dict[str, str]]]:
    """Returns the elements of a small part, each by its name and its attributes.

    Raises:
        WorkbookRefused: the part is not small, or declares entities.
        expat.ExpatError: it is not well-formed.
    """
    if part.file_size > MOST_LINKS_BYTES:
        raise WorkbookRefused(
            f"its part {part.filename[:100]} has {part.file_size >> 20} MB, more than the "
            f"{MOST_LINKS_BYTES >> 20} that are read"
        )
    found: list[tuple[str, dict[str, str]]] = []
    parser = xml_parser(part)
    parser.StartElementHandler = lambda name, attributes: found.append((name, attributes))
    parser.Parse(opened.read(part), True)
    return found


def xml_parser(part: zipfile.ZipInfo) -> expat.XMLParserType:
    """Returns a parser that refuses a part that declares entities: they may fill all memory."""

    def declares(*_: object) -> None:
        raise WorkbookRefused(
            f"its part {part.filename[:100]} declares entities, as no workbook does: open and save it again"
        )

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = declares
    return parser
