"""Connections: bounded in number, and dropped when their clients stall."""

import asyncio
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest
import uvicorn

from app import connections
from app.connections import MAX_HEAD_BYTES, SPARE_CONNECTIONS, Full, Limits, allow_open_files, bounded
from app.metrics import RequestCounts
from tests import services
from tests.serving.conftest import Server
from tests.serving.registry_server import Registry

METADATA = b"GET /metadata HTTP/1.1\r\nHost: x\r\n\r\n"
HEALTH = METADATA.replace(b"metadata", b"health")
BOUND = 8
Connect = Callable[[Server], socket.socket]


@pytest.fixture
def connect() -> Iterator[Connect]:
    with ExitStack() as opened:

        def one(server: Server) -> socket.socket:
            address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
            return opened.enter_context(socket.create_connection(address, 15))

        yield one


def answer(connection: socket.socket, request: bytes) -> bytes:
    """The whole answer, whose length its head says; empty where the connection ends before."""
    connection.sendall(request)
    head, body, length = b"", b"", 0
    while not head or len(body) < length:
        if not (part := connection.recv(65_536)):
            return b""
        head, end, body = (head + body + part).partition(b"\r\n\r\n")
        head += end
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    return head + body


def sent(connection: socket.socket, whole: bytes, part: bytes) -> socket.socket:
    """A connection on which a request has been answered, and something was sent after it."""
    assert not whole or answer(connection, whole).startswith(b"HTTP/1.1 200 ")
    connection.sendall(part)
    return connection


def rest(connection: socket.socket) -> bytes:
    """What comes before the other side closes."""
    found = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65_536):
            found += part
    return found


def dripped(connection: socket.socket, start: bytes) -> bytes:
    """What comes to a client that sends a byte now and then, for as long as it may."""
    connection.settimeout(0.05)
    found = b""
    with suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(start)
        while True:
            with suppress(TimeoutError):
                part = connection.recv(65_536)
                if not part:
                    break
                found += part
            connection.sendall(b"x")
    return found


def dropped(server: Server) -> dict[str, float]:
    lines = server.http.get(f"{server.admin_url}/metrics").text.splitlines()
    counts = [line for line in lines if line.startswith("inference_connections_dropped_total")]
    return {line.split('"')[1]: float(line.split()[-1]) for line in counts}


def test_beyond_the_bound_who_never_asked_gives_way_and_else_probes_alone_are_answered(
    registry: Registry, start: Callable[..., Server], connect: Connect
) -> None:
    server = start(registry.url, MAX_CONNECTIONS=str(BOUND))
    parts = (
        b"",
        METADATA[:5],
        METADATA[:-1],
        METADATA.replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\n"),
    )
    silent = [sent(connect(server), b"", part) for part in parts * BOUND]
    opened = [connect(server)]
    while answer(opened[-1], METADATA).startswith(b"HTTP/1.1 200 "):
        opened.append(connect(server))
    assert BOUND - 1 <= len(opened) - 1 <= BOUND
    assert dropped(server)["bound"] >= len(silent) - 1
    refused = answer(connect(server), METADATA)
    assert refused.startswith(b"HTTP/1.1 429 ")
    assert b"\r\nretry-after: 1\r\nconnection: close\r\n" in refused
    assert rest(opened.pop()) == b""
    healthy = answer(connect(server), HEALTH)
    assert healthy.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in healthy
    assert all(answer(each, METADATA).startswith(b"HTTP/1.1 200 ") for each in opened)

    beyond = [connect(server) for _ in range(SPARE_CONNECTIONS + 20)]
    healthy = answer(connect(server), HEALTH)
    assert healthy.startswith(b"HTTP/1.1 200 ")
    assert dropped(server)["bound"] > len(silent)
    assert all(answer(each, METADATA).startswith(b"HTTP/1.1 200 ") for each in opened)
    for each in [*beyond, opened.pop()]:
        each.close()
    assert services.wait_until(lambda: answer(connect(server), METADATA).startswith(b"HTTP/1.1 200 "), 15)


