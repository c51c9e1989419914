"""Small answers that stand for large trees, in each reader: what they may cost is measured."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bitcoin.market import Market
from crime.soda import Soda
from forest.capture import parse_capture
from sipsa import records
from sipsa.extract import ask
from sipsa.tests.answers import CITY, NAMESPACE, SOAP, city_row
from sipsa.tests.answers import answer as sipsa_answer
from sipsa_ws.operations import PATH
from stepkit.bounded_json import MOST_DEPTH, parse_json
from stepkit.errors import InvalidInput
from stepkit.http import Client, Limits
from tests.scripted_http import Script, response, serving

MIB = 1 << 20


@contextmanager
def at_most(mebibytes: float) -> Iterator[None]:
    """Fails when Python's own memory grows by more; lxml's own is bounded by the bytes of a row."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < mebibytes * MIB, f"{peak / MIB:.0f} MiB"


def packed(body: bytes) -> Script:
    return response(200, gzip.compress(body), Content_Encoding="gzip")


MANY_LISTS = b"[" + b"[]," * (6 * MIB) + b"[]]"
"""18 MB, that pack to 18 kB and were more than 400 MB of lists."""


def rows_of_crimes(url: str) -> Any:
    return list(Soda(url).pages("ijzp-q8t2", ["id"], "id > 0", "id"))


def a_capture(url: str) -> Any:
    from forest import extract

    return parse_capture(extract.ask(Client(extract.LIMITS), url, 3), url)


def bars(url: str) -> Any:
    return Market(url).bars("BTCUSDT", "1h", 0)


@pytest.mark.parametrize("read", [rows_of_crimes, a_capture, bars])
def test_a_tree_out_of_a_small_answer_is_refused_before_it_is_built(read: Callable[[str], Any]) -> None:
    with serving(packed(MANY_LISTS)) as server, at_most(70), pytest.raises(InvalidInput):
        read(server.url)


@pytest.mark.parametrize("read", [rows_of_crimes, a_capture, bars])
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b"[" * 50_000 + b"]" * 50_000,
        b'{"a":' * 900 + b"1" + b"}" * 900,
        b"[" * 40 + b"]" * 40,
        b'[{"id": 1e400}]',
        b'{"serverTime": 1e400, "data": [[1e400]]}',
        b"[NaN, Infinity]",
        b'[{"id": "1", "text": "\\ud800"}]',
        b'[{"id": "1", "text": "\xed\xa0\x80"}]',
        b"[" + b"9" * 5000 + b"]",
        b"\xff\xfe[\x00]\x00",
        b"",
    ],
    ids=["deep", "deep and whole", "objects", "40", "1e400", "1e400s", "NaN", "half", "WTF-8", "digits",
         "UTF-16", "nothing"],
)  # fmt: skip
def test_what_no_json_should_hold_is_refused(read: Callable[[str], Any], body: bytes) -> None:
    with serving(response(200, body)) as server, pytest.raises(InvalidInput):
        read(server.url)


def test_what_json_may_hold_is_read() -> None:
    deep = b"[" * MOST_DEPTH + b"]" * MOST_DEPTH
    assert parse_json(deep, 100) == json.loads(deep)
    with pytest.raises(ValueError, match="deeper than 16 levels"):
        parse_json(b"[" + deep + b"]", 100)
    with pytest.raises(ValueError, match="it holds 4 values, more than 3"):
        parse_json(b"[1,2,[]]", 3)
    assert parse_json('\ufeff{"face": "\\ud83d\\ude00", "n": 1.5e3}'.encode(), 9) == {
        "face": "😀",
        "n": 1500.0,
    }


def enveloped(body: bytes) -> bytes:
    return (
        f'<S:Envelope xmlns:S="{SOAP}"><S:Body><n:{CITY}Response xmlns:n="{NAMESPACE}">'.encode()
        + body
        + f"</n:{CITY}Response></S:Body></S:Envelope>".encode()
    )


