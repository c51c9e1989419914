"""What others notice of an attack on our API: `python -m bench.serving.attacks [SECONDS]`.

Each attack has an API of its own. Its health is asked for and its forest predicts a row all the while,
each time over a new connection. The table gives the times of these answers beside those without an attack,
and the most memory that the process took.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from bench.serving.contest import megabytes, started
from bench.serving.models import trained
from bench.serving.servers import QUINTET, SERVERS

SECONDS = 10.0
PAUSE_SECONDS = 0.02
PATIENCE_SECONDS = 30
REST = "none"

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HEAD = b"POST /predict HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
EMPTY_ROWS = json.dumps({"samples": [{}] * 1000}).encode()


async def _endless_line(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /health HTTP/1.1\r\nx: ")
    while True:
        writer.write(b"a" * 65_536)
        await writer.drain()


async def _dripping_head(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /health HTTP/1.1\r\n")
    while True:
        writer.write(b"x: 1\r\n")
        await writer.drain()
        await asyncio.sleep(1)


async def _stalled_body(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD % 1_000_000 + b" " * 999_999)
    await writer.drain()
    await reader.read()


async def _silence(port: int) -> None:
    reader, _ = await asyncio.open_connection("127.0.0.1", port)
    await reader.read()


async def _one_question(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /health HTTP/1.1\r\nHost: api\r\n\r\n")
    await reader.read()


async def _empty_rows(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        writer.write(HEAD % len(EMPTY_ROWS) + EMPTY_ROWS)
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
        await reader.readexactly(int(length))


async def _answers_not_taken(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: api\r\n\r\n" * 100)
        await writer.drain()


ATTACKS: dict[str, tuple[Callable[[int], Awaitable[None]], int]] = {
    "header lines without end": (_endless_line, 16),
    "heads a line a second": (_dripping_head, 500),
    "bodies of 1 MB that stall": (_stalled_body, 1000),
    "silent connections": (_silence, 2000),
    "connections that ask once": (_one_question, 2000),
    "1,000 empty rows a request": (_empty_rows, 4),
    "answers that nobody takes": (_answers_not_taken, 100),
}
"""What each of some connections does, opened again whenever it is closed; and how many there are."""


async def _attack(name: str, port: int) -> None:
    attack, connections = ATTACKS[name]

    async def again() -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError, ValueError):
                await attack(port)
            await asyncio.sleep(0.05)

    await asyncio.gather(*(again() for _ in range(connections)))


class _Asking:
    """Somebody who asks on, each time over a new connection."""

    def __init__(self, port: int, path: str, body: bytes | None) -> None:
        self.seconds: list[float] = []
        self.refused = 0
        self._request = port, path, body
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        port, path, body = self._request
        while not self._stop.wait(PAUSE_SECONDS):
            connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
            begun = time.perf_counter()
            try:
                headers = {"Content-Type": "application/json"} if body else {}
                connection.request("POST" if body else "GET", path, body, headers)
                answer = connection.getresponse()
                answer.read()
                self.refused += answer.status != 200
            except (OSError, HTTPException):
                self.refused += 1
            finally:
                connection.close()
            self.seconds.append(time.perf_counter() - begun)

    def end(self) -> str:
        """Stops asking, and returns how long answers took and how many were refused."""
        self._stop.set()
        self._thread.join()
        times = sorted(self.seconds)
        p50, p99 = (times[int(share * (len(times) - 1))] * 1000 for share in (0.5, 0.99))
        return f"{p50:8.1f} {p99:8.1f} {self.refused:4} of {len(times):5}"


def _measured(name: str, seconds: float) -> str:
    """Returns a line of the table."""
    model = trained()[0]
    server = next(server for server in SERVERS if server.name == QUINTET)
    with (
        tempfile.TemporaryDirectory(prefix="quintet-bench-") as folder,
        started(server, model, Path(folder)) as running,
    ):
        command = [sys.executable, "-m", "bench.serving.attacks", name, str(running.port)]
        attacker = None if name == REST else subprocess.Popen(command)
        body = json.dumps(server.body(model.samples[:1])).encode()
        others = [_Asking(running.port, "/health", None), _Asking(running.port, server.address, body)]
        most, until = 0.0, time.monotonic() + seconds
        try:
            while time.monotonic() < until:
                most = max(most, megabytes(running.pid))
                time.sleep(0.2)
        finally:
            told = [each.end() for each in others]
            if attacker:
                attacker.kill()
                attacker.wait()
    return f"{name:28} {told[0]}   {told[1]} {most:6.0f}"


def main() -> None:
    """Prints the table; with the name of an attack and a port, is the attacker."""
    if len(sys.argv) == 3:
        asyncio.run(_attack(sys.argv[1], int(sys.argv[2])))
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    asked = f"{'p50 ms':>8} {'p99 ms':>8} {'refused':>13}"
    print(f"{'attack':28} {'/health':>31}   {'/predict, one row':>31}\n{'':28} {asked}   {asked} {'MB':>6}")
    for name in (REST, *ATTACKS):
        print(_measured(name, seconds), flush=True)


if __name__ == "__main__":
    main()
