"""A proxy before Postgres that kills a client at a chosen message of the protocol.

It reads the frontend's messages (PostgreSQL documentation, "Message Formats"): `Q` is a statement and `c` the
end of the data of a COPY. `ReadyForQuery` (`Z`) from the server ends each of them.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Sequence

BOUNDARIES = b"Qc"
READY = b"Z"
COPY_IN = b"G"


class KillingProxy:
    """Accepts one connection and kills its client just before or just after one of its statements.

    Args:
        server: Host and port of the real server.
        kill: Ends the client; called once.
        at: Which statement, from 0; None for none.
        after: Whether the server may finish the statement first; the client never hears of it.
    """

    def __init__(
        self, server: tuple[str, int], kill: Callable[[], None], at: int | None, *, after: bool
    ) -> None:
        self._server, self._kill, self._at, self._after = server, kill, at, after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.statements: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.close()
        self._thread.join(20)

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        backend = socket.create_connection(self._server)
        with client, backend:
            # The first message has no type; psycopg2 may ask for encryption before it sends it.
            while (startup := _receive_untyped(client))[4:8] in _ENCRYPTION_REQUESTS:
                client.sendall(b"N")
            backend.sendall(startup)
            _relay(backend, client)
            while message := _receive(client):
                kind = message[:1]
                if kind in BOUNDARIES:
                    self.statements.append(message)
                    if len(self.statements) - 1 == self._at:
                        if self._after:
                            backend.sendall(message)
                            _relay(backend, None)
                        self._kill()
                        return
                backend.sendall(message)
                if kind in BOUNDARIES:
                    _relay(backend, client)


def moments(statements: Sequence[bytes]) -> list[tuple[int, bool]]:
    """Where to kill a client that changes nothing but Postgres, as `at` and `after` of `KillingProxy`.

    The server has done the same after a statement as before the next one, so that only the last has an after.

    Args:
        statements: what the client sends when nobody kills it.
    """
    return [*((at, False) for at in range(len(statements))), (len(statements) - 1, True)]


_ENCRYPTION_REQUESTS = (struct.pack("!i", 80877103), struct.pack("!i", 80877104))


def _relay(backend: socket.socket, client: socket.socket | None) -> None:
    """Passes the server's messages on until it waits for the client."""
    while message := _receive(backend):
        if client is not None:
            client.sendall(message)
        if message[:1] in (READY, COPY_IN):
            return


def _receive(connection: socket.socket) -> bytes:
    kind = _exactly(connection, 1)
    return kind + _receive_untyped(connection) if kind else b""


def _receive_untyped(connection: socket.socket) -> bytes:
    length = _exactly(connection, 4)
    return length + _exactly(connection, struct.unpack("!i", length)[0] - 4) if length else b""


def _exactly(connection: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        try:
            part = connection.recv(count - len(received))
        except ConnectionResetError:
            return b""
        if not part:
            return b""
        received += part
    return received
