"""Requests that offer another protocol, as Java's HTTP client does: answered in this one, whole."""

from __future__ import annotations

import contextlib
import json
import socket

import pytest

from tests.attacks.api.conftest import FEATURES
from tests.serving.conftest import Server

BODY = json.dumps({"samples": [dict.fromkeys(FEATURES, 0.75)]}).encode()
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (40, BODY[:40], len(BODY) - 40, BODY[40:])
HTTP2 = b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\nUpgrade: h2c\r\n"
WEBSOCKET = b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
POST = b"POST /predict HTTP/1.1\r\nHost: x\r\n"
LAST = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
FRAMED = {"a length": LENGTH + b"\r\n" + BODY, "chunks": CHUNKED + b"\r\n" + CHUNKS}


def asked(server: Server, *parts: bytes) -> bytes:
    """What comes until the server closes, of a client that sends some parts one after another."""
    found = b""
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), 20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            connection.sendall(part)
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65_536):
                found += piece
    return found


def usual(server: Server) -> bytes:
    """The body of the answer to the same request without an offer."""
    return server.http.post(f"{server.url}/predict", content=BODY).content


@pytest.mark.parametrize("offer", [HTTP2, WEBSOCKET], ids=["http/2", "websocket"])
@pytest.mark.parametrize("framed", FRAMED)
def test_the_body_of_a_request_with_an_offer_is_read(server: Server, offer: bytes, framed: str) -> None:
    request = POST + offer + FRAMED[framed]
    found = asked(server, request + request, LAST)
    assert found.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert found.count(b"HTTP/1.1 ") == 3
    assert found.count(usual(server)) == 2


@pytest.mark.parametrize("framed", FRAMED)
def test_it_is_read_wherever_the_network_cuts_it(server: Server, framed: str) -> None:
    request = POST + HTTP2 + FRAMED[framed]
    expected = usual(server)
    for size in (1, 7, 170):
        parts = [request[at : at + size] for at in range(0, len(request), size)]
        found = asked(server, *parts, LAST)
        assert found.count(b"HTTP/1.1 200 OK\r\n") == 2, size
        assert expected in found, size


def test_a_client_that_waits_for_100_gets_it_once(server: Server) -> None:
    found = asked(server, POST + HTTP2 + b"Expect: 100-continue\r\n" + FRAMED["a length"], LAST)
    assert found.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert found.count(b"HTTP/1.1 100 ") == 1
    assert found.count(b"HTTP/1.1 ") == 3


@pytest.mark.parametrize(
    "request_",
    [
        POST + HTTP2 + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + LAST,
        POST + HTTP2 + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + LAST,
        POST + HTTP2 + b"Transfer-Encoding:\r\n\r\n" + LAST,
        POST + HTTP2 + b"Content-Length:\r\n\r\n" + LAST,
        POST + HTTP2 + CHUNKED + b"\r\nzz\r\n" + LAST,
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n" + LAST,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + LAST,
    ],
)
def test_an_offer_hides_no_second_request(server: Server, request_: bytes) -> None:
    found = asked(server, request_)
    assert found.startswith(b"HTTP/1.1 400 ")
    assert found.count(b"HTTP/1.1") == 1
