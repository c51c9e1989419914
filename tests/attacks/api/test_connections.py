"""Connections that send without end, take nothing, reset, or that two servers read differently."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import uvicorn

from app import connections, places
from app.connections import Full, Limits, bounded
from app.metrics import RequestCounts
from tests import services
from tests.serving.conftest import Server

MOST_BYTES = 8_000_000
POST = b"POST /predict HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
BODY = b'{"samples": []}'
CHUNKS = b"%x\r\n%s\r\n0\r\n" % (len(BODY), BODY)
HIDDEN = b"GET /metadata HTTP/1.1\r\nHost: x\r\n\r\n"


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), 20)


def flooded(connection: socket.socket, start: bytes, unit: bytes) -> int:
    """How many bytes a client can send before the connection ends, or takes no more for a second."""
    connection.sendall(start)
    connection.settimeout(1)
    sent = 0
    try:
        while sent < MOST_BYTES:
            sent += connection.send(unit)
    except (ConnectionResetError, BrokenPipeError, TimeoutError):
        pass
    return sent


@pytest.mark.parametrize(
    ("start", "unit"),
    [
        (POST + b"X: ", b"x" * 65_536),
        (POST, b"X: y\r\n" * 10_000),
        (POST.replace(b"predict", b""), b"x" * 65_536),
        (CHUNKED + CHUNKS + b"X: ", b"x" * 65_536),
        (CHUNKED + CHUNKS, b"X: y\r\n" * 10_000),
        (CHUNKED + b"1;", b"x" * 65_536),
        (CHUNKED.replace(b"POST /predict", b"GET /health") + CHUNKS + b"X: ", b"x" * 65_536),
    ],
    ids=["header", "headers", "line", "trailer", "trailers", "extension", "trailer of a GET"],
)
def test_a_request_without_end_is_cut_off(server: Server, start: bytes, unit: bytes) -> None:
    with connected(server) as connection:
        assert flooded(connection, start, unit) < MOST_BYTES
    assert server.get("/health").status_code == 200


@pytest.mark.parametrize(("requests", "all_answered"), [(20, True), (1000, False)])
def test_only_so_many_requests_wait_behind_an_answer(
    server: Server, requests: int, all_answered: bool
) -> None:
    last = b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    received = b""
    with connected(server) as connection, contextlib.suppress(ConnectionResetError):
        connection.sendall(HIDDEN * requests + last)
        while part := connection.recv(65_536):
            received += part
    assert (received.count(b"HTTP/1.1 200 OK") == requests + 1) == all_answered
    assert server.get("/health").status_code == 200


def test_clients_that_reset_their_connections_leave_nothing(server: Server) -> None:
    for part in (b"", POST, POST + b"Content-Length: 15\r\n\r\n", CHUNKED + b"f\r\n{", CHUNKED + CHUNKS):
        for _ in range(20):
            with connected(server) as connection:
                connection.sendall(part)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert server.get("/health").status_code == 200

    def is_quiet() -> bool:
        found = Path(f"/proc/{server.pid}/net/tcp")  # of the network that all processes here share
        port = int(server.url.rpartition(":")[2])
        established = [line.split()[1:4] for line in found.read_text().splitlines()[1:]]
        return sum(local.endswith(f":{port:04X}") and state == "01" for local, _, state in established) <= 1

    assert services.wait_until(is_quiet, 15)


@pytest.mark.parametrize(
    "request_",
    [
        POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
        POST + b"Content-Length: 0, %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
        POST + b"Content-Length: +%d\r\n\r\n" % len(HIDDEN) + HIDDEN,
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        CHUNKED + b"0\n\r\n" + HIDDEN,
        CHUNKED + b"-0\r\n\r\n" + HIDDEN,
        CHUNKED + b"10000000000000000\r\n\r\n" + HIDDEN,
        CHUNKED + b"0\r\nContent-Length: 4\r\n\r\n" + HIDDEN,
    ],
)
def test_a_request_that_two_servers_could_read_differently_gets_no_second_answer(
    server: Server, request_: bytes
) -> None:
    found = b""
    with connected(server) as connection:
        connection.sendall(request_)
        while part := connection.recv(65_536):
            found += part
    assert found.startswith(b"HTTP/1.1 400 ")
    assert found.count(b"HTTP/1.1") == 1
    assert b"\r\nconnection: close\r\n" in found


def asked(
    attack: Callable[[list[socket.socket], RequestCounts], None], clients: int, size: int = 10_000_000
) -> RequestCounts:
    """Runs an attack in a thread, on connections to a server that answers each request with so many bytes."""
    counts = RequestCounts()

    async def app(scope: dict[str, object], receive: object, send: Callable[..., object]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[misc]
        await send({"type": "http.response.body", "body": b"x" * size})  # type: ignore[misc]

    async def serve() -> None:
        limits = Limits(50, 20, 20, Full(app, counts), counts)  # type: ignore[arg-type]
        config = uvicorn.Config(
            app,  # type: ignore[arg-type]
            http=bounded(limits),
            loop="uvloop",
            lifespan="off",
            log_config=None,
        )
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve([listening]))
        opened = [socket.create_connection(listening.getsockname(), 20) for _ in range(clients)]
        await asyncio.to_thread(attack, opened, counts)
        for each in opened:
            each.close()
        server.should_exit = True
        await running

    asyncio.run(serve())
    return counts


def test_answers_that_nobody_takes_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_UNTAKEN_BYTES", 25_000_000)

    def attack(opened: list[socket.socket], counts: RequestCounts) -> None:
        for each in opened:
            each.sendall(HIDDEN)
        assert services.wait_until(lambda: counts.dropped["answer"] > 0, 15)

    assert 2 <= asked(attack, 6).dropped["answer"] <= 4


def test_a_head_without_end_behind_an_answer_that_nobody_takes_is_not_read() -> None:
    def attack(opened: list[socket.socket], counts: RequestCounts) -> None:
        opened[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        assert flooded(opened[0], HIDDEN + POST + b"X: ", b"x" * 65_536) < MOST_BYTES

    asked(attack, 1)


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has closed a connection, of which all is read that came before."""
    connection.setblocking(False)
    try:
        while connection.recv(1000):
            pass
    except BlockingIOError:
        return False
    except ConnectionResetError:
        pass
    return True


