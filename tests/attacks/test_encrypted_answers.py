"""The same limits and the same dialling where the source is encrypted."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

import pytest

from stepkit.errors import DependencyUnavailable
from stepkit.http import Client, Limits
from tests.certificates import authority
from tests.encrypted_server import encrypted
from tests.scripted_http import response

LIMITS = Limits(attempts=1, connect_timeout=5, read_timeout=5, answer_timeout=1.5)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority(tmp_path)))
    for name in ("HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return tmp_path


def test_what_is_dialled_by_address_is_proved_by_name(folder: Path) -> None:
    def say(stream: ssl.SSLSocket) -> None:
        stream.sendall(response(200, "hello"))

    with encrypted(folder, say) as server:
        assert Client(LIMITS).get(f"https://localhost:{server.port}/").body == b"hello"
    assert server.names == ["localhost"]


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
        encrypted(folder, drip) as server,
        pytest.raises(DependencyUnavailable, match=r"did not finish its answer in 1\.5 s"),
    ):
        Client(LIMITS).get(f"https://localhost:{server.port}/")
    assert time.monotonic() - began < 5
