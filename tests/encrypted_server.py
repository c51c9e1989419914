"""A server behind TLS that says what a test tells it to."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class EncryptedServer:
    """What clients have asked of it; `names` are those that they want proved, one a handshake."""

    port: int
    names: list[str | None] = field(default_factory=list)


@contextmanager
def encrypted(folder: Path, say: Callable[[ssl.SSLSocket], None]) -> Iterator[EncryptedServer]:
    """Answers each request with the certificate of a folder, as `tests.certificates` makes one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    context.sni_callback = lambda connection, name, its: server.names.append(name)

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection = listener.accept()[0]
                with suppress(OSError), context.wrap_socket(connection, server_side=True) as stream:
                    stream.recv(65536)
                    say(stream)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = EncryptedServer(listener.getsockname()[1])
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
