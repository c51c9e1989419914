"""The fields of a row: from the text of the XML to what Postgres takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from operator import getitem

from sipsa.schema import BOGOTA, Column, Kind, Report
from stepkit.errors import InvalidRow
from stepkit.text import normalise

MAX_TEXT_LENGTH = 200
_MOST_LENGTH = 1000
"""Of a field before it is read: what is longer is not kept, nor looked at."""
_MOST_DIGITS = 40
_SHOWN = 250
_UNKNOWN_KEPT = 20
YEARS = range(1990, 2101)
_MOST_KEPT = 1 << 16
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")

Row = tuple[str | None, ...]


class _Parsed(dict[str | None, str | None]):
    """Values of one column by their text. Most columns have few distinct ones, so most parse by look-up."""

    def __init__(self, column: Column) -> None:
        super().__init__()
        self._parse = _PARSERS[column.kind]
        self._required = column.required

    def __missing__(self, text: str | None) -> str | None:
        if text and len(text) > _MOST_LENGTH:
            raise ValueError(f"has more than {_MOST_LENGTH} characters")
        value = self._parse(normalise(text).strip()) if text else None
        if value is None and self._required:
            raise ValueError("is missing")
        if len(self) < _MOST_KEPT:
            self[text] = value
        return value


class RowParser:
    """Turns the fields of a row into values. It keeps what it has seen: use one an answer."""

    def __init__(self, report: Report) -> None:
        self._names = tuple(column.source_name for column in report.columns)
        self._parsed = [_Parsed(column) for column in report.columns]
        self.unknown: set[str] = set()
        """Fields that came and are not the report's."""

    def parse(self, fields: Mapping[str, str | None]) -> Row:
        """Returns the values of a row in the order of the report's columns.

        Args:
            fields: text by the service's own name of the field; one that is absent or empty is missing.

        Raises:
            InvalidRow: a field is not what its column holds, or is missing from a required one.
        """
        texts: Iterable[str | None] = fields.values()
        # Most rows have all fields in their order.
        if tuple(fields) != self._names:
            if len(self.unknown) < _UNKNOWN_KEPT:
                self.unknown.update(sorted(fields.keys() - self._names)[:_UNKNOWN_KEPT])
            texts = map(fields.get, self._names)
        try:
            return tuple(map(getitem, self._parsed, texts))
        except ValueError:
            raise self._first_fault(fields) from None

    def _first_fault(self, fields: Mapping[str, str | None]) -> InvalidRow:
        for name, parsed in zip(self._names, self._parsed, strict=True):
            try:
                parsed[fields.get(name)]
            except ValueError as error:
                text = fields.get(name)
                return InvalidRow(f"{(text and text[:_SHOWN])!r} {error}", name)
        raise AssertionError("a row that failed to parse now parses")


def _text(text: str) -> str | None:
    """Returns a name on one line, without the stray mark-up and the footnote's asterisk that some have."""
    name = " ".join(text.split()).lstrip("> ").rstrip("* ")
    if len(name) > MAX_TEXT_LENGTH or not name.isprintable():
        raise ValueError(f"is not a name of at most {MAX_TEXT_LENGTH} printable characters")
    return name or None


def _whole_up_to(most: int) -> Callable[[str], str | None]:
    def parse(text: str) -> str | None:
        number = text if text.isascii() and text.isdigit() else _number(text)
        whole, _, rest = str(number).partition(".")
        if number is None or rest.strip("0") or not whole.strip("+-"):
            raise ValueError("is not a whole number")
        if len(whole) > _MOST_DIGITS or abs(int(whole)) > most:
            raise ValueError(f"is not within -{most} and {most}")
        return whole

    return parse


def _number(text: str) -> str | None:
    if not text:
        return None
    if not text.isascii() or not _NUMBER.fullmatch(text):
        raise ValueError("is not a number")
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"has more than {_MOST_DIGITS} digits")
    return text


def _price(text: str) -> str | None:
    number = _number(text)
    if number is not None and float(number) <= 0:
        raise ValueError("is not a price above 0")
    return number


def _moment(text: str) -> datetime | None:
    """Reads an xs:dateTime; one without a zone, which the interface allows, is Bogotá's time."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is not a date and time") from None
    if found.year not in YEARS:
        raise ValueError(f"is not within the years {YEARS[0]} and {YEARS[-1]}")
    return found.replace(tzinfo=BOGOTA) if found.tzinfo is None else found.astimezone(BOGOTA)


def _moment_text(text: str) -> str | None:
    found = _moment(text)
    return found.isoformat() if found else None


def _date(text: str) -> str | None:
    found = _moment(text)
    return found.date().isoformat() if found else None


_PARSERS: dict[Kind, Callable[[str], str | None]] = {
    "text": _text,
    "whole": _whole_up_to(2**63 - 1),
    "small": _whole_up_to(2**15 - 1),
    "number": _number,
    "price": _price,
    "date": _date,
    "moment": _moment_text,
}
