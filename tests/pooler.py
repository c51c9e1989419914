"""A server before Postgres that refuses at the start of a session what PgBouncer refuses there."""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socket import create_connection, socket
from urllib.parse import urlsplit

_ENCRYPTION_REQUESTS = (struct.pack("!i", 80877103), struct.pack("!i", 80877104))
_REFUSAL = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"


@contextmanager
def pooler(url: str) -> Iterator[str]:
    """Runs the server, and gives the URL that leads through it to the database of another."""
    address = urlsplit(url)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            client: socket = self.request
            while (startup := _startup(client))[4:8] in _ENCRYPTION_REQUESTS:
                client.sendall(b"N")
            if b"options" in startup[8:].split(b"\0")[::2]:
                client.sendall(b"E" + struct.pack("!i", len(_REFUSAL) + 4) + _REFUSAL)
                return
            with create_connection((str(address.hostname), address.port or 5432)) as backend:
                backend.sendall(startup)
                threading.Thread(target=_pass_on, args=(backend, client), daemon=True).start()
                _pass_on(client, backend)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        login, at, _ = address.netloc.rpartition("@")
        try:
            yield address._replace(netloc=f"{login}{at}127.0.0.1:{server.server_address[1]}").geturl()
        finally:
            server.shutdown()


def _startup(client: socket) -> bytes:
    received = client.recv(4)
    while len(received) < struct.unpack("!i", received[:4])[0]:
        received += client.recv(4096)
    return received


def _pass_on(source: socket, target: socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
