"""The SIPSA server: its interface is the published one, and its histories move as its clock does."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import urllib3
import zeep
from lxml import etree
from starlette.testclient import TestClient

from sipsa_ws.app import CutError, create_app
from sipsa_ws.clock import BOGOTA, Clock
from sipsa_ws.history import Histories, Row
from sipsa_ws.operations import OPERATIONS, PATH
from sipsa_ws.quotes import Quotes
from sipsa_ws.settings import Settings
from tests.sources.sipsa_server import Started, sipsa_server

PUBLISHED = Path(__file__).parent / "published" / "SrvSipsaUpraBeanService.wsdl"
SOAP12 = {"Content-Type": "application/soap+xml; charset=utf-8"}
BINDING = "{http://servicios.sipsa.co.gov.dane/}SrvSipsaUpraPortBinding"
NOW = datetime(2025, 7, 11, 15, tzinfo=BOGOTA)


@pytest.fixture(scope="module")
def quotes() -> Quotes:
    return Quotes()


@pytest.fixture(scope="module")
def server() -> Iterator[Started]:
    # The last month of which each monthly report has come out.
    with sipsa_server(HISTORY_START="2025-06-01") as started:
        yield started


def envelope(operation: str, content: str = "") -> bytes:
    return (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>'
        f'<n:{operation} xmlns:n="http://servicios.sipsa.co.gov.dane/">{content}</n:{operation}>'
        "</s:Body></s:Envelope>"
    ).encode()


def client(**settings: Any) -> TestClient:
    chosen = Settings(history_start=date(2025, 7, 1), **settings)
    return TestClient(create_app(chosen), base_url="http://sipsa")


def rows(quotes: Quotes, operation: str, now: datetime = NOW, start: date = date(2025, 6, 1)) -> list[Row]:
    return [row for some in Histories(quotes, start).answer(operation, now) for row in some]


def described(document: zeep.wsdl.Document) -> dict[str, Any]:
    """All that a client learns from an interface."""
    (service,) = document.services.values()
    (port,) = service.ports.values()
    operations = {}
    for name, operation in port.binding.all().items():
        (given,) = operation.output.body.type.elements
        fields = {
            field: (element.type.name, element.min_occurs, element.max_occurs, element.qname.namespace)
            for field, element in given[1].type.elements
        }
        operations[name] = (
            operation.soapaction,
            operation.style,
            operation.input.signature(),
            (given[0], given[1].type.name, given[1].max_occurs, given[1].qname.namespace),
            fields,
        )
    return {
        "service": service.name,
        "port": port.name,
        "binding": str(port.binding),
        "operations": operations,
    }


def test_own_interface_says_what_the_published_one_says(server: Started) -> None:
    ours = described(zeep.Client(f"{server.url}{PATH}?WSDL").wsdl)
    assert ours == described(zeep.Client(str(PUBLISHED)).wsdl)
    assert ours["operations"].keys() == OPERATIONS.keys()


def test_address_in_the_interface_is_http_and_port_80_of_the_host_asked() -> None:
    text = client().get(f"{PATH}?wsdl").text
    assert f'location="http://sipsa:80{PATH}"' in text
    assert f'schemaLocation="http://sipsa{PATH}?xsd=1"' in text


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_zeep_with_the_published_interface_reads_every_operation(server: Started, operation: str) -> None:
    service = zeep.Client(str(PUBLISHED)).create_service(BINDING, f"{server.url}{PATH}")
    arguments = [3] if OPERATIONS[operation].takes_number else []
    answer = service[operation](*arguments)
    if operation == "consultarInsumosSipsaMesMadr":
        assert not answer
        return
    fields = dict(OPERATIONS[operation].fields)
    assert answer
    for row in answer:
        assert set(dir(row)) == set(fields)
        assert not [field for field in fields if row[field] is None]


def test_a_request_that_offers_http_2_is_read(server: Started) -> None:
    offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAEAAEAAAAIAAAAB"}
    body = envelope("consultarInsumosSipsaMesMadr", "<arg0>3</arg0>")
    plain, offering = (
        urllib3.request("POST", f"{server.url}{PATH}", body=body, headers=headers)
        for headers in (SOAP12, SOAP12 | offer)
    )
    assert (offering.status, offering.data) == (200, plain.data)
    assert b"consultarInsumosSipsaMesMadrResponse" in plain.data


def test_a_slash_at_the_end_leads_to_no_other_address() -> None:
    for path in (f"{PATH}/", "/health/"):
        assert client().get(path, follow_redirects=False).status_code == 404


def test_zeep_reads_a_fault_that_comes_with_200() -> None:
    with sipsa_server(FAULT_ANSWERS="1", HISTORY_START="2025-07-11") as server:
        service = zeep.Client(str(PUBLISHED)).create_service(BINDING, f"{server.url}{PATH}")
        with pytest.raises(zeep.exceptions.Fault, match="pool exhausted"):
            service.promediosSipsaCiudad()
        assert service.promediosSipsaCiudad()


def test_soap_1_1_is_not_a_media_type_of_it() -> None:
    answer = client().post(PATH, content=b"<x/>", headers={"Content-Type": "text/xml; charset=utf-8"})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        (b"", "Sender", "create SOAP message"),
        (b"<Envelope/>", "VersionMismatch", "Unsupported envelope"),
        (envelope("promediosSipsaPais"), "Sender", "dispatch method"),
        (envelope("promediosSipsaCiudad").replace(b"dane/", b"other/"), "Sender", "dispatch method"),
    ],
)
def test_a_bad_request_is_a_fault_with_200(body: bytes, code: str, reason: str) -> None:
    answer = client().post(PATH, content=body, headers=SOAP12)
    assert (answer.status_code, answer.headers["content-type"]) == (
        200,
        "application/soap+xml; charset=utf-8",
    )
    fault = etree.fromstring(answer.content)
    assert fault.xpath("string(//*[local-name()='Value'])") == f"S:{code}"
    assert reason in fault.xpath("string(//*[local-name()='Text'])")


def test_rows_and_fields_are_unqualified_and_in_the_order_of_the_schema() -> None:
    answer = client().post(PATH, content=envelope("promediosSipsaParcial"), headers=SOAP12)
    first = etree.fromstring(answer.content)[0][0][0]
    assert first.tag == "return"
    assert [field.tag for field in first] == [name for name, _ in OPERATIONS["promediosSipsaParcial"].fields]


def test_a_cut_answer_breaks_off_and_the_next_is_whole() -> None:
    app = client(cut_answers=1)
    with pytest.raises(CutError):
        app.post(PATH, content=envelope("promediosSipsaParcial"), headers=SOAP12)
    assert app.post(PATH, content=envelope("promediosSipsaParcial"), headers=SOAP12).text.endswith(
        "Envelope>"
    )


def test_a_client_sees_a_cut_answer_as_one() -> None:
    with sipsa_server(CUT_ANSWERS="1", HISTORY_START="2025-07-01") as server:
        for headers in (SOAP12, {**SOAP12, "Accept-Encoding": "gzip"}):
            operation = "promediosSipsaParcial" if headers is SOAP12 else "promediosSipsaCiudad"
            with pytest.raises(urllib3.exceptions.ProtocolError):
                urllib3.request("POST", f"{server.url}{PATH}", body=envelope(operation), headers=headers)


def test_slow_answers_wait_as_long_as_asked() -> None:
    slept: list[float] = []
    settings = Settings(history_start=date(2025, 7, 1), first_byte_seconds=5, bytes_per_second=1000)
    app = TestClient(create_app(settings, sleep=slept.append))
    answer = app.post(
        PATH, content=envelope("promediosSipsaCiudad"), headers={**SOAP12, "Accept-Encoding": ""}
    )
    assert slept[0] == 5
    assert sum(slept[1:]) == pytest.approx(len(answer.content) / 1000)


def test_gzip_if_asked_for() -> None:
    app = client()
    plain = app.post(
        PATH, content=envelope("promediosSipsaCiudad"), headers={**SOAP12, "Accept-Encoding": ""}
    )
    assert "content-encoding" not in plain.headers
    asked = {**SOAP12, "Accept-Encoding": "gzip"}
    with app.stream("POST", PATH, content=envelope("promediosSipsaCiudad"), headers=asked) as packed:
        assert gzip.decompress(b"".join(packed.iter_raw())) == plain.content


def test_the_same_history_at_each_start_and_of_any_beginning(quotes: Quotes) -> None:
    for operation in OPERATIONS:
        whole = rows(quotes, operation)
        assert whole == rows(Quotes(), operation)
        dates = [
            name
            for name in ("fechaCaptura", "enmaFecha", "fechaIni", "fechaMesIni")
            if name in str(whole[:1])
        ]
        later = [row for row in whole if row[dates[0]] >= "2025-07"] if whole else []
        assert rows(quotes, operation, start=date(2025, 7, 1)) == later


def test_natural_keys_are_unique(quotes: Quotes) -> None:
    for operation, key in (
        ("promediosSipsaCiudad", ("codProducto", "ciudad", "fechaCaptura")),
        ("promediosSipsaParcial", ("muniId", "fuenId", "futiId", "idArtiSemana", "enmaFecha")),
    ):
        found = rows(quotes, operation)
        assert len({tuple(row[name] for name in key) for row in found}) == len(found) > 3000


def test_the_city_report_has_its_gap_and_its_renamed_city(quotes: Quotes) -> None:
    found = rows(quotes, "promediosSipsaCiudad", start=date(2020, 12, 1))
    days = sorted({date.fromisoformat(row["fechaCaptura"][:10]) for row in found})
    (gap,) = [pair for pair in pairwise(days) if pair[1] - pair[0] > timedelta(days=2)]
    assert gap == (date(2020, 12, 31), date(2022, 2, 1))
    assert all(day.weekday() != 6 for day in days)
    names = {
        (row["ciudad"], row["fechaCaptura"] >= "2022-12-01") for row in found if "CÚCUTA" in row["ciudad"]
    }
    assert names == {("CÚCUTA", False), ("SAN JOSÉ DE CÚCUTA", True)}


def test_a_day_is_public_at_two_in_the_afternoon(quotes: Quotes) -> None:
    for operation, field in (
        ("promediosSipsaCiudad", "fechaCaptura"),
        ("promediosSipsaParcial", "enmaFecha"),
    ):
        before = rows(quotes, operation, NOW.replace(hour=13, minute=59))
        after = rows(quotes, operation, NOW.replace(hour=14))
        assert {row[field][:10] for row in after} - {row[field][:10] for row in before} == {"2025-07-11"}


def test_prices_are_corrected_and_come_late_as_the_clock_moves(quotes: Quotes) -> None:
    tenth = datetime(2025, 7, 10, 15, tzinfo=BOGOTA)

    def known(days: int) -> dict[str, Row]:
        found = rows(quotes, "promediosSipsaCiudad", tenth + timedelta(days=days))
        return {row["regId"]: row for row in found if row["fechaCaptura"] < "2025-07-11"}

    at_first, next_day, at_last = known(0), known(1), known(60)
    assert at_first.keys() < next_day.keys() == at_last.keys()
    changed = [number for number, row in next_day.items() if at_last[number] != row]
    assert 0 < len(changed) < 40
    for number in changed:
        assert Decimal(at_last[number]["precioPromedio"]) < Decimal(next_day[number]["precioPromedio"])
        assert at_last[number]["fechaCreacion"] > next_day[number]["fechaCreacion"]


def test_monthly_reports_come_out_on_their_day(quotes: Quotes) -> None:
    def last(operation: str, now: datetime) -> str:
        return rows(quotes, operation, now, date(2025, 1, 1))[-1]["fechaMesIni"][:10]

    eighth = datetime(2025, 7, 8, 14, tzinfo=BOGOTA)
    assert last("promediosSipsaMesMadr", eighth) == "2025-06-01"
    assert last("promediosSipsaMesMadr", eighth - timedelta(seconds=1)) == "2025-05-01"
    assert last("promedioAbasSipsaMesMadr", eighth) == "2025-05-01"
    assert last("promedioAbasSipsaMesMadr", eighth + timedelta(days=2)) == "2025-06-01"


def test_the_weekly_report_reaches_back_fifty_weeks(quotes: Quotes) -> None:
    found = rows(quotes, "promediosSipsaSemanaMadr", start=date(2020, 1, 1))
    weeks = sorted({row["fechaIni"][:10] for row in found})
    assert (len(weeks), weeks[-1]) == (50, "2025-07-05")


def test_the_clock_runs_as_fast_as_it_is_told() -> None:
    seconds = iter([100.0, 160.0, 220.0])
    clock = Clock(NOW, speed=60, elapsed=lambda: next(seconds))
    assert [clock.now(), clock.now()] == [NOW + timedelta(hours=1), NOW + timedelta(hours=2)]


def test_health_shows_the_clock() -> None:
    assert client(replay_speed=0).get("/health").json() == {
        "status": "OK",
        "now": "2025-07-11T15:00:00-05:00",
    }