ROW = b"<return><ciudad>A</ciudad></return>"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (ROW + b"<a/>" * 2_000_000, "row 2 does not end within"),
        (b"<a/>" * 2_000_000 + ROW, "row 1 does not end within"),
        (b"<return>" + b"<a/>" * 2_000_000 + b"</return>", "row 1 does not end within"),
        (b"<a>" * 2_000_000, "malformed"),
        (b"<return>" * 100, "malformed"),
        ((b"<p>" + ROW + b"</p>") * 1000, "row 2 is in another element"),
        (b"<return>" + ROW + b"</return>", "row 2 is in another element"),
        (b"<return><a>" + b"x" * 8_000_000 + b"</a></return>", "row 1 does not end within"),
    ],
    ids=["behind", "before", "within", "deep", "deep rows", "each in its own", "nested", "one text"],
)
def test_a_tree_beside_the_rows_is_refused(body: bytes, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "answer"
    path.write_bytes(gzip.compress(enveloped(body)))
    assert path.stat().st_size < 30_000
    with at_most(8), pytest.raises(InvalidInput, match=sentence):
        list(records.rows(path, "answer"))


@pytest.mark.parametrize("text", ["&e;", "<!-- - -->&e;"])
def test_an_entity_is_refused(text: str, tmp_path: Path) -> None:
    document = b'<!DOCTYPE a [<!ENTITY e "x">]>' + enveloped(b"<return>" + text.encode() + b"</return>")
    path = tmp_path / "answer"
    path.write_bytes(gzip.compress(document))
    with pytest.raises(InvalidInput, match="row 1 holds an entity"):
        list(records.rows(path, "answer"))


def test_entities_in_attributes_do_not_multiply(tmp_path: Path) -> None:
    entities = b'<!ENTITY e0 "' + b"x" * 1000 + b'">'
    for level in range(1, 8):
        entities += b'<!ENTITY e%d "%s">' % (level, b"&e%d;" % (level - 1) * 10)
    document = b"<!DOCTYPE a [" + entities + b"]>" + enveloped(b'<return a="&e7;"/>')
    path = tmp_path / "answer"
    path.write_bytes(gzip.compress(document))
    with pytest.raises(InvalidInput, match="malformed"):
        list(records.rows(path, "answer"))


def test_whole_answers_are_read_as_before(tmp_path: Path) -> None:
    sent = [city_row(number) for number in range(3000)]
    path = tmp_path / "answer"
    path.write_bytes(gzip.compress(sipsa_answer(sent)))
    assert list(records.rows(path, "answer")) == sent


def described(address: str, imports: str = "") -> str:
    from sipsa_ws.wsdl import wsdl

    return wsdl(address, imports or f"http://127.0.0.1:80{PATH}?xsd=1")


@pytest.mark.parametrize(
    "document",
    [
        described("http://["),
        described(f"http://127.0.0.1:80{PATH}", "http://["),
        described("http://127.0.0.1:99999999/"),
        described("http://127.0.0.1\\@elsewhere/"),
        "<a/>" * 10,
        "<definitions xmlns='http://schemas.xmlsoap.org/wsdl/'>" + "<message/>" * 10 + "</definitions>",
        "<definitions xmlns='http://schemas.xmlsoap.org/wsdl/'><portType name='a'><operation/></portType>"
        "</definitions>",
        "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>",
        "<a>" * 1000 + "</a>" * 1000,
        "x" * (2 * MIB),
    ],
    ids=["address", "schema", "port", "backslash", "fragments", "messages", "operation", "entity", "deep",
         "large"],
)  # fmt: skip
def test_a_broken_interface_is_refused(document: str, tmp_path: Path) -> None:
    from sipsa_ws.wsdl import schema

    client = Client(Limits(attempts=1), sleep=lambda seconds: None)
    with serving(response(200, document), response(200, schema())) as server, pytest.raises(InvalidInput):
        ask(client, f"{server.url}{PATH}?WSDL", CITY, tmp_path / "answer")


def test_an_interface_that_leads_from_schema_to_schema_ends(tmp_path: Path) -> None:
    count = 0

    def another(connection: Any) -> None:
        nonlocal count
        count += 1
        name = NAMESPACE if count == 1 else f"urn:{count}"
        connection.sendall(
            response(
                200,
                f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="{name}">'
                f'<xs:import namespace="urn:{count + 1}" schemaLocation="?xsd={count + 1}"/></xs:schema>',
            )
        )

    document = described(f"http://127.0.0.1:80{PATH}")
    client = Client(Limits(attempts=1), sleep=lambda seconds: None)
    with serving(response(200, document), another) as server:
        with pytest.raises(InvalidInput, match="leads to more than 20 documents"):
            ask(client, f"{server.url}{PATH}?WSDL", CITY, tmp_path / "answer")
        assert len(server.requests) == 20
