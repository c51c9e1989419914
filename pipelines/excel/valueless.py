"""Cells that hold something and have no value: errors such as `#REF!`, formulas that were never calculated.

python-calamine gives these as it gives an empty cell. Where the bytes of a sheet have a trace of one, the
sheet is read once more for their places.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

from excel import package


@dataclass(frozen=True)
class Valueless:
    """Stands in the place of a cell without a value; `said` is what a person sees of it."""

    said: str

    def __repr__(self) -> str:
        return self.said


UNCALCULATED = Valueless("a formula without a value (open the file in a spreadsheet and save it)")
Places = dict[tuple[int, int], Valueless]
"""By row and column, each from 0."""

_WORKBOOK, _LINKS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
"""Where python-calamine looks for the sheets."""
_XML_ERRORS = (b'"e"', b"'e'")
_XML_FORMULA, _XML_OTHER_FORMULA = re.compile(rb"<f[\s/>]"), b":f"
_XML_FORMULA_AND_VALUE = re.compile(rb"<f(?:\s[^>]*)?(?:/>|>[^<]*</f\s*>)\s*<v(?:\s[^>]*)?>[^<]")
_RECORD_TRACES = (
    re.compile(rb"\x05\x02\x08\x00.{7}\x01", re.DOTALL),
    re.compile(rb"\x06\x00.{8}[\x02\x03].{5}\xff\xff", re.DOTALL),
)
_BOUND_SHEET, _FORMULA, _BOOLEAN_OR_ERROR, _END = 0x0085, 0x0006, 0x0205, 0x000A
_IS_ERROR, _IS_EMPTY = 2, 3
"""What the value of a formula is, where it is not a number."""
_ERRORS = {
    **{0x00: "#NULL!", 0x07: "#DIV/0!", 0x0F: "#VALUE!", 0x17: "#REF!", 0x1D: "#NAME?", 0x24: "#NUM!"},
    **{0x2A: "#N/A", 0x2B: "#GETTING_DATA"},
}


class XlsxSheets:
    """The sheets of an XLSX file. A formula that gives an empty text has a value: its cell is of type text.

    Args:
        body: the file, checked by `package.check`.
    """

    def __init__(self, body: bytes) -> None:
        self._opened = zipfile.ZipFile(io.BytesIO(body))
        self._parts = package.by_name(self._opened.infolist())
        sheets = self._elements(_WORKBOOK, "sheet")
        links = {each["Id"]: each["Target"].lower() for each in self._elements(_LINKS, "Relationship")}
        self._targets = [links[_attribute(each, "id")] for each in sheets]

    def valueless(self, index: int) -> Places:
        """Returns the cells without a value of one sheet, in the order of the workbook."""
        target = self._targets[index]
        part = self._parts[target.lstrip("/") if target.startswith(("/xl/", "xl/")) else f"xl/{target}"]
        xml = self._opened.read(part)
        if not _is_suspect(xml):
            return {}
        cells = _Cells()
        parser = package.xml_parser(part)
        parser.buffer_text = True
        parser.StartElementHandler = cells.begin
        parser.EndElementHandler = cells.end
        parser.CharacterDataHandler = cells.text
        parser.Parse(xml, True)
        return cells.found

    def _elements(self, part: str, kind: str) -> list[dict[str, str]]:
        named = package.elements(self._opened, self._parts[part])
        return [attributes for name, attributes in named if _local(name) == kind]


def _is_suspect(xml: bytes) -> bool:
    """Returns whether a sheet may have a cell without a value.

    A look at each of its cells would cost as much as the library's reading.
    """
    if any(trace in xml for trace in (*_XML_ERRORS, _XML_OTHER_FORMULA)):
        return True
    return any(not _XML_FORMULA_AND_VALUE.match(xml, each.start()) for each in _XML_FORMULA.finditer(xml))


class _Cells:
    """Collects the cells without a value as the XML of a sheet is parsed."""

    def __init__(self) -> None:
        self.found: Places = {}
        self._row = self._column = -1
        self._type, self._value = "", ""
        self._is_formula = self._in_value = False

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        match _local(name):
            case "row":
                self._row = int(attributes.get("r", self._row + 2)) - 1
                self._column = -1
            case "c":
                self._column += 1
                if "r" in attributes:
                    self._row, self._column = _place(attributes["r"])
                self._type, self._value, self._is_formula = attributes.get("t", "n"), "", False
            case "f":
                self._is_formula = True
            case "v":
                self._in_value = True

    def end(self, name: str) -> None:
        match _local(name):
            case "v":
                self._in_value = False
            case "c" if self._type == "e":
                self.found[self._row, self._column] = Valueless(self._value.strip()[:20] or "an error")
            case "c" if self._is_formula and not self._value and self._type != "str":
                self.found[self._row, self._column] = UNCALCULATED

    def text(self, text: str) -> None:
        if self._in_value:
            self._value += text


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _attribute(attributes: dict[str, str], name: str) -> str:
    return next(value for key, value in attributes.items() if _local(key) == name)


def _place(reference: str) -> tuple[int, int]:
    """Returns row and column of a cell's name, such as `B6`."""
    letters = reference.rstrip("0123456789")
    column = 0
    for letter in letters.upper():
        column = 26 * column + ord(letter) - ord("A") + 1
    return int(reference[len(letters) :]) - 1, column - 1


class XlsSheets:
    """The sheets of an XLS file. A formula whose text is empty counts as without a value.

    Args:
        stream: the workbook's own of the OLE file: records, as [MS-XLS] has them.
    """

    def __init__(self, stream: bytes) -> None:
        self._stream = stream
        self._is_suspect = any(trace.search(stream) for trace in _RECORD_TRACES)
        self._begin = [
            struct.unpack_from("<L", data)[0] for kind, data in self._records(0) if kind == _BOUND_SHEET
        ]

    def valueless(self, index: int) -> Places:
        """Returns the cells without a value of one sheet, in the order of the workbook."""
        if not self._is_suspect:
            return {}
        found: Places = {}
        for kind, data in self._records(self._begin[index]):
            if (cell := _of_record(kind, data)) is not None:
                row, column = struct.unpack_from("<HH", data)
                found[row, column] = cell
        return found

    def _records(self, at: int) -> Iterator[tuple[int, bytes]]:
        """Yields kind and data of the records from a place on, to the end of their part of the stream."""
        while True:
            kind, length = struct.unpack_from("<HH", self._stream, at)
            if kind == _END:
                return
            yield kind, self._stream[at + 4 : at + 4 + length]
            at += 4 + length


def _of_record(kind: int, data: bytes) -> Valueless | None:
    if kind == _BOOLEAN_OR_ERROR and data[7]:
        return Valueless(_ERRORS.get(data[6], "an error"))
    if kind == _FORMULA and data[12:14] == b"\xff\xff":
        if data[6] == _IS_ERROR:
            return Valueless(_ERRORS.get(data[8], "an error"))
        return UNCALCULATED if data[6] == _IS_EMPTY else None
    return None
