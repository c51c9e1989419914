"""CSV files that people make and give a step: what spreadsheets leave in them is passed over."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path

from stepkit.outcomes import Code, RefusedInput
from stepkit.text import normalise

_SHOWN = 200
_SEPARATORS = (";", "\t", "|")


def lines(path: Path, header: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Gives the number and the fields of each line below the header, without blank lines.

    Args:
        path: the file, in UTF-8; gzip where its name ends in `.gz`.
        header: the names that its first line must hold, in this order.

    Raises:
        RefusedInput: it is empty, has another header, or is no CSV file.
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
        raise RefusedInput(
            f"{path} cannot be read as CSV: {error}", Code.UNREADABLE_INPUT, file=path
        ) from error


def _check_header(found: Sequence[str], header: Sequence[str], path: Path) -> None:
    names = [normalise(name).strip() for name in found]
    if names == list(header):
        return
    if not names:
        raise RefusedInput(
            f"{path} is empty: its first line must be {','.join(header)}", Code.EMPTY_INPUT, file=path
        )
    for separator in _SEPARATORS:
        if len(names) == 1 and [name.strip() for name in names[0].split(separator)] == list(header):
            raise RefusedInput(
                f"{path}: its fields are separated by {separator!r}: save it with commas between them and"
                " points in numbers",
                Code.SCHEMA_CHANGED,
                file=path,
                row=1,
            )
    raise RefusedInput(
        f"{path}: line 1 is {','.join(names)[:_SHOWN]!r}, not the header {','.join(header)}",
        Code.SCHEMA_CHANGED,
        file=path,
        row=1,
    )
