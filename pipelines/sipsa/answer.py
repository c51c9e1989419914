"""One answer of the service, taken from the network into a file: its XML, without what is around it."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

from lxml import etree

from stepkit.errors import Code, DependencyUnavailable, InvalidInput
from stepkit.http import Stream, Unfinished
from stepkit.text import excerpt
from stepkit.urls import host_of

_HEAD_BYTES = 1 << 16
_TAIL_BYTES = 256
_FAULT = re.compile(rb"<(?:[\w.-]+:)?Fault[\s>]")
_END = re.compile(rb"</(?:[\w.-]+:)?Envelope\s*>\s*(?:<!--.*)?$", re.DOTALL)
_COMPRESSION = 1
_BEFORE_XML = b"\xef\xbb\xbf \t\r\n"
"""A byte order mark and blanks, that some servers write before the XML declaration, where none may be."""
_PART_HEAD = b"\r\n\r\n"
_EXCERPT = 300


def keep(stream: Stream, operation: str, path: Path) -> int:
    """Writes a whole answer to a file, as gzip, and returns its size in bytes.

    Raises:
        Unfinished: it is cut off, or is a fault of the server, or a page instead of an answer.
        InvalidInput: the server refuses the request, or answers in a form that is not read.
    """
    _check_status(stream)
    head, tail, size = b"", b"", 0
    # Without a name and a time in it: the same answer gives the same bytes.
    with path.open("wb") as file, gzip.GzipFile("", "wb", _COMPRESSION, file, mtime=0) as packed:
        for piece in _document(stream):
            if len(head) < _HEAD_BYTES:
                head += piece
            tail = (tail + piece)[-_TAIL_BYTES:]
            size += len(piece)
            packed.write(piece)
    if _FAULT.search(head[:_HEAD_BYTES]):
        raise _fault(head, stream.url)
    if b"Envelope" not in head:
        raise Unfinished(f"answered something other than SOAP: {excerpt(head)}")
    if not re.search(rb"<(?:[\w.-]+:)?%sResponse[\s/>]" % operation.encode(), head):
        raise _changed(
            stream.url, f"{stream.url} answered something other than {operation}Response: {excerpt(head)}"
        )
    if not _END.search(tail):
        raise Unfinished(f"broke off after {size} bytes")
    return size


def _document(stream: Stream) -> Iterator[bytes]:
    """Yields the XML: what is before it is left out, and so are other parts, as MTOM sends them."""
    is_begun = False
    for piece in _root_part(stream):
        if not is_begun:
            piece = piece.lstrip(_BEFORE_XML)
            is_begun = bool(piece)
        yield piece


def _root_part(stream: Stream) -> Iterator[bytes]:
    described = Message()
    described["Content-Type"] = stream.headers.get("Content-Type", "")
    if described.get_content_maintype() != "multipart":
        yield from stream
        return
    delimiter = b"\r\n--" + str(described.get_boundary("")).encode()
    pieces, head = iter(stream), b"\r\n"  # before the first delimiter, which may begin the body
    while _PART_HEAD not in head.partition(delimiter)[2]:
        if len(head) > _HEAD_BYTES or not (piece := next(pieces, b"")):
            raise Unfinished(f"answered several parts, and no first one: {excerpt(head)}")
        head += piece
    head, _, held = head.partition(delimiter)[2].partition(_PART_HEAD)
    if re.search(rb"(?i)\nContent-Transfer-Encoding: *(base64|quoted-printable)", head):
        raise _changed(stream.url, f"{stream.url} answered its first part encoded, not as it is")
    while delimiter not in held:
        yield held[: -len(delimiter)]
        held = held[-len(delimiter) :]
        if not (piece := next(pieces, b"")):
            raise Unfinished("broke off within the first of its parts")
        held += piece
    yield held.partition(delimiter)[0]


def _check_status(stream: Stream) -> None:
    if stream.status == 200:
        return
    said = f"{stream.url} answered {stream.status}"
    if reason := reason_of(stream.read(_HEAD_BYTES)):
        said += f" ({reason})"
    if stream.status >= 500:
        raise DependencyUnavailable(f"{said}: run the step again later", service=host_of(stream.url))
    if stream.status == 415:
        raise _refused(stream.url, f"{said}: it does not take SOAP 1.2")
    raise _refused(stream.url, f"{said}: check sipsa_wsdl_url")


def reason_of(body: bytes) -> str:
    """Returns the reason that a fault in a body names, whatever the version of SOAP; nothing without one."""
    if not _FAULT.search(body):
        return ""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True)
    fault = etree.fromstring(body.lstrip(_BEFORE_XML), parser)
    return _reason(fault) if fault is not None else ""


def _reason(fault: etree._Element) -> str:
    said = str(fault.xpath("string((//*[local-name()='Reason' or local-name()='faultstring'])[1])"))
    return " ".join(said.split())[:_EXCERPT]


def _refused(url: str, sentence: str) -> InvalidInput:
    return InvalidInput(sentence, Code.REQUEST_REFUSED, service=host_of(url))


def _changed(url: str, sentence: str) -> InvalidInput:
    return InvalidInput(sentence, Code.SCHEMA_CHANGED, file=url, service=host_of(url))


def _fault(body: bytes, url: str) -> Exception:
    """Returns what a fault means: one of the sender's will come again, another may not."""
    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        fault = etree.fromstring(body, parser)
    except etree.XMLSyntaxError:
        return Unfinished(f"answered with a fault: {excerpt(body)}")
    code = str(fault.xpath("string((//*[local-name()='Code']/*[local-name()='Value'])[1])"))
    reason = _reason(fault) or excerpt(body)
    if code.endswith("Sender") or code.endswith("VersionMismatch"):
        return _refused(url, f"{url} refuses the request: {reason}")
    return Unfinished(f"answered with a fault: {reason}")
