"""CSV files to people and from people: texts come back as they were, without what spreadsheets add."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from stepkit.errors import Code, InvalidInput
from stepkit.text import normalise

COPY_LINE_END = "\r\n"
"""Of a writer whose reader is Postgres. Until Python 3.11.9 and 3.12.3, `csv` puts no quotes around
a carriage return or a line feed that is not in its own line end."""
_SHOWN = 200
_SEPARATORS = (";", "\t", "|")


class Writer:
    """Writes rows that every reader takes for what they were; the same rows give the same bytes.

    Args:
        file: opened with `newline=""`.
    """

    def __init__(self, file: TextIO) -> None:
        self._few = csv.writer(file, lineterminator="\n")
        self._all = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)

    def write(self, row: Sequence[object]) -> None:
        """Writes a row; None is an empty field."""
        # Not each Python quotes a carriage return where it has to; see COPY_LINE_END.
        risky = any(isinstance(cell, str) and "\r" in cell for cell in row)
        (self._all if risky else self._few).writerow(row)


def lines(path: Path, header: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Returns the number and the fields of each line below the header, without blank lines.

    Args:
        path: the file, in UTF-8; gzip where its name ends in `.gz`.
        header: the names that its first line must hold, in this order.

    Raises:
        InvalidInput: it is empty, has another header, or is not a CSV file.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", newline="", encoding="utf-8-sig") as text:
            reader = csv.reader(text, strict=True)
            filled = (fields for fields in reader if fields)
            _check_header(next(filled, []), header, path)
            for fields in filled:
                yield reader.line_num, fields
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(
            f"{path} cannot be read as CSV: {error}", Code.UNREADABLE_INPUT, file=path
        ) from error


def _check_header(found: Sequence[str], header: Sequence[str], path: Path) -> None:
    names = [normalise(name).strip() for name in found]
    if names == list(header):
        return
    if not names:
        raise InvalidInput(
            f"{path} is empty: its first line must be {','.join(header)}", Code.EMPTY_INPUT, file=path
        )
    for separator in _SEPARATORS:
        if len(names) == 1 and [name.strip() for name in names[0].split(separator)] == list(header):
            raise InvalidInput(
                f"{path}: its fields are separated by {separator!r}: save it with commas between them and"
                " points in numbers",
                Code.SCHEMA_CHANGED,
                file=path,
                row=1,
            )
    raise InvalidInput(
        f"{path}: line 1 is {','.join(names)[:_SHOWN]!r}, not the header {','.join(header)}",
        Code.SCHEMA_CHANGED,
        file=path,
        row=1,
    )
