"""The service's own interface documents, which say what the published ones say."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import quoteattr

from sipsa_ws.operations import NAMESPACE, OPERATIONS, SERVICE


def wsdl(address: str, schema_url: str) -> str:
    """Writes the WSDL.

    Args:
        address: where it says that the service is.
        schema_url: of the schema it imports.
    """
    return "\n".join(_wsdl(address, schema_url))


def schema() -> str:
    """Writes the schema: an element for each request and answer, and a type for each kind of row."""
    return "\n".join(_schema())


def _wsdl(address: str, schema_url: str) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield (
        f'<definitions name="{SERVICE}" targetNamespace="{NAMESPACE}" xmlns:tns="{NAMESPACE}"'
        ' xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/"'
        ' xmlns:xsd="http://www.w3.org/2001/XMLSchema">'
    )
    imported = f'<xsd:import namespace="{NAMESPACE}" schemaLocation={quoteattr(schema_url)}/>'
    yield f"<types><xsd:schema>{imported}</xsd:schema></types>"
    messages = [message for name in OPERATIONS for message in (name, f"{name}Response")]
    for message in messages:
        yield f'<message name="{message}"><part name="parameters" element="tns:{message}"/></message>'
    yield '<portType name="SrvSipsaUpraService">'
    for name in OPERATIONS:
        given, taken = f'<input message="tns:{name}"/>', f'<output message="tns:{name}Response"/>'
        yield f'<operation name="{name}">{given}{taken}</operation>'
    yield "</portType>"
    yield '<binding name="SrvSipsaUpraPortBinding" type="tns:SrvSipsaUpraService">'
    yield '<soap12:binding transport="http://www.w3.org/2003/05/soap/bindings/HTTP/" style="document"/>'
    body = '<soap12:body use="literal"/>'
    for name in OPERATIONS:
        ways = f"<input>{body}</input><output>{body}</output>"
        yield f'<operation name="{name}"><soap12:operation soapAction=""/>{ways}</operation>'
    yield "</binding>"
    yield f'<service name="{SERVICE}"><port name="SrvSipsaUpraPort" binding="tns:SrvSipsaUpraPortBinding">'
    yield f"<soap12:address location={quoteattr(address)}/></port></service></definitions>"


def _schema() -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield (
        f'<xs:schema version="1.0" targetNamespace="{NAMESPACE}" xmlns:tns="{NAMESPACE}"'
        ' xmlns:xs="http://www.w3.org/2001/XMLSchema">'
    )
    for name, operation in OPERATIONS.items():
        yield f'<xs:element name="{name}" type="tns:{name}"/>'
        yield f'<xs:element name="{name}Response" type="tns:{name}Response"/>'
        yield _type(name, _element("arg0", "xs:int") if operation.takes_number else "")
        rows = _element("return", f"tns:{operation.row_type}", maxOccurs="unbounded")
        yield _type(f"{name}Response", rows)
        yield _type(operation.row_type, "".join(_element(*field) for field in operation.fields))
    yield "</xs:schema>"


def _type(name: str, content: str) -> str:
    return f'<xs:complexType name="{name}"><xs:sequence>{content}</xs:sequence></xs:complexType>'


def _element(name: str, kind: str, **more: str) -> str:
    attributes = {"name": name, "type": kind, "minOccurs": "0", **more}
    return f"<xs:element {' '.join(f'{key}={quoteattr(value)}' for key, value in attributes.items())}/>"