@pytest.mark.parametrize(
    ("first", "rest_seconds", "answered"),
    [
        (b"", 100, True),
        (HIDDEN[:-1], 100, True),
        (POST + b"Content-Length: 15\r\n\r\n", 100, True),
        (HIDDEN, 0, True),
        (HIDDEN, 100, False),
    ],
    ids=["silent", "half a head", "no body", "resting for long", "resting"],
)
def test_a_newcomer_gets_its_answer_in_place_of_one_that_is_idle(
    monkeypatch: pytest.MonkeyPatch, first: bytes, rest_seconds: int, answered: bool
) -> None:
    monkeypatch.setattr(places, "REST_SECONDS", rest_seconds)
    closed: list[bool] = []

    def attack(opened: list[socket.socket], counts: RequestCounts) -> None:
        address = opened[0].getpeername()
        for each in opened:
            each.sendall(first)
            if first == HIDDEN:
                assert each.recv(1000).startswith(b"HTTP/1.1 200 ")
        for _ in range(10):
            with socket.create_connection(address, 20) as newcomer:
                newcomer.sendall(HIDDEN)
                assert newcomer.recv(12) == (b"HTTP/1.1 200" if answered else b"HTTP/1.1 429")
        closed.extend(is_closed(each) for each in opened)

    dropped = asked(attack, 50, size=10).dropped["bound"]
    assert 1 <= dropped <= 10 if answered else dropped == 0
    assert closed == [True] * dropped + [False] * (50 - dropped)
