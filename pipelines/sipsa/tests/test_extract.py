"""`extract` against servers that speak the service's protocol well and badly, on a real S3."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sipsa.extract import Extracted, ask, extract
from sipsa.tests.answers import CITY, answer, city_row
from sipsa_ws import soap
from sipsa_ws.operations import PATH
from sipsa_ws.wsdl import schema, wsdl
from stepkit.errors import DependencyUnavailable, InvalidInput
from stepkit.http import Client, Limits
from stepkit.s3 import ObjectStore
from stepkit.settings import Run, Settings
from tests.scripted_http import Script, ScriptedServer, response, serving

SETTINGS = Settings(run=Run(dag_id="dag", run_id="scheduled__2025-07-11T19:30:00+00:00"))
WHOLE = answer([city_row(n) for n in range(200)])
PUBLISHED = Path(__file__).resolve().parents[3] / "tests" / "sources" / "published"
HTML = "<html><title>Error 404--Not Found</title></html>"
MULTIPART = 'multipart/related; type="application/xop+xml"; boundary="uuid:7c5f"; start="<root@cxf>"'


def parts(envelope: bytes, encoding: str = "binary", first: str = "\r\n") -> bytes:
    """Returns an answer as MTOM has it: the envelope, and an attachment that no step needs."""
    head = (
        'Content-Type: application/xop+xml; charset=UTF-8; type="application/soap+xml"\r\n'
        f"Content-Transfer-Encoding: {encoding}\r\nContent-ID: <root@cxf>\r\n\r\n"
    )
    attached = "\r\n--uuid:7c5f\r\nContent-ID: <a@b>\r\n\r\n%PDF\r\n--uuid:7c5f--\r\n"
    return f"{first}--uuid:7c5f\r\n{head}".encode() + envelope + attached.encode()


@contextmanager
def service(*scripts: Script, address: str = "http://127.0.0.1:80" + PATH) -> Iterator[ScriptedServer]:
    """Runs a server that gives the WSDL, then the schema, then these answers."""
    interface = response(200, wsdl(address, f"http://127.0.0.1:80{PATH}?xsd=1"))
    with serving(interface, response(200, schema()), *scripts) as server:
        yield server


def run(server: ScriptedServer, bucket: str) -> Extracted:
    return extract(SETTINGS, operation="promediosSipsaCiudad", source_url=server.url, bucket=bucket)


def asked(server: ScriptedServer, path: Path, wsdl_url: str = "") -> int:
    client = Client(Limits(attempts=2, read_timeout=1.0), sleep=lambda seconds: None)
    return ask(client, wsdl_url or f"{server.url}{PATH}?WSDL", "promediosSipsaCiudad", path)


def test_the_answer_is_kept_as_gzip(bucket: str) -> None:
    with service(response(200, WHOLE)) as server:
        result = run(server, bucket)
        assert server.requests == [f"{PATH}?WSDL", f"{PATH}?xsd=1", PATH]
    key = "scheduled__2025-07-11T19-30-00-00-00"
    assert result.raw_uri == f"s3://{bucket}/sipsa/raw/promediosSipsaCiudad/{key}/answer.xml.gz"
    kept = ObjectStore().get(result.raw_uri)
    assert gzip.decompress(kept) == WHOLE
    assert result.sha256 == hashlib.sha256(kept).hexdigest()


def test_the_request_is_an_envelope_of_soap_1_2(tmp_path: Path) -> None:
    with service(response(200, WHOLE)) as server:
        assert asked(server, tmp_path / "answer") == len(WHOLE)
        head, _, body = server.received[-1].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /sipsaWS/SrvSipsaUpraBeanService HTTP")
    assert b"content-type: application/soap+xml; charset=utf-8" in head.lower()
    assert soap.requested(body) == CITY


@pytest.mark.parametrize(
    "sent",
    [
        response(200, parts(WHOLE), Content_Type=MULTIPART),
        response(200, parts(WHOLE, first=""), Content_Type=MULTIPART),
        response(200, b"\r\n" + WHOLE),
        response(200, b"\xef\xbb\xbf\n" + WHOLE),
    ],
    ids=["parts", "parts at once", "blank line", "byte order mark and blank line"],
)
def test_what_is_around_an_answer_is_left_out(sent: Script, tmp_path: Path) -> None:
    with service(sent) as server:
        assert asked(server, tmp_path / "answer") == len(WHOLE)
    assert gzip.decompress((tmp_path / "answer").read_bytes()) == WHOLE


@pytest.mark.parametrize("fault", ["Reason", "faultstring"])
def test_the_reason_of_a_fault_is_told_whatever_its_status(
    fault: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = soap.fault("Receiver", "ORA-01033: initialization in progress").replace(b"Reason", fault.encode())
    monkeypatch.setattr("sipsa.extract.LIMITS", Limits(attempts=2, first_wait=0))
    with service(response(500, said)) as server, pytest.raises(DependencyUnavailable) as down:
        run(server, bucket)
    assert "answered 500 (ORA-01033: initialization in progress), 2 times over" in str(down.value)


def test_the_same_answer_gives_the_same_bytes(tmp_path: Path) -> None:
    with (
        service(response(200, WHOLE)) as one,
        service(response(200, gzip.compress(WHOLE), Content_Encoding="gzip")) as two,
    ):
        for name, server in (("a", one), ("b", two)):
            asked(server, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_retry_uses_the_answer_that_is_there(bucket: str) -> None:
    with service(response(200, WHOLE), response(200, answer([]))) as server:
        assert run(server, bucket) == run(server, bucket)
        assert len(server.requests) == 3


@pytest.mark.parametrize(
    "first",
    [
        response(200, WHOLE[:20_000], length=len(WHOLE)),
        response(200, WHOLE[:20_000]),
        response(200, gzip.compress(WHOLE)[:300], Content_Encoding="gzip"),
        response(200, HTML),
        response(503, "<html>"),
        response(200, soap.fault("Receiver", "Connection pool exhausted")),
        response(500, soap.fault("Receiver", "Connection pool exhausted")),
    ],
    ids=["cut", "cut without a length", "cut gzip", "page", "503", "fault", "fault with 500"],
)
def test_what_may_pass_is_asked_again_and_then_whole(first: Script, tmp_path: Path) -> None:
    with service(first, response(200, WHOLE)) as server:
        assert asked(server, tmp_path / "answer") == len(WHOLE)
    assert gzip.decompress((tmp_path / "answer").read_bytes()) == WHOLE


@pytest.mark.parametrize(
    ("script", "ending", "sentence"),
    [
        (response(200, WHOLE[:20_000]), DependencyUnavailable, "broke off after 20000 bytes, 2 times over"),
        (
            response(200, soap.fault("Receiver", "No pool")),
            DependencyUnavailable,
            "with a fault: No pool, 2 times over",
        ),
        (response(200, HTML), DependencyUnavailable, "something other than SOAP: <html><title>Error 404"),
        (response(200, ""), DependencyUnavailable, "something other than SOAP"),
        (response(501), DependencyUnavailable, "answered 501: run the step again later"),
        (lambda connection: connection.recv(1), DependencyUnavailable, "ReadTimeoutError"),
        (
            response(200, soap.fault("Sender", "No such method")),
            InvalidInput,
            "refuses the request: No such method",
        ),
        (
            response(200, answer([], "promediosSipsaParcial")),
            InvalidInput,
            "other than promediosSipsaCiudadResponse",
        ),
        (response(415), InvalidInput, "answered 415: it does not take SOAP 1.2"),
        (response(404, HTML), InvalidInput, "answered 404: check sipsa_wsdl_url"),
        (
            response(400, soap.fault("Sender", "No such method")),
            InvalidInput,
            r"answered 400 \(No such method\): check sipsa_wsdl_url",
        ),
        (
            response(200, parts(WHOLE[:20_000]), Content_Type=MULTIPART),
            DependencyUnavailable,
            "broke off after 20000 bytes, 2 times over",
        ),
        (
            response(200, parts(WHOLE)[:20_000], Content_Type=MULTIPART),
            DependencyUnavailable,
            "broke off within the first of its parts, 2 times over",
        ),
        (
            response(200, HTML, Content_Type=MULTIPART),
            DependencyUnavailable,
            "several parts, and no first one: <html>",
        ),
        (
            response(200, parts(WHOLE, "base64"), Content_Type=MULTIPART),
            InvalidInput,
            "answered its first part encoded, not as it is",
        ),
        (response(301, Location="https://elsewhere/"), InvalidInput, "answers a POST with 301"),
        (
            response(307, Location="http://10.0.0.1/"),
            InvalidInput,
            "redirects to http://10.0.0.1/, another host",
        ),
    ],
)
def test_each_refusal_has_its_ending(
    script: Script, ending: type[Exception], sentence: str, tmp_path: Path
) -> None:
    with service(script) as server, pytest.raises(ending, match=sentence):
        asked(server, tmp_path / "answer")


def test_a_broken_answer_is_not_kept(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sipsa.extract.LIMITS", Limits(attempts=2, first_wait=0))
    with service(response(200, WHOLE[:20_000])) as server, pytest.raises(DependencyUnavailable):
        run(server, bucket)
    with service(response(200, WHOLE)) as server:
        assert gzip.decompress(ObjectStore().get(run(server, bucket).raw_uri)) == WHOLE


@pytest.mark.parametrize(
    "address", ["http://10.0.0.1/sipsaWS/S", "http://elsewhere:80/sipsaWS/S", "ftp://127.0.0.1/sipsaWS/S"]
)
def test_an_interface_that_leads_to_another_host_is_refused(address: str, tmp_path: Path) -> None:
    with service(address=address) as server:
        with pytest.raises(InvalidInput, match=f"leads to {address}, another host"):
            asked(server, tmp_path / "answer")
        assert len(server.requests) == 2


def test_a_schema_on_another_host_is_not_fetched(tmp_path: Path) -> None:
    interface = wsdl(f"http://127.0.0.1:80{PATH}", "http://10.0.0.1/schema.xsd")
    with serving(response(200, interface)) as server:
        with pytest.raises(InvalidInput, match=r"leads to http://10\.0\.0\.1/schema\.xsd, another host"):
            asked(server, tmp_path / "answer")
        assert len(server.requests) == 1


def test_the_published_interface_is_read(tmp_path: Path) -> None:
    """Its own host is put in the place of DANE's, which no test can reach."""
    document = (PUBLISHED / "SrvSipsaUpraBeanService.wsdl").read_text()
    xsd = (PUBLISHED / "SrvSipsaUpraBeanService.xsd").read_text()
    scripts = [response(200, document.replace("appweb.dane.gov.co", "127.0.0.1")), response(200, xsd)]
    with serving(*scripts, response(200, WHOLE)) as server:
        assert asked(server, tmp_path / "answer") == len(WHOLE)
        assert server.requests == [f"{PATH}?WSDL", "/sipsaWS/SrvSipsaUpraBeanService.xsd", PATH]


