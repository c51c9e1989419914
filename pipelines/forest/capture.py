"""One answer of the forest data API, read strictly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from forest.schema import Sample, SampleParser
from stepkit.bounded_json import parse_json
from stepkit.errors import Code, InvalidInput, InvalidRow, NothingToDo
from stepkit.refused_rows import RefusedRows
from stepkit.text import excerpt

MOST_VALUES = 2_000_000
"""Of one answer: a tenth of a batch, 13 a row; a batch of all 581,012 rows would come to 800,000."""
MAX_REFUSED_SHARE = 0.01
_MOST_WHOLE = 2**31 - 1
END_OF_DATA = ("Ya se recolectó toda la información minima", "Ya se recolectó toda la información mínima")


@dataclass(frozen=True)
class Capture:
    """A random sample of one batch, as a group received it."""

    group_number: int
    batch_number: int
    rows: list[Sample]
    refused: RefusedRows = field(default_factory=RefusedRows)
    """Rows of it that are not samples."""


def parse_capture(body: bytes, source: str, max_refused_share: float = MAX_REFUSED_SHARE) -> Capture:
    """Reads an answer that the API sent as a success.

    Args:
        body: the answer as received.
        source: where it came from, to name in a refusal.
        max_refused_share: the largest share of rows that are not samples.

    Raises:
        InvalidInput: it is not the JSON of a capture, or more of its rows are not samples.
        NothingToDo: it holds no rows, or says that there are no more.
    """
    answer = _json_object(body, source)
    if "data" not in answer:
        refuse_end_of_data(answer, source)
        raise InvalidInput(
            f"{source} answered with an error inside a success: {excerpt(body)}",
            Code.REQUEST_REFUSED,
            file=source,
        )
    rows = answer["data"]
    if not isinstance(rows, list):
        raise InvalidInput(
            f"{source}: `data` is {type(rows).__name__}, not a list of rows",
            Code.SCHEMA_CHANGED,
            file=source,
            column="data",
        )
    if not rows:
        raise NothingToDo(f"{source} sent no rows", file=source)
    parser = SampleParser()
    samples, refused = [], RefusedRows(read=len(rows))
    for number, fields in enumerate(rows, 1):
        try:
            samples.append(parser.parse(fields))
        except InvalidRow as error:
            refused.refuse(number, error)
    refused.check(source, max_refused_share)
    group, batch = (_whole(answer, name, source) for name in ("group_number", "batch_number"))
    return Capture(group, batch, samples, refused)


def refuse_end_of_data(answer: dict[str, Any], source: str) -> None:
    """Raises `NothingToDo` when an answer says that the group has had all its batches."""
    detail = answer.get("detail")
    if isinstance(detail, str) and detail.startswith(END_OF_DATA):
        raise NothingToDo(f"{source} has served all its data: {detail}")


def _json_object(body: bytes, source: str) -> dict[str, Any]:
    if not body.strip():
        raise InvalidInput(
            f"{source} answered nothing: {len(body)} bytes, none of them data", Code.EMPTY_INPUT, file=source
        )
    if body.lstrip()[:1] == b"<":
        raise _unreadable(f"{source} answered HTML, not JSON: {excerpt(body)}", source)
    try:
        answer = parse_json(body, MOST_VALUES)
    except ValueError as error:
        raise _unreadable(f"{source} answered JSON that is cut off or malformed: {error}", source) from None
    if not isinstance(answer, dict):
        raise _unreadable(f"{source} answered a JSON {type(answer).__name__}, not an object", source)
    return answer


def _whole(answer: dict[str, Any], name: str, source: str) -> int:
    value = answer.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_WHOLE:
        raise InvalidInput(
            f"{source}: `{name}` is {str(value)[:100]!r}, not a whole number from 0 to {_MOST_WHOLE}",
            Code.SCHEMA_CHANGED,
            file=source,
            column=name,
        )
    return value


def _unreadable(sentence: str, source: str) -> InvalidInput:
    return InvalidInput(sentence, Code.UNREADABLE_INPUT, file=source)
