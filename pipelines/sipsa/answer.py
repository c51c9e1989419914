"""One answer of the service, taken from the network into a file."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

from lxml import etree

from stepkit.http import Stream, Unfinished
from stepkit.outcomes import Code, OutsideDown, RefusedInput
from stepkit.urls import host_of

_HEAD_BYTES = 1 << 16
_TAIL_BYTES = 256
_FAULT = re.compile(rb"<(?:[\w.-]+:)?Fault[\s>]")
_END = re.compile(rb"</(?:[\w.-]+:)?Envelope\s*>\s*(?:<!--.*)?$", re.DOTALL)
_COMPRESSION = 1
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