@pytest.mark.parametrize(
    ("interface", "ending", "sentence"),
    [
        (response(200, HTML), InvalidInput, r"is not a WSDL of a service by SOAP 1\.2"),
        (response(200, "<definitions"), InvalidInput, "is not a WSDL that can be read"),
        (response(404), InvalidInput, "answered 404: check sipsa_wsdl_url"),
        (response(503), DependencyUnavailable, "answered 503, 2 times over"),
        (response(501), DependencyUnavailable, "answered 501: run the step again later"),
    ],
)
def test_what_is_no_interface_is_said(
    interface: Script, ending: type[Exception], sentence: str, tmp_path: Path
) -> None:
    with serving(interface) as server, pytest.raises(ending, match=sentence):
        asked(server, tmp_path / "answer")


def test_an_interface_without_the_operation_or_without_soap_1_2_is_refused(tmp_path: Path) -> None:
    address = f"http://127.0.0.1:80{PATH}"
    whole = wsdl(address, f"{address}?xsd=1")
    other = whole.replace(CITY, "promediosSipsaPais")
    former = whole.replace("http://schemas.xmlsoap.org/wsdl/soap12/", "http://schemas.xmlsoap.org/wsdl/soap/")
    former = former.replace(
        "http://www.w3.org/2003/05/soap/bindings/HTTP/", "http://schemas.xmlsoap.org/soap/http"
    )
    for document, sentence in (
        (other, f"has no operation {CITY}"),
        (former, r"is not a WSDL of a service by SOAP 1\.2"),
    ):
        types = schema().replace(CITY, "promediosSipsaPais") if document is other else schema()
        both = serving(response(200, document), response(200, types))
        with both as server, pytest.raises(InvalidInput, match=sentence):
            asked(server, tmp_path / "answer")
