"""Rows as the portal spells them, in JSON or CSV, and the headers that go with them."""

import csv
import hashlib
import io
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from email.utils import format_datetime
from typing import Any

from socrata.clock import refresh_of
from socrata.columns import Column, Dataset

JSON_TYPE = "application/json;charset=utf-8"
CSV_TYPE = "text/csv;charset=utf-8"
_ROWS_AT_ONCE = 500
Rows = Iterator[tuple[Any, ...]]


def columns_of(dataset: Dataset, names: Sequence[str]) -> list[Column]:
    """Returns the columns of a result; `max_date` is of the type of `date`, another name is a number."""
    columns = []
    for name in names:
        known = dataset.column(name) or dataset.column(re.sub("^(min|max)_", "", name))
        columns.append(Column(name, known.type if known else "number"))
    return columns


def headers(dataset: Dataset, columns: list[Column], day: date, question: str) -> dict[str, str]:
    """Returns the headers of an answer.

    Args:
        dataset: what was asked.
        columns: of the answer.
        day: of the refresh that the answer shows.
        question: path and query, which make the answer's tag with the day.
    """
    modified = format_datetime(refresh_of(day), usegmt=True)
    tag = hashlib.sha256(f"{day}{question}".encode()).hexdigest()
    return {
        "X-SODA2-Fields": json.dumps([column.name for column in columns]),
        "X-SODA2-Types": json.dumps([column.header_type for column in columns]),
        "X-SODA2-Data-Out-Of-Date": "false",
        "X-SODA2-Truth-Last-Modified": modified,
        "X-SODA2-Secondary-Last-Modified": modified,
        "Last-Modified": modified,
        "ETag": f'"{tag[:32]}"',
        "X-Socrata-RequestId": hashlib.md5(tag.encode(), usedforsecurity=False).hexdigest(),
        "X-Socrata-Region": "aws-us-east-1-fedramp-prod",
        "Access-Control-Allow-Origin": "*",
    }


def as_json(columns: list[Column], rows: Rows) -> Iterator[bytes]:
    """Spells rows as a JSON list, one a line; what is missing has no key."""
    spellings = [(json.dumps(column.name), _json_spelling(column)) for column in columns]
    yield b"["
    between = ""
    for some in _batches(rows):
        text = io.StringIO()
        for row in some:
            fields = (
                f"{name}:{spell(value)}"
                for (name, spell), value in zip(spellings, row, strict=True)
                if value is not None
            )
            text.write(f"{between}{{{','.join(fields)}}}")
            between = "\n,"
        yield text.getvalue().encode()
    yield b"]\n"


def as_csv(columns: list[Column], rows: Rows) -> Iterator[bytes]:
    """Spells rows as CSV under a line of names; what is missing is empty."""
    checkboxes = [column.type == "checkbox" for column in columns]
    yield _csv_lines([[column.name for column in columns]])
    for some in _batches(rows):
        yield _csv_lines([_text(*pair) for pair in zip(row, checkboxes, strict=True)] for row in some)


def metadata(dataset: Dataset, day: date) -> dict[str, Any]:
    """Returns what `/api/views/{id}.json` says of a data set."""
    return {
        "id": dataset.id,
        "name": dataset.name,
        "assetType": "dataset",
        "description": "Synthetic rows, made from a sample of the City of Chicago's own.",
        "rowsUpdatedAt": int(refresh_of(day).timestamp()),
        "viewType": "tabular",
        "columns": [
            {"id": at, "name": c.name, "fieldName": c.name, "dataTypeName": c.type, "position": at}
            for at, c in enumerate(dataset.columns, 1)
        ],
    }


def _batches(rows: Rows) -> Iterator[list[tuple[Any, ...]]]:
    while some := list(itertools.islice(rows, _ROWS_AT_ONCE)):
        yield some


def _json_spelling(column: Column) -> Callable[[Any], str]:
    match column.type:
        case "checkbox":
            return lambda value: "true" if value else "false"
        case "location":
            return str  # kept as JSON
        case "url":
            return lambda value: json.dumps({"url": value})
        case "number":
            return lambda value: json.dumps(str(value))
        case _:
            return json.dumps


def _csv_lines(rows: Iterable[Sequence[str | None]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _text(value: Any, checkbox: bool) -> str | None:
    if value is None:
        return None
    return ("true" if value else "false") if checkbox else str(value)
