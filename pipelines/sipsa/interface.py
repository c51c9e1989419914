"""The service's interface document: where to send a request, and the request itself."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import zeep
from lxml import etree
from zeep.wsdl.bindings.soap import Soap12Binding

from stepkit.http import Client
from stepkit.outcomes import Code, OutsideDown, RefusedInput
from stepkit.urls import host_of

PATH = "/sipsaWS/SrvSipsaUpraBeanService?WSDL"
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
        RefusedInput: there is no WSDL, or none with this operation by SOAP 1.2, or it leads to another host.
        OutsideDown: the server does not answer, after retries.
    """
    try:
        read = zeep.Client(
            wsdl_url, transport=_Documents(client, wsdl_url), settings=zeep.Settings(forbid_dtd=True)
        )
    except (zeep.exceptions.Error, etree.LxmlError) as error:
        raise RefusedInput(
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
            envelope = read.create_message(read.bind(service.name, port.name), operation)
            url = at_the_same_host(wsdl_url, str(port.binding_options["address"]))
            return Call(url, etree.tostring(envelope, xml_declaration=True, encoding="UTF-8"))
    raise _changed(wsdl_url, f"{wsdl_url} is no WSDL of a service by SOAP 1.2: check sipsa_wsdl_url")


def _changed(wsdl_url: str, sentence: str) -> RefusedInput:
    return RefusedInput(sentence, Code.SCHEMA_CHANGED, file=wsdl_url, service=host_of(wsdl_url))


def at_the_same_host(wsdl_url: str, address: str) -> str:
    """Gives the address that a WSDL names, at the scheme and port by which the WSDL was read.

    Raises:
        RefusedInput: it is on another host.
    """
    target = urljoin(wsdl_url, address)
    here, there = urlsplit(wsdl_url), urlsplit(target)
    if there.scheme not in ("http", "https") or there.hostname != here.hostname:
        raise RefusedInput(
            f"{wsdl_url} leads to {target}, another host: set sipsa_wsdl_url to that host's if it is right",
            Code.INVALID_SETTING,
            file=wsdl_url,
            service=host_of(wsdl_url),
        )
    return there._replace(scheme=here.scheme, netloc=here.netloc).geturl()


class _Documents(zeep.Transport):
    """What zeep reads its documents by."""

    def __init__(self, client: Client, wsdl_url: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._client, self._wsdl_url = client, wsdl_url

    def load(self, url: str) -> bytes:
        """Gives the WSDL, or a schema that it imports."""
        answer = self._client.get(at_the_same_host(self._wsdl_url, url))
        if answer.status >= 500:
            raise OutsideDown(
                f"{answer.url} answered {answer.status}: run the step again later",
                service=host_of(answer.url),
            )
        if answer.status != 200:
            raise RefusedInput(
                f"{answer.url} answered {answer.status}: check sipsa_wsdl_url",
                Code.REQUEST_REFUSED,
                service=host_of(answer.url),
            )
        return answer.body


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