def test_a_client_that_stalls_is_dropped_and_one_that_rests_is_not(
    registry: Registry, start: Callable[..., Server], connect: Connect
) -> None:
    server = start(registry.url, HEAD_SECONDS="1", BODY_SECONDS="0.2")
    resting, silent, half, blank, later, pipelined, large = [
        sent(connect(server), whole, part)
        for whole, part in (
            *(
                (METADATA, b""),
                (b"", b""),
                (b"", METADATA[:-4]),
                (METADATA, b"\r\n"),
                (METADATA, METADATA[:5]),
            ),
            (b"", METADATA + METADATA[:-4]),
            (b"", (METADATA[:-2] + b"X: ").ljust(MAX_HEAD_BYTES + 1, b"x")),
        )
    ]
    late = b"HTTP/1.1 408 Request Timeout\r\n"
    assert dripped(connect(server), METADATA[:-2] + b"X: ").startswith(late)
    assert b" 200 OK" in dripped(connect(server), HEALTH[:-2] + b"Content-Length: 100\r\n\r\n")
    for each in (half, blank, later):
        assert rest(each).startswith(late)
    assert rest(silent) == b""
    both = rest(pipelined)
    assert both.startswith(b"HTTP/1.1 200 ")
    assert late in both
    assert rest(large).startswith(b"HTTP/1.1 431 ")
    assert answer(resting, METADATA).startswith(b"HTTP/1.1 200 ")
    assert dropped(server) == {"head": 7.0, "body": 1.0}


@pytest.mark.parametrize("header", [b"", b"Connection: close\r\n"], ids=["kept alive", "to be closed"])
def test_a_client_that_does_not_take_its_answer_is_dropped(
    monkeypatch: pytest.MonkeyPatch, header: bytes
) -> None:
    monkeypatch.setattr(connections, "ANSWER_SECONDS", 0.2)
    counts = RequestCounts()

    async def app(scope: dict[str, object], receive: object, send: Callable[..., object]) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[misc]
            await send({"type": "http.response.body", "body": b"x" * 50_000_000})  # type: ignore[misc]

    async def serve() -> None:
        limits = Limits(10, 5, 5, Full(app, counts), counts)  # type: ignore[arg-type]
        config = uvicorn.Config(
            app, port=0, http=bounded(limits), loop="uvloop", lifespan="off", log_config=None
        )  # type: ignore[arg-type]
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve([listening]))
        with socket.create_connection(listening.getsockname()) as client:
            client.sendall(METADATA[:-2] + header + b"\r\n")
            async with asyncio.timeout(15):
                while not counts.dropped:
                    await asyncio.sleep(0.01)
                while server.server_state.connections:
                    await asyncio.sleep(0.01)
        server.should_exit = True
        await running

    asyncio.run(serve())
    assert counts.dropped == {"answer": 1}


@pytest.mark.parametrize(
    ("limit", "allowed"),
    [((1024, 524_288), (2400, 524_288)), ((4096, 524_288), None), ((1024, -1), (2400, -1)), ((-1, -1), None)],
)
def test_as_many_files_may_be_open_as_connections_need(
    monkeypatch: pytest.MonkeyPatch, limit: tuple[int, int], allowed: tuple[int, int] | None
) -> None:
    found: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda kind: limit)
    monkeypatch.setattr(resource, "setrlimit", lambda kind, value: found.append((kind, value)))
    allow_open_files(2000)
    assert found == ([(resource.RLIMIT_NOFILE, allowed)] if allowed else [])


def test_more_connections_than_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1024, 2399))
    with pytest.raises(
        ValueError, match=r"takes 2400 open files.* 2399: set MAX_CONNECTIONS to at most 1999"
    ):
        allow_open_files(2000)
