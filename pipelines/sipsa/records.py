"""The rows of an answer, read from the file that `extract` has kept, in memory bounded by one row.

An answer that is well-formed is read as it is. In one that is not, each row is read by itself, so that a
character that XML does not have costs its row and no other.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from stepkit.errors import Code, InvalidInput, InvalidRow

Fields = dict[str, str | None]
"""The text of each field by its name, whatever its namespace."""
_PIECE = 1 << 16
_ROW_BYTES = 1 << 18
"""Between the ends of two rows; a row has about 300. Others would grow a tree without bound."""
_EXCERPT = 300
_SHOWN = 5
_MOST_MALFORMED = 10_000
"""Rows that are read by themselves before the answer is given up; each costs a parser."""
_BEGIN = re.compile(rb"<(?:[\w.-]+:)?return(?=[\s/>])")
_WHOLE_ROW = re.compile(rb"<[^<>]*/>|.*?</(?:[\w.-]+:)?return\s*>", re.DOTALL)


def rows(path: Path, source: str) -> Iterator[Fields | InvalidRow]:
    """Returns the fields of each row of an answer in a gzip file, or why a row cannot be read.

    Args:
        path: the file.
        source: what to call it in a refusal.

    Raises:
        InvalidInput: it is malformed outside its rows, they are not all children of one element, or it holds
            other elements than rows.
    """
    try:
        with gzip.open(path) as file:
            yield from _rows(file, source)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInput(
            f"{source} cannot be read as gzip: {error}", Code.UNREADABLE_INPUT, file=source
        ) from error


def _rows(file: gzip.GzipFile, source: str) -> Iterator[Fields | InvalidRow]:
    parser = _Parser(source)
    try:
        while piece := file.read(_PIECE):
            yield from parser.feed(piece)
        parser.close()
    except _MalformedError as error:
        malformed = InvalidInput(
            f"{source}: after row {parser.number} the XML is malformed: {error}",
            Code.UNREADABLE_INPUT,
            file=source,
            row=parser.number + 1,
        )
    else:
        return
    file.seek(0)
    try:
        yield from _each(file, source, parser.number)
    except _MalformedError:
        raise malformed from None


class _MalformedError(Exception):
    """Bytes are not part of an XML document, or of one with rows; the text says why."""


class _Parser:
    """Yields rows as the bytes of their answer come in; `number` is of the last one."""

    def __init__(self, source: str, number: int = 0) -> None:
        # Nothing but this text is read: no entity is expanded, no other document fetched. Depth and the
        # length of a text keep the library's own bounds.
        self._parser = etree.XMLPullParser(
            events=("end",),
            tag="{*}return",
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            remove_comments=True,
            remove_pis=True,
            collect_ids=False,
        )
        self._source = source
        self.number = number
        self._since = 0
        self._holder: Any = None
        self._tags: tuple[str, ...] = ()
        self._names: tuple[str, ...] = ()

    def feed(self, piece: bytes) -> Iterator[Fields]:
        """Returns the rows that end in a piece.

        Raises:
            _MalformedError: it is malformed.
            InvalidInput: a row has no end, or is in another element than those before.
        """
        try:
            self._parser.feed(piece)
        except etree.XMLSyntaxError:
            raise self._malformed() from None
        # For an entity that nobody declares the library raises nothing, and would begin a new document.
        if len(self._parser.feed_error_log.filter_from_fatals()):
            raise self._malformed()
        self._since += len(piece)
        rows_ended: Iterator[tuple[str, Any]] = self._parser.read_events()
        for _, element in rows_ended:
            self.number, self._since = self.number + 1, 0
            parent = element.getparent()
            if self._holder is None:
                self._holder = parent
            if parent is None or parent is not self._holder:
                raise self._refusal(self.number, "is in another element than those before")
            fields = {child.tag: child.text for child in element}
            # Most rows have the fields of the one before, and no namespace.
            if (tags := tuple(fields)) != self._tags:
                if not all(isinstance(tag, str) for tag in tags):
                    raise self._refusal(self.number, "holds an entity, which SOAP does not have")
                self._tags, self._names = tags, tuple(tag.rpartition("}")[2] for tag in tags)
            yield fields if self._names == tags else dict(zip(self._names, fields.values(), strict=True))
            element.clear(keep_tail=True)
            while element.getprevious() is not None:
                del parent[0]
        if self._since > _ROW_BYTES:
            raise self._refusal(self.number + 1, f"does not end within {_ROW_BYTES} bytes")

    def one(self, piece: bytes) -> Fields:
        """Returns the row that a piece is.

        Raises:
            _MalformedError: it is malformed, or does not end.
        """
        if found := list(self.feed(piece)):
            return found[0]
        self._close()  # the library has waited for more: now it says why
        raise _MalformedError("it holds no row")

    def close(self) -> None:
        """Ends the answer.

        Raises:
            _MalformedError: it is malformed.
            InvalidInput: it held no row, and something else in their place.
        """
        root = self._close()
        if self.number:
            return
        answers = root.xpath("*[local-name()='Body']/*")
        others = sorted({etree.QName(each).localname for held in answers for each in held})
        if others or not answers:
            raise InvalidInput(
                f"{self._source} has no element `return`, which a row is, but"
                f" {', '.join(others[:_SHOWN]) or 'an empty body'}: the service has changed",
                Code.SCHEMA_CHANGED,
                file=self._source,
            )

    def _close(self) -> Any:
        try:
            return self._parser.close()
        except etree.XMLSyntaxError:
            raise self._malformed() from None

    def _malformed(self) -> _MalformedError:
        errors = self._parser.feed_error_log.filter_from_errors()
        return _MalformedError(errors[0].message[:_EXCERPT] if len(errors) else "it is cut off")

    def _refusal(self, number: int, reason: str) -> InvalidInput:
        return InvalidInput(
            f"{self._source}: row {number} {reason}", Code.SCHEMA_CHANGED, file=self._source, row=number
        )


def _each(file: gzip.GzipFile, source: str, done: int) -> Iterator[Fields | InvalidRow]:
    """Returns the rows after the first `done`, each read by itself: one that is malformed ends no other.

    Raises:
        _MalformedError: what is around the rows is malformed.
        InvalidInput: see `_Parser`.
    """
    segments = _segments(file)
    head = next(segments, b"")
    if b"<!DOCTYPE" in head:
        raise _MalformedError("it declares entities, which SOAP does not have")
    parser, tail = None, None
    segment = next(segments, None)
    number = malformed = 0
    while segment is not None:
        number += 1
        if (following := next(segments, None)) is None:
            if (whole := _WHOLE_ROW.match(segment)) is None:
                raise _MalformedError("its last row does not end")
            segment, tail = whole[0], segment[whole.end() :]
        if number > done:
            parser = parser or _behind(head, source, number - 1)
            try:
                yield parser.one(segment)
            except _MalformedError as error:
                yield InvalidRow(f"is malformed XML: {error}")
                parser, malformed = None, malformed + 1
                if malformed > _MOST_MALFORMED:
                    raise
        segment = following
    if tail is None:
        raise _MalformedError("it has no row")
    parser = parser or _behind(head, source, number)
    list(parser.feed(tail))
    parser.close()


def _behind(head: bytes, source: str, number: int) -> _Parser:
    """Returns a parser that stands behind the first rows of an answer, within the elements that hold them."""
    parser = _Parser(source, number)
    list(parser.feed(head))
    return parser


def _segments(file: gzip.GzipFile) -> Iterator[bytes]:
    """Cuts an answer where rows begin: returns what is before the first, then one row after another."""
    buffer = b""
    while piece := file.read(_PIECE):
        buffer += piece
        at = 0
        for begin in _BEGIN.finditer(buffer, 1):
            yield buffer[at : begin.start()]
            at = begin.start()
        buffer = buffer[at:]
        if len(buffer) > _ROW_BYTES:
            raise _MalformedError("a row does not end")
    yield buffer
