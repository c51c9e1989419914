"""A Postgres that proves itself by a private authority, as clients of the release reach it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg2
import pytest

from tests.certificates import authority
from tests.charts.render import decoded, named, render
from tests.services import PostgresServer


def copy(source: socket.socket, target: socket.socket) -> None:
    """Hand on what comes until there is no more."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return authority(tmp_path)


@pytest.fixture
def port(certificate: Path, postgres_server: PostgresServer) -> Iterator[int]:
    """Of the server behind TLS: that of the tests is built without."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.with_name("server.crt"), certificate.with_name("server.key"))

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(postgres_server.address) as server:
            assert client.recv(8)[4:] == b"\x04\xd2\x16\x2f"  # SSLRequest
            client.sendall(b"S")
            with context.wrap_socket(client, server_side=True) as encrypted:
                back = threading.Thread(target=copy, args=(server, encrypted))
                back.start()
                copy(encrypted, server)
                back.join()

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                serve(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, args=(listener,))
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_the_urls_of_the_release_trust_the_authority_of_its_secret_and_no_other(
    port: int, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = render(
        "postgres",
        {
            "global": {
                "secrets": {"existing": {"postgres-superuser": "own"}},
                "postgres": {"caSecret": "authority"},
            },
            "external": {"enabled": True, "host": "127.0.0.1", "port": port, "sslMode": "verify-full"},
            "databases": {"airflow": {"role": "postgres"}},
        },
    )
    url = decoded(named(release, "Secret", "postgres-postgres"))["url"]
    url = url.replace("+psycopg2", "").replace("/airflow?", "/postgres?")
    (container,) = named(release, "Job", "postgres-setup")["spec"]["template"]["spec"]["containers"]
    (name,) = [entry["name"] for entry in container["env"] if entry["value"].startswith("/etc/postgres-ca/")]

    monkeypatch.setenv(name, str(certificate))
    connection = psycopg2.connect(url)
    assert connection.info.ssl_in_use
    connection.close()
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv(name, str(authority(other)))
    with pytest.raises(psycopg2.OperationalError, match="certificate verify failed"):
        psycopg2.connect(url)
