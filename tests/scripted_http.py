"""An HTTP server that says what a test tells it to, well-formed or not."""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from socket import socket

Script = bytes | Callable[[socket], None]


@dataclass
class ScriptedServer:
    """Answers the n-th request with the n-th script; the last one also answers all that follow."""

    scripts: list[Script]
    url: str = ""
    requests: list[str] = field(default_factory=list)
    """Their paths and queries."""
    received: list[bytes] = field(default_factory=list)
    """All of their bytes."""

    def serve(self, connection: socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            if not (received := connection.recv(65536)):
                return
            request += received
        head, _, body = request.partition(b"\r\n\r\n")
        if re.search(rb"(?i)\r\nexpect: 100-continue", head):
            # Without it boto3 waits for a second before it sends its body.
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        while length and len(body) < int(length[1]):
            body += connection.recv(65536)
        self.received.append(head + b"\r\n\r\n" + body)
        self.requests.append(request.split(b" ", 2)[1].decode())
        script = self.scripts[min(len(self.requests), len(self.scripts)) - 1]
        if callable(script):
            script(connection)
        else:
            connection.sendall(script)


@contextmanager
def serving(*scripts: Script) -> Iterator[ScriptedServer]:
    """Runs a server with these answers."""
    state = ScriptedServer(list(scripts))

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            state.serve(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield state
        finally:
            server.shutdown()


def response(status: int, body: bytes | str = b"", length: int | None = None, **headers: str) -> bytes:
    """Returns the bytes of an answer; `length` is what it says of its body, if not the truth."""
    content = body.encode() if isinstance(body, str) else body
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        f"Content-Length: {len(content) if length is None else length}",
        "Connection: close",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content
