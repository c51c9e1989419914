"""One answer of the service: taken from the network into a file, and its rows read from the file."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

from stepkit.http import Stream, Unfinished
from stepkit.outcomes import Code, OutsideDown, RefusedInput
from stepkit.urls import host_of

_HEAD_BYTES = 1 << 16
_TAIL_BYTES = 256
_FAULT = re.compile(rb"<(?:[\w.-]+:)?Fault[\s>]")
_END = re.compile(rb"</(?:[\w.-]+:)?Envelope\s*>\s*(?:<!--.*)?$", re.DOTALL)
_COMPRESSION = 1
_PIECE = 1 << 16
_ROW_BYTES = 1 << 18
"""Between the ends of two rows; a row has about 300. Others would grow a tree without bound."""
_EXCERPT = 300


def keep(stream: Stream, operation: str, path: Path) -> int:
    """Writes a whole answer to a file, as gzip, and gives its size in bytes.

    Raises:
        Unfinished: it is cut off, or is a fault of the server, or a page instead of an answer.
        RefusedInput: the server refuses the request.
    """
    _check_status(stream)
    head, tail, size = b"", b"", 0
    # Without a name and a time in it: the same answer gives the same bytes.
    with path.open("wb") as file, gzip.GzipFile("", "wb", _COMPRESSION, file, mtime=0) as packed:
        for piece in stream:
            if len(head) < _HEAD_BYTES:
                head += piece
            tail = (tail + piece)[-_TAIL_BYTES:]
            size += len(piece)
            packed.write(piece)
    if _FAULT.search(head[:_HEAD_BYTES]):
        raise _fault(head, stream.url)
    if b"Envelope" not in head:
        raise Unfinished(f"answered something other than SOAP: {_excerpt(head)}")
    if not re.search(rb"<(?:[\w.-]+:)?%sResponse[\s/>]" % operation.encode(), head):
        raise RefusedInput(
            f"{stream.url} answered something other than {operation}Response: {_excerpt(head)}",
            Code.SCHEMA_CHANGED,
            file=stream.url,
            service=host_of(stream.url),
        )
    if not _END.search(tail):
        raise Unfinished(f"broke off after {size} bytes")
    return size


def rows(path: Path, source: str) -> Iterator[dict[str, str | None]]:
    """Gives the fields of each row of an answer in a gzip file, in memory bounded by one row.

    Args:
        path: the file.
        source: what to call it in a refusal.

    Raises:
        RefusedInput: it is no well-formed XML, or its rows are not all children of one element.
    """
    try:
        with gzip.open(path) as file:
            yield from _rows(file, source)
    except (OSError, EOFError, zlib.error) as error:
        raise RefusedInput(
            f"{source} cannot be read as gzip: {error}", Code.UNREADABLE_INPUT, file=source
        ) from error


def _rows(file: gzip.GzipFile, source: str) -> Iterator[dict[str, str | None]]:
    # Nothing but this text is read: no entity is expanded, no other document fetched. Depth and the length of
    # a text keep the library's own bounds.
    parser = etree.XMLPullParser(
        events=("end",),
        tag="return",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )
    number, since = 0, 0
    holder: Any = None
    known: tuple[str, ...] = ()
    try:
        while piece := file.read(_PIECE):
            parser.feed(piece)
            since += len(piece)
            rows_ended: Iterator[tuple[str, Any]] = parser.read_events()
            for _, element in rows_ended:
                number, since = number + 1, 0
                parent = element.getparent()
                if holder is None:
                    holder = parent
                if parent is None or parent is not holder:
                    raise _no_row(source, number, "is in another element than those before")
                fields = {child.tag: child.text for child in element}
                # Most rows have the fields of the one before.
                if (names := tuple(fields)) != known:
                    if not all(isinstance(name, str) for name in names):
                        raise _no_row(source, number, "holds an entity, which SOAP does not have")
                    known = names
                yield fields
                element.clear(keep_tail=True)
                while element.getprevious() is not None:
                    del parent[0]
            if since > _ROW_BYTES:
                raise _no_row(source, number + 1, f"does not end within {_ROW_BYTES} bytes")
        parser.close()
    except etree.XMLSyntaxError as error:
        raise RefusedInput(
            f"{source}: after row {number} the XML is malformed: {str(error)[:_EXCERPT]}",
            Code.UNREADABLE_INPUT,
            file=source,
            row=number + 1,
        ) from None


def _no_row(source: str, number: int, reason: str) -> RefusedInput:
    return RefusedInput(f"{source}: row {number} {reason}", Code.SCHEMA_CHANGED, file=source, row=number)


def _check_status(stream: Stream) -> None:
    if stream.status == 415:
        raise _refused(stream.url, f"{stream.url} answered 415: it does not take SOAP 1.2")
    if stream.status >= 500:
        raise OutsideDown(
            f"{stream.url} answered {stream.status}: run the step again later", service=host_of(stream.url)
        )
    if stream.status != 200:
        raise _refused(stream.url, f"{stream.url} answered {stream.status}: check sipsa_wsdl_url")


def _refused(url: str, sentence: str) -> RefusedInput:
    return RefusedInput(sentence, Code.REQUEST_REFUSED, service=host_of(url))


def _fault(body: bytes, url: str) -> Exception:
    """Gives what a fault means: one of the sender's will come again, another may not."""
    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        fault = etree.fromstring(body, parser)
    except etree.XMLSyntaxError:
        return Unfinished(f"answered with a fault: {_excerpt(body)}")
    code = str(fault.xpath("string((//*[local-name()='Code']/*[local-name()='Value'])[1])"))
    said = str(fault.xpath("string((//*[local-name()='Reason'])[1])"))[:_EXCERPT]
    reason = " ".join(said.split()) or _excerpt(body)
    if code.endswith("Sender") or code.endswith("VersionMismatch"):
        return _refused(url, f"{url} refuses the request: {reason}")
    return Unfinished(f"answered with a fault: {reason}")


def _excerpt(body: bytes) -> str:
    return " ".join(body[:200].decode(errors="replace").split())
