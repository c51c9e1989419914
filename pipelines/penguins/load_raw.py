"""Fills the raw table with the lines of the file, as they look."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psycopg2
from psycopg2 import sql

from penguins.schema import COLUMNS, RAW
from stepkit import csv_files, postgres
from stepkit.errors import Code, InvalidInput, InvalidRow
from stepkit.options import Option
from stepkit.s3 import file_sha256
from stepkit.settings import Settings
from stepkit.step import run
from stepkit.text import normalise

DATA = Path(__file__).parent / "data" / "penguins_size.csv"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedRaw:
    """What the table holds now."""

    table: str
    rows: int
    sha256: str


def load_raw(
    settings: Settings,
    *,
    file: Annotated[Path | None, Option("CSV file with the header of penguins_size.csv")] = None,
) -> LoadedRaw:
    """Replaces what is in the table by the file's lines, in one transaction; a repeat leaves the same."""
    path = file or DATA
    if not path.is_file():
        raise InvalidInput(f"there is no file {path}: correct --file (FILE)", Code.MISSING_INPUT, file=path)
    with postgres.transaction(settings) as rows:
        try:
            rows.execute(sql.SQL("TRUNCATE {}").format(postgres.identifier(RAW)))
        except psycopg2.errors.UndefinedTable:
            raise InvalidInput(
                f"there is no table {RAW}: run create_raw_table first", Code.MISSING_INPUT, file=RAW
            ) from None
        count = postgres.copy(rows, RAW, ("line", *COLUMNS), lines(path))
    _logger.info("%d lines of %s", count, path.name)
    return LoadedRaw(RAW, count, file_sha256(path))


def lines(path: Path) -> Iterator[tuple[int | str, ...]]:
    """Returns the number and the fields of each line below the header.

    Raises:
        InvalidInput: the header or the number of fields of a line is another, or the file is not a CSV file.
    """
    for number, fields in csv_files.lines(path, COLUMNS):
        if len(fields) != len(COLUMNS):
            raise InvalidRow(f"has {len(fields)} fields, not {len(COLUMNS)}").at(path, number, "line")
        yield number, *map(normalise, fields)


if __name__ == "__main__":
    run(load_raw)
