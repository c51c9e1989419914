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
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter  # uvloop's clock counts whole milliseconds

import uvloop

_LENGTH = struct.Struct("<I")
_WARM_UP_SECONDS = 0.3


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
        RuntimeError: it failed, or the server closed a connection without an answer.
    """
    output, _ = client.communicate()
    if client.returncode:
        raise RuntimeError("the load generator failed, see above")
    return Load(**json.loads(output))


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
    """Sends a request when the answer to the last one is whole."""

    def __init__(self, client: _Client, first: int) -> None:
        self._client, self._next = client, first
        self._received = b""
        self._transport: asyncio.WriteTransport
        self._sent = 0.0
        self.idle = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # uvloop's is of no class of asyncio's
        self.idle = True
        if not self._client.paced:
            self.send()

    def send(self) -> None:
        """Sends the next request."""
        requests = self._client.requests
        self._next = (self._next + 1) % len(requests)
        self.idle = False
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
        self.idle = True
        if not self._client.paced and not self._client.over:
            self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        """A server that closes a connection in use has failed a request."""
        if not self._client.over:
            self._client.lost += 1


def _is_whole(received: bytes, end: int) -> bool:
    head = received[:end].lower()
    at = head.find(b"content-length:")
    if at >= 0:
        length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        return len(received) >= end + 4 + length
    return received.endswith(b"0\r\n\r\n")


class _Client:
    def __init__(self, requests: list[bytes], paced: bool) -> None:
        self.requests, self.paced = requests, paced
        self.loop = asyncio.get_running_loop()
        self.over = False
        self.counting = False
        self.lost = 0
        self.times: dict[bytes, array[float]] = {}

    def answered(self, status: bytes, sent: float) -> None:
        if self.counting:
            times = self.times.get(status)
            if times is None:
                times = self.times[status] = array("d")
            times.append(perf_counter() - sent)


async def _run(host: str, port: int, many: int, seconds: float, requests: list[bytes], rate: float) -> Load:
    client = _Client(requests, rate > 0)
    gc.disable()
    connections: list[_Connection] = []
    for number in range(many):
        first = number * len(requests) // many
        _, connection = await client.loop.create_connection(lambda: _Connection(client, first), host, port)  # noqa: B023
        connections.append(connection)
    pacing = asyncio.create_task(_pace(client, connections, rate)) if rate else None
    await asyncio.sleep(_WARM_UP_SECONDS)
    client.counting = True
    start = perf_counter()
    await asyncio.sleep(seconds)
    client.counting, client.over = False, True
    took = perf_counter() - start
    if pacing:
        pacing.cancel()
    if client.lost:
        sys.exit(f"{client.lost} connections were closed by the server")
    good = sorted(client.times.get(b"200", ()))
    other = sorted(time for status, times in client.times.items() if status != b"200" for time in times)
    return Load(
        answers=sum(map(len, client.times.values())),
        seconds=took,
        statuses={status.decode(): len(times) for status, times in client.times.items()},
        p50_ms=_share(good, 0.5),
        p99_ms=_share(good, 0.99),
        refused_p99_ms=_share(other, 0.99),
    )


async def _pace(client: _Client, connections: list[_Connection], rate: float) -> None:
    """Sends at the given rate; a request whose connections are all busy is left out."""
    due = perf_counter()
    while True:
        due += 1 / rate
        await asyncio.sleep(max(0, due - perf_counter()))
        connection = next((each for each in connections if each.idle), None)
        if connection:
            connection.send()


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
