"""The same limits and the same dialling where the source is encrypted."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stepkit.http import Client, Limits
from stepkit.outcomes import OutsideDown
from tests.certificates import authority
from tests.scripted_http import response

LIMITS = Limits(attempts=1, connect_timeout=5, read_timeout=5, answer_timeout=1.5)


@contextmanager
def encrypted(
    folder: Path, say: Callable[[ssl.SSLSocket], None], asked: list[str | None] | None = None
) -> Iterator[int]:
    """Answers one request, and gives the port; `asked` gets the name that the client wants proved."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    if asked is not None:
        context.sni_callback = lambda connection, name, its: asked.append(name)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection = listener.accept()[0]
            try:
                with context.wrap_socket(connection, server_side=True) as stream:
                    stream.recv(65536)
                    say(stream)
            except OSError:  # the client has hung up
                return

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority(tmp_path)))
    for name in ("HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return tmp_path


def test_what_is_dialled_by_address_is_proved_by_name(folder: Path) -> None:
    asked: list[str | None] = []

    def say(stream: ssl.SSLSocket) -> None:
        stream.sendall(response(200, "hello"))

    with encrypted(folder, say, asked) as port:
        assert Client(LIMITS).get(f"https://localhost:{port}/").body == b"hello"
    assert asked == ["localhost"]


def test_an_encrypted_drip_has_the_same_deadline(folder: Path) -> None:
    def drip(stream: ssl.SSLSocket) -> None:
        stream.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
        stream.settimeout(0.05)
        end = time.monotonic() + 6
        while time.monotonic() < end:
            stream.sendall(b".")
            try:
                if not stream.recv(1):
                    return
            except TimeoutError:
                continue

    began = time.monotonic()
    with (
        encrypted(folder, drip) as port,
        pytest.raises(OutsideDown, match=r"did not finish its answer in 1\.5 s"),
    ):
        Client(LIMITS).get(f"https://localhost:{port}/")
    assert time.monotonic() - began < 5
