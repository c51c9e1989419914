"""A source that redirects, drips, repeats and never ends, against the client of the steps."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from socket import socket

import pytest

from stepkit.errors import DependencyUnavailable, InvalidInput
from stepkit.http import Client, Limits
from stepkit.urls import host_of, same_host
from tests.scripted_http import Script, response, serving

LIMITS = Limits(attempts=1, max_bytes=1000)
HURRIED = Limits(attempts=1, read_timeout=5, answer_timeout=0.4, max_bytes=1000)
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"


@pytest.fixture
def client() -> Client:
    return Client(LIMITS, headers={"X-App-Token": "t0ken"})


@pytest.mark.parametrize(
    "location",
    [
        r"http://{other}\@{here}/",
        r"http://{here}\@{other}/",
        "http://{other}/",
        "//{other}/",
        r"/\{other}/",
        r"\\{other}/",
        "http://user:password@{here}/",
        "http://{other}#@{here}/",
        "http://{here}@{other}/",
        "http://{here}\t.elsewhere/",
        "http://{here}/a b",
        "http://[",
        "http://[::1",
        "http://127.0.0.1:99999999/",
        "gopher://{here}/",
    ],
)
def test_a_redirect_goes_nowhere_else_and_takes_no_token_there(client: Client, location: str) -> None:
    with serving(response(200, "secrets")) as other, serving(response(200, "decoy")) as source:
        places = {"other": host_of(other.url), "here": host_of(source.url)}
        source.scripts = [response(302, Location=location.format(**places)), response(200, "decoy")]
        with pytest.raises(InvalidInput, match="redirects to"):
            client.get(source.url)
    assert other.requests == []
    assert len(source.requests) == 1


def test_no_token_goes_along_to_another_origin(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """From http to https at one host is followed; here both are one server, told apart by what it gets."""
    with serving(response(301, Location="/again"), response(200, "there")) as server:
        origins = iter(["http", "https"])
        monkeypatch.setattr("stepkit.http.origin_of", lambda url: next(origins))
        assert client.get(server.url, headers={"Accept-Encoding": "gzip"}).body == b"there"
    assert b"t0ken" in server.received[0]
    assert b"t0ken" not in server.received[1]
    assert b"Accept-Encoding: gzip" in server.received[1]


def test_only_the_change_to_encryption_at_the_usual_ports_is_followed() -> None:
    assert same_host("http://data.example/a", "https://data.example/b") == "https://data.example/b"
    for here, there in (
        ("http://data.example/", "https://data.example:8443/"),
        ("http://data.example:8080/", "https://data.example/"),
        ("https://data.example/", "https://data.example:444/"),
    ):
        with pytest.raises(InvalidInput, match="another port"):
            same_host(here, there)


@pytest.mark.parametrize(
    "url", ["http://[", "http://a\\b/", "http://a/\x00", "http://a b/", "http://a:b/", "//a/", "http://a\n/"]
)
def test_a_setting_that_is_no_url_is_refused(client: Client, url: str) -> None:
    with pytest.raises(InvalidInput, match="is not a URL"):
        client.get(url)


def dripping(first: bytes, pieces: Callable[[], Iterator[bytes]], pause: float = 0.02) -> Script:
    """Sends pieces until the client hangs up, each well within the time-out of a read."""

    def drip(connection: socket) -> None:
        connection.sendall(first)
        connection.settimeout(pause)
        end = time.monotonic() + 4
        for piece in pieces():
            try:
                connection.sendall(piece)
                if time.monotonic() > end or not connection.recv(1):
                    return
            except TimeoutError:
                continue
            except OSError:
                return

    return drip


def forever(piece: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: iter(lambda: piece, None)


EMPTY = gzip.compress(b"", mtime=0)


@pytest.mark.parametrize(
    "script",
    [
        dripping(HEAD + b"X-Long: ", forever(b".")),
        dripping(HEAD, forever(b"X-Header: 1\r\n")),
        dripping(b"", forever(b"HTTP/1.1 100 Continue\r\n\r\n")),
        dripping(CHUNKED, forever(b"14\r\n" + EMPTY + b"\r\n")),
        dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", forever(b"x")),
        dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", forever(b"X-Trailer: 1\r\n")),
    ],
    ids=["a header", "headers", "100 Continue", "empty gzip", "a chunk's extension", "trailers"],
)
def test_an_answer_has_one_deadline_whatever_drips(script: Script) -> None:
    began = time.monotonic()
    with (
        serving(script) as server,
        pytest.raises(DependencyUnavailable, match=r"did not finish its answer in 0\.4 s"),
    ):
        Client(HURRIED).get(server.url)
    assert time.monotonic() - began < 3


def flood(first: bytes, piece: bytes) -> Script:
    def send(connection: socket) -> None:
        connection.settimeout(5)
        try:
            connection.sendall(first)
            for _ in range(200):
                connection.sendall(piece)
        except OSError:
            return

    return send


MANY_EMPTY = EMPTY * 1000


@pytest.mark.parametrize(
    "script",
    [
        flood(CHUNKED, b"%x\r\n%s\r\n" % (len(MANY_EMPTY), MANY_EMPTY)),
        flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    ],
    ids=["empty gzip", "100 Continue"],
)
def test_what_unpacks_to_nothing_is_measured_as_it_comes(script: Script) -> None:
    client = Client(Limits(attempts=1, read_timeout=5, answer_timeout=20, max_bytes=1000))
    with serving(script) as server, pytest.raises(InvalidInput, match="bytes as they come from the network"):
        client.get(server.url)


def test_attempts_come_to_an_end_before_the_step_does() -> None:
    def stay_silent(connection: socket) -> None:
        connection.recv(1)

    limits = Limits(attempts=20, read_timeout=0.1, first_wait=0.01, longest_wait=0.01, longest_trying=0.3)
    with serving(stay_silent) as server:
        with pytest.raises(DependencyUnavailable, match=r"ReadTimeoutError: timed out\), [1-5] times over"):
            Client(limits).get(server.url)
        assert len(server.requests) <= 5


@pytest.mark.parametrize("asked", ["1" + "0" * 20, "9" * 5000, "Fri, 31 Dec " + "9" * 21 + " 23:59:59 GMT"])
def test_a_wait_without_end_is_down(client: Client, asked: str) -> None:
    with (
        serving(response(503, Retry_After=asked)) as server,
        pytest.raises(DependencyUnavailable, match="answered 503"),
    ):
        client.get(server.url)
