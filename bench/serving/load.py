"""A client with some connections, each of which sends its next request when it has its answer.

    python -m bench.serving.load HOST PORT CONNECTIONS SECONDS REQUESTS [EACH_SECOND]

A process of its own, without an HTTP library: a request costs it some 10 microseconds. REQUESTS is a file of
whole requests, written by `write_requests`; they are sent in turn. With EACH_SECOND the connections send that
many in all, evenly. Prints what `Load` holds as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import struct
import subprocess
import sys
from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter  # uvloop's clock counts whole milliseconds

import uvloop

_LENGTH = struct.Struct("<I")
_WARM_UP_SECONDS = 0.3
_RECONNECT_SECONDS = 0.1
_FAREWELL = b"connection: close"


@dataclass(frozen=True)
class Load:
    """What came back in a time of load."""

    answers: int
    seconds: float
    statuses: dict[str, int]
    """How many answers of each status."""
    p50_ms: float
    p99_ms: float
    refused_p99_ms: float
    """Of answers with another status than 200."""
    lost: int
    """Requests whose connection ended before their answer, or could not be opened."""
    left_out: int
    """Requests at a given rate that were not sent, since every connection waited for an answer."""

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.statuses.get("200", 0) / self.seconds


def start(
    port: int, connections: int, seconds: float, requests: Path, each_second: float = 0
) -> subprocess.Popen[bytes]:
    """Starts a client; `finish` waits for what it has to say."""
    words = ["127.0.0.1", port, connections, seconds, requests, each_second]
    command = [sys.executable, "-m", "bench.serving.load", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def finish(client: subprocess.Popen[bytes]) -> Load:
    """Waits for a client and gives its result.

    Raises:
        RuntimeError: it failed, or a request was lost.
    """
    output, _ = client.communicate()
    if client.returncode:
        raise RuntimeError("the load generator failed, see above")
    load = Load(**json.loads(output))
    if load.lost:
        raise RuntimeError(f"{load.lost} requests got no answer")
    return load


def write_requests(path: Path, address: str, bodies: Sequence[bytes], headers: str = "") -> None:
    """Writes whole requests to a file.

    Args:
        path: the file.
        address: path and query of the URL.
        bodies: JSON.
        headers: more header lines, each with its line end.
    """
    with path.open("wb") as file:
        for body in bodies:
            head = (
                f"POST {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                f"{headers}Content-Length: {len(body)}\r\n\r\n"
            ).encode()
            file.write(_LENGTH.pack(len(head) + len(body)) + head + body)


class _Connection(asyncio.Protocol):
    """Sends a request when the last answer is whole, and opens again when the server takes leave."""

    def __init__(self, client: _Client, first: int) -> None:
        self._client, self._next = client, first
        self._received = b""
        self._transport: asyncio.WriteTransport
        self._sent = 0.0
        self._waits = False
        self.idle = False

    async def open(self) -> None:
        """Connects; one that is refused has lost a request and tries again a little later."""
        while not self._client.over:
            try:
                await self._client.loop.create_connection(lambda: self, *self._client.address)
                return
            except OSError:
                self._client.lost += 1
                await asyncio.sleep(_RECONNECT_SECONDS)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # uvloop's is of no class of asyncio's
        self._go_on()

    def _go_on(self) -> None:
        if self._client.paced:
            self.idle = True
            self._client.idle.append(self)
        elif not self._client.over:
            self.send()

    def send(self) -> None:
        """Sends the next request."""
        requests = self._client.requests
        self._next = (self._next + 1) % len(requests)
        self.idle, self._waits = False, True
        self._sent = perf_counter()
        self._transport.write(requests[self._next])

    def data_received(self, data: bytes) -> None:
        """Notes the answer once it is whole."""
        self._received = received = self._received + data if self._received else data
        end = received.find(b"\r\n\r\n")
        if end < 0 or not _is_whole(received, end):
            return
        self._client.answered(received[9:12], self._sent)
        self._received = b""
        self._waits = False
        if received.find(_FAREWELL, 0, end) >= 0:
            self._transport.close()
        else:
            self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """A server that ends a connection in use has lost a request; one that takes leave has not."""
        self.idle = False
        if not self._client.over:
            self._client.lost += self._waits
            self._received, self._waits = b"", False
            self._client.opening.append(asyncio.ensure_future(self.open()))


def _is_whole(received: bytes, end: int) -> bool:
    head = received[:end].lower()
    at = head.find(b"content-length:")
    if at >= 0:
        length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        return len(received) >= end + 4 + length
    return received.endswith(b"0\r\n\r\n")


class _Client:
    def __init__(self, address: tuple[str, int], requests: list[bytes], paced: bool) -> None:
        self.address, self.requests, self.paced = address, requests, paced
        self.loop = asyncio.get_running_loop()
        self.opening: list[asyncio.Future[None]] = []
        self.idle: deque[_Connection] = deque()
        self.over = False
        self.counting = False
        self.lost = self.left_out = 0
        self.times: dict[bytes, array[float]] = {}

    def answered(self, status: bytes, sent: float) -> None:
        if self.counting:
            times = self.times.get(status)
            if times is None:
                times = self.times[status] = array("d")
            times.append(perf_counter() - sent)


async def _run(host: str, port: int, many: int, seconds: float, requests: list[bytes], rate: float) -> Load:
    client = _Client((host, port), requests, rate > 0)
    gc.disable()
    connections = [_Connection(client, number * len(requests) // many) for number in range(many)]
    for connection in connections:
        await connection.open()
    pacing = asyncio.create_task(_pace(client, rate)) if rate else None
    await asyncio.sleep(_WARM_UP_SECONDS)
    client.counting = True
    start = perf_counter()
    await asyncio.sleep(seconds)
    client.counting, client.over = False, True
    took = perf_counter() - start
    if pacing:
        pacing.cancel()
    good = sorted(client.times.get(b"200", ()))
    other = sorted(time for status, times in client.times.items() if status != b"200" for time in times)
    return Load(
        answers=sum(map(len, client.times.values())),
        seconds=took,
        statuses={status.decode(): len(times) for status, times in client.times.items()},
        p50_ms=_share(good, 0.5),
        p99_ms=_share(good, 0.99),
        refused_p99_ms=_share(other, 0.99),
        lost=client.lost,
        left_out=client.left_out,
    )


async def _pace(client: _Client, rate: float) -> None:
    """Sends at the given rate, by the connection that is idle longest; with none, a request is left out."""
    due = perf_counter()
    while True:
        due += 1 / rate
        await asyncio.sleep(max(0, due - perf_counter()))
        connection = next((each for each in _popped(client.idle) if each.idle), None)
        if connection:
            connection.send()
        else:
            client.left_out += 1


def _popped(connections: deque[_Connection]) -> Iterator[_Connection]:
    while connections:
        yield connections.popleft()


def _share(times: list[float], share: float) -> float:
    return times[min(len(times) - 1, int(share * len(times)))] * 1000 if times else 0.0


def _read_requests(path: Path) -> list[bytes]:
    content, at, requests = path.read_bytes(), 0, []
    while at < len(content):
        (length,) = _LENGTH.unpack_from(content, at)
        requests.append(content[at + 4 : at + 4 + length])
        at += 4 + length
    return requests


def main() -> None:
    """Sends and prints."""
    host, port, many, seconds, path, rate = sys.argv[1:]
    load = uvloop.run(
        _run(host, int(port), int(many), float(seconds), _read_requests(Path(path)), float(rate))
    )
    print(json.dumps(asdict(load)))


if __name__ == "__main__":
    main()
