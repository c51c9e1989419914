"""A way to a server that ends at a moment that a test chooses."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit


@contextlib.contextmanager
def dying_server(url: str, dead: Callable[[], bool]) -> Iterator[str]:
    """Returns the URL of a server that answers as another does until `dead`; then it refuses connections.

    Args:
        url: the server that answers.
        dead: asked before anything is passed on to it.
    """
    there = urlsplit(url)
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=serve, args=(client,), daemon=True).start()

    def serve(client: socket.socket) -> None:
        with client, socket.create_connection((there.hostname, there.port)) as server:
            threading.Thread(target=_pass_on, args=(server, client), daemon=True).start()
            while received := client.recv(65536):
                if dead():
                    _end(listener)
                    return
                server.sendall(received)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        _end(listener)


def _pass_on(server: socket.socket, client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while received := server.recv(65536):
            client.sendall(received)
        client.shutdown(socket.SHUT_WR)


def _end(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # Wakes the thread that waits in it, which closing does not.
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
