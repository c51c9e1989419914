"""Envelopes of SOAP 1.2: requests read strictly, answers and faults written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape

from lxml import etree

from sipsa_ws.history import Row
from sipsa_ws.operations import NAMESPACE, OPERATIONS

ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
CONTENT_TYPE = "application/soap+xml"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'


class BadRequestError(Exception):
    """A request that is answered with a fault; `code` is one of SOAP 1.2's own."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def requested(body: bytes) -> str:
    """Returns the operation that a request asks for.

    Raises:
        BadRequestError: it is not an envelope of SOAP 1.2, or asks for none of the operations.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise BadRequestError("Sender", f"Couldn't create SOAP message due to exception: {error}") from None
    if root.tag != f"{{{ENVELOPE}}}Envelope":
        raise BadRequestError("VersionMismatch", f"Unsupported envelope {root.tag}")
    asked = root.find(f"{{{ENVELOPE}}}Body/*")
    name = etree.QName(asked).localname if asked is not None else ""
    if asked is None or asked.tag != f"{{{NAMESPACE}}}{name}" or name not in OPERATIONS:
        raise BadRequestError("Sender", f"Cannot find dispatch method for {{{NAMESPACE}}}{name}")
    return name


def answer(operation: str, rows: Iterable[list[Row]]) -> Iterator[bytes]:
    """Writes an answer piece by piece, one for each list of rows."""
    name = f"{operation}Response"
    opening = f'<S:Envelope xmlns:S="{ENVELOPE}"><S:Body><ns2:{name} xmlns:ns2="{NAMESPACE}">'
    yield f"{_DECLARATION}{opening}".encode()
    for some in rows:
        yield "".join(map(_row, some)).encode()
    yield f"</ns2:{name}></S:Body></S:Envelope>".encode()


def fault(code: str, reason: str) -> bytes:
    """Writes a fault.

    Args:
        code: `Sender`, `Receiver` or `VersionMismatch`.
        reason: a sentence.
    """
    content = (
        f"<S:Code><S:Value>S:{code}</S:Value></S:Code>"
        f'<S:Reason><S:Text xml:lang="en">{escape(reason)}</S:Text></S:Reason>'
    )
    body = f"<S:Body><S:Fault>{content}</S:Fault></S:Body>"
    return f'{_DECLARATION}<S:Envelope xmlns:S="{ENVELOPE}">{body}</S:Envelope>'.encode()


def _row(row: Row) -> str:
    fields = "".join([f"<{name}>{escape(value)}</{name}>" for name, value in row.items()])
    return f"<return>{fields}</return>"
