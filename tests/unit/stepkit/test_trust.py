"""Whom a step trusts, and how it ends at a server that it does not."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from socket import create_connection, create_server, socket
from threading import Thread

import mlflow
import psycopg2
import pytest

from stepkit import postgres, tracking, trust
from stepkit.errors import MLFLOW, POSTGRES, S3, Code, DependencyUnavailable, InvalidInput
from stepkit.http import Client, Limits
from stepkit.s3 import ObjectStore
from tests.certificates import DAY, authority
from tests.encrypted_server import encrypted
from tests.scripted_http import response, serving

LIMITS = Limits(attempts=3, connect_timeout=5, read_timeout=5)


def say(stream: ssl.SSLSocket) -> None:
    stream.sendall(response(200, "hello"))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*trust.BUNDLES, "SSL_CERT_DIR", "AWS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def get(port: int, host: str = "localhost") -> bytes:
    return Client(LIMITS, sleep=lambda seconds: None).get(f"https://{host}:{port}/").body


@pytest.mark.parametrize("name", trust.BUNDLES)
def test_the_authorities_that_the_environment_names_are_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, str(authority(tmp_path)))
    with encrypted(tmp_path, say) as server:
        assert get(server.port) == b"hello"


def test_what_all_variables_name_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, variable in (("one", "REQUESTS_CA_BUNDLE"), ("two", "SSL_CERT_FILE")):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(variable, str(authority(tmp_path / name)))
    for name in ("one", "two"):
        with encrypted(tmp_path / name, say) as server:
            assert get(server.port) == b"hello"


def test_a_bundle_that_is_none_is_refused_by_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (tmp_path / "absent.pem", tmp_path / "empty.pem"):
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        with pytest.raises(
            InvalidInput, match=rf"^SSL_CERT_FILE is {path}, which holds no certificate"
        ) as end:
            get(1)
        assert end.value.code == Code.INVALID_SETTING
        (tmp_path / "empty.pem").touch()


def test_a_certificate_that_nobody_vouches_for_ends_at_once_and_is_named(tmp_path: Path) -> None:
    authority(tmp_path)
    with encrypted(tmp_path, say) as server, pytest.raises(InvalidInput) as end:
        get(server.port)
    assert re.fullmatch(
        rf"localhost:{server.port} is refused for its certificate \(subject server of {tmp_path.name}; issuer"
        rf" ca of {tmp_path.name}; from .* GMT; until .* GMT; for DNS:localhost, IP Address:127\.0\.0\.1\):"
        r" unable to get local issuer certificate\. Trusted are the authorities of the system: .*"
        r" SSL_CERT_FILE and REQUESTS_CA_BUNDLE .*global\.caSecret.*",
        str(end.value),
    )
    assert (end.value.code, end.value.service) == (Code.UNTRUSTED_CERTIFICATE, f"localhost:{server.port}")
    assert len(server.names) == 1


def test_a_certificate_that_has_ended_says_when(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority(tmp_path, until=-DAY)))
    with (
        encrypted(tmp_path, say) as server,
        pytest.raises(
            InvalidInput, match=r"until .* GMT.*: certificate has expired\. Whoever runs the server"
        ),
    ):
        get(server.port)


def test_a_certificate_of_another_name_says_of_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority(tmp_path)))
    monkeypatch.setattr("stepkit.connections.addresses_of", lambda host, port: ["127.0.0.1"])
    with (
        encrypted(tmp_path, say) as server,
        pytest.raises(
            InvalidInput, match=r"for DNS:localhost.*not valid for 'other\.example'\. Use an address"
        ),
    ):
        get(server.port, "other.example")


def test_a_port_without_encryption_is_refused() -> None:
    def answer() -> None:
        with listener.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(response(400))

    with create_server(("127.0.0.1", 0)) as listener:
        server = Thread(target=answer)
        server.start()
        with pytest.raises(InvalidInput, match=r"does not speak TLS.*http://") as end:
            get(listener.getsockname()[1])
        server.join()
    assert end.value.code == Code.INVALID_SETTING


def test_a_server_that_hangs_up_is_down_and_says_how() -> None:
    def hang_up(connection: socket) -> None:
        connection.close()

    with (
        serving(hang_up) as server,
        pytest.raises(DependencyUnavailable, match=r"did not answer \(\w+: .+\), 3 times"),
    ):
        Client(LIMITS, sleep=lambda seconds: None).get(server.url)


def tunnel(connection: socket, port: int) -> None:
    """Connects a client of a proxy to a port, whatever host it has asked for."""
    connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    with create_connection(("127.0.0.1", port)) as server:
        back = Thread(target=copy, args=(server, connection))
        back.start()
        copy(connection, server)
        back.join()


def copy(source: socket, target: socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(1)
    except OSError:
        return


def test_a_certificate_is_proved_through_a_proxy_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = authority(tmp_path)
    with encrypted(tmp_path, say) as server, serving(lambda client: tunnel(client, server.port)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "")
        with pytest.raises(InvalidInput, match=r"^localhost:443 is refused.*issuer ca of"):
            get(443)
        assert len(server.names) == 1
        monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
        assert get(443) == b"hello"
    assert set(proxy.requests) == {"localhost:443"}


def test_a_redirect_through_a_tunnel_stays_on_its_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lead_away(stream: ssl.SSLSocket) -> None:
        stream.sendall(response(302, Location="https://10.0.0.1/"))

    monkeypatch.setenv("SSL_CERT_FILE", str(authority(tmp_path)))
    with encrypted(tmp_path, lead_away) as server, serving(lambda it: tunnel(it, server.port)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "")
        with pytest.raises(InvalidInput, match="another host"):
            get(443)
    assert proxy.requests == ["localhost:443"]


@pytest.mark.parametrize(
    ("status", "sentence", "code"),
    [
        (
            407,
            r"wants a login before it asks localhost:443 \(407\): write it into HTTPS_PROXY",
            "INVALID_SETTING",
        ),
        (403, r"refuses to connect to localhost:443 \(403\)", "REQUEST_REFUSED"),
    ],
)
def test_a_proxy_that_refuses_ends_it_at_once(
    monkeypatch: pytest.MonkeyPatch, status: int, sentence: str, code: str
) -> None:
    with serving(response(status)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "")
        with pytest.raises(InvalidInput, match=sentence) as end:
            get(443)
    assert (end.value.code, len(proxy.requests)) == (code, 1)


def test_a_proxy_that_wants_a_login_is_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(response(407)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        with pytest.raises(InvalidInput, match=r"wants a login.*HTTP_PROXY"):
            Client(LIMITS).get("http://source.example/")


def test_s3_that_nobody_vouches_for_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = authority(tmp_path)
    with encrypted(tmp_path, say) as server:
        for name, value in (
            ("AWS_ENDPOINT_URL_S3", f"https://localhost:{server.port}"),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ):
            monkeypatch.setenv(name, value)
        refused = rf"^S3 at localhost:{server.port} is refused for its certificate.*global\.caSecret"
        with pytest.raises(InvalidInput, match=refused) as end:
            ObjectStore().get("s3://data/a")
        assert (end.value.code, end.value.service) == (Code.UNTRUSTED_CERTIFICATE, S3)
        assert len(server.names) == 1
        monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
        assert ObjectStore().get("s3://data/a") == b"hello"


def test_mlflow_that_nobody_vouches_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority(tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with (
        encrypted(tmp_path, say) as server,
        pytest.raises(InvalidInput, match=r"^MLflow is refused for its certificate") as end,
        tracking.errors(),
    ):
        mlflow.MlflowClient(f"https://localhost:{server.port}").get_run("r")
    assert (end.value.code, end.value.service) == (Code.UNTRUSTED_CERTIFICATE, MLFLOW)


@pytest.mark.parametrize(
    "said",
    [
        "SSL error: certificate verify failed",
        'server certificate for "db" does not match host name "db.example"',
        'root certificate file "/etc/postgres-ca/ca.crt" does not exist',
    ],
)
def test_postgres_that_nobody_vouches_for_is_refused(said: str) -> None:
    end = postgres.down(psycopg2.OperationalError(f'connection to server at "db" failed: {said}'))
    assert isinstance(end, InvalidInput)
    assert (end.code, end.service) == (Code.UNTRUSTED_CERTIFICATE, POSTGRES)
    assert said in str(end)
