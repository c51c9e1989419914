"""The service's interface document: where to send a request, and the request itself."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import zeep
from lxml import etree
from zeep.wsdl.bindings.soap import Soap12Binding

from stepkit.errors import Code, DependencyUnavailable, InvalidInput, StepError
from stepkit.http import Answer, Client, Stream
from stepkit.urls import checked_url, host_of, origin_of

PATH = "/sipsaWS/SrvSipsaUpraBeanService?WSDL"
MOST_BYTES = 1 << 20
"""Of a document; the published ones have 25 kB together."""
_MOST_DOCUMENTS = 20
_SHOWN = 200
CONTENT_TYPE = "application/soap+xml; charset=utf-8"


@dataclass(frozen=True)
class Call:
    """A request of SOAP 1.2, to be sent by POST with `CONTENT_TYPE`."""

    url: str
    envelope: bytes


def call(client: Client, wsdl_url: str, operation: str) -> Call:
    """Reads the WSDL and makes the request of an operation without arguments.

    The WSDL's own address is http and port 80 even where the service answers by https alone. What it names
    is therefore asked for at the scheme, host and port of the WSDL, and is refused if it is on another host.

    Raises:
        InvalidInput: there is no WSDL, or none with this operation by SOAP 1.2, or it leads to another host.
        DependencyUnavailable: the server does not answer, after retries.
    """
    checked_url(wsdl_url)
    try:
        read = zeep.Client(
            wsdl_url, transport=_Documents(client, wsdl_url), settings=zeep.Settings(forbid_dtd=True)
        )
    except StepError:
        raise
    except Exception as error:  # zeep takes documents for right ones, and fails at others in any way
        raise InvalidInput(
            f"{wsdl_url} is not a WSDL that can be read: {_sentence(error)}",
            Code.UNREADABLE_INPUT,
            file=wsdl_url,
            service=host_of(wsdl_url),
        ) from error
    ports = ((service, port) for service in read.wsdl.services.values() for port in service.ports.values())
    for service, port in ports:
        if isinstance(port.binding, Soap12Binding):
            if operation not in port.binding.all():
                raise _changed(wsdl_url, f"{wsdl_url} has no operation {operation}: check sipsa_wsdl_url")
            url = at_the_same_host(wsdl_url, str(port.binding_options["address"]))
            return Call(url, _envelope(read, wsdl_url, service.name, port.name, operation))
    raise _changed(wsdl_url, f"{wsdl_url} is not a WSDL of a service by SOAP 1.2: check sipsa_wsdl_url")


def _envelope(read: zeep.Client, wsdl_url: str, service: str, port: str, operation: str) -> bytes:
    try:
        envelope = read.create_message(read.bind(service, port), operation)
    except Exception as error:
        raise _changed(
            wsdl_url, f"{wsdl_url} describes no {operation} without arguments: {_sentence(error)}"
        ) from error
    return etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")


def _changed(wsdl_url: str, sentence: str) -> InvalidInput:
    return InvalidInput(sentence, Code.SCHEMA_CHANGED, file=wsdl_url, service=host_of(wsdl_url))


def at_the_same_host(wsdl_url: str, address: str) -> str:
    """Returns the address that a WSDL names, at the scheme and port by which the WSDL was read.

    Raises:
        InvalidInput: it is on another host, or is not a URL.
    """
    try:
        target = urljoin(wsdl_url, address)
        host = origin_of(target).host
    except ValueError as error:
        raise _elsewhere(wsdl_url, f"{address[:_SHOWN]}, another host, or none ({error})") from error
    if host != origin_of(wsdl_url).host:
        raise _elsewhere(wsdl_url, f"{target[:_SHOWN]}, another host")
    here = urlsplit(wsdl_url)
    return urlsplit(target)._replace(scheme=here.scheme, netloc=here.netloc).geturl()


def _elsewhere(wsdl_url: str, where: str) -> InvalidInput:
    return InvalidInput(
        f"{wsdl_url} leads to {where}: set sipsa_wsdl_url to that host's if it is right",
        Code.INVALID_SETTING,
        file=wsdl_url,
        service=host_of(wsdl_url),
    )


class _Documents(zeep.Transport):
    """What zeep reads its documents by."""

    def __init__(self, client: Client, wsdl_url: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._client, self._wsdl_url, self._left = client, wsdl_url, _MOST_DOCUMENTS

    def load(self, url: str) -> bytes:
        """Returns the WSDL, or a schema that it imports."""
        self._left -= 1
        if self._left < 0:
            raise _changed(
                self._wsdl_url, f"{self._wsdl_url} leads to more than {_MOST_DOCUMENTS} documents: check it"
            )
        answer = self._client.stream(at_the_same_host(self._wsdl_url, url), _whole)
        if answer.status >= 500:
            raise DependencyUnavailable(
                f"{answer.url} answered {answer.status}: run the step again later",
                service=host_of(answer.url),
            )
        if answer.status != 200:
            raise InvalidInput(
                f"{answer.url} answered {answer.status}: check sipsa_wsdl_url",
                Code.REQUEST_REFUSED,
                service=host_of(answer.url),
            )
        return answer.body


def _whole(stream: Stream) -> Answer:
    pieces, size = [], 0
    for piece in stream:
        pieces.append(piece)
        size += len(piece)
        if size > MOST_BYTES:
            raise _changed(stream.url, f"{stream.url} sent more than the {MOST_BYTES} bytes of a WSDL")
    return Answer(stream.url, stream.status, stream.headers, b"".join(pieces))


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
