"""At each limit of the client, and what a refusal or an outage says of its place."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import urllib3

from stepkit import http
from stepkit.connections import Budget
from stepkit.errors import Code, DependencyUnavailable, InvalidInput, StepError
from stepkit.http import Answer, Client, Limits, Stream, Unfinished
from stepkit.urls import same_host
from tests.scripted_http import response, serving

FAST = Limits(attempts=3, connect_timeout=1, read_timeout=0.5, answer_timeout=5, max_bytes=1000)


def client(limits: Limits = FAST, waits: list[float] | None = None) -> Client:
    return Client(limits, sleep=([] if waits is None else waits).append)


def place(end: StepError) -> tuple[Any, ...]:
    return end.code, end.file, end.service


def test_an_answer_may_be_as_long_as_the_limit() -> None:
    with serving(response(200, "x" * 1000)) as server:
        assert len(client().get(server.url).body) == 1000
    with serving(response(200, "x" * 1001)) as server, pytest.raises(InvalidInput) as refused:
        client().get(server.url)
    host = server.url.removeprefix("http://")
    assert str(refused.value) == f"{server.url} sent more than 1000 bytes"
    assert place(refused.value) == (Code.UNREADABLE_INPUT, server.url, host)


@pytest.mark.parametrize(("redirects", "followed"), [(3, True), (4, False)])
def test_so_many_redirects_are_followed(redirects: int, followed: bool) -> None:
    hops = [response(302, Location=f"/{at}") for at in range(redirects)]
    with serving(*hops, response(200, "here")) as server:
        if followed:
            assert client().get(server.url).url == f"{server.url}/2"
            return
        with pytest.raises(InvalidInput) as refused:
            client().get(server.url)
    host = server.url.removeprefix("http://")
    assert str(refused.value) == f"{server.url}/3 redirects more than 3 times"
    assert place(refused.value) == (Code.INVALID_SETTING, "", host)


def test_a_redirect_to_nowhere_is_an_answer() -> None:
    with serving(response(302, "moved")) as server:
        answer = client().get(server.url)
    assert (answer.status, answer.body, answer.url) == (302, b"moved", server.url)


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_post_that_would_become_a_get_is_refused(status: int) -> None:
    with serving(response(status, Location="/there")) as server, pytest.raises(InvalidInput) as refused:
        client().post(server.url, b"body")
    host = server.url.removeprefix("http://")
    assert str(refused.value) == (
        f"{server.url} answers a POST with {status} to /there, which would make it a GET: give the final URL"
    )
    assert place(refused.value) == (Code.INVALID_SETTING, "", host)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_get_follows_every_redirect(status: int) -> None:
    with serving(response(status, Location="/there"), response(200, "here")) as server:
        assert client().get(server.url, {"a": 1}).body == b"here"
    assert server.requests == ["/?a=1", "/there"]


@pytest.mark.parametrize("url", ["api-data", "ftp://host/x", "httpx://host"])
def test_what_is_no_url_is_refused_with_its_code(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        client().get(url)
    assert str(refused.value) == f"{url!r} is not a URL: it must begin with http:// or https://"
    assert refused.value.code == Code.INVALID_SETTING


def test_a_url_without_a_host_is_refused_with_its_code() -> None:
    with pytest.raises(InvalidInput, match=r"^'http://' is not a URL: .*host") as refused:
        client().get("http://")
    assert refused.value.code == Code.INVALID_SETTING


def test_a_download_says_whose_answer_it_was(tmp_path: Path) -> None:
    with serving(response(302, Location="/there"), response(200, "a,b", ETag="7")) as server:
        answer = client().download(server.url, tmp_path / "rows", {"a": 1}, {"X-Asked": "yes"})
    assert (answer.url, answer.status, answer.headers["ETag"]) == (f"{server.url}/there", 200, "7")
    assert server.requests == ["/?a=1", "/there"]
    assert all(b"X-Asked: yes\r\n" in received for received in server.received)


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        ("https://a.example/x", "/y", "https://a.example/y"),
        ("http://a.example/x", "https://a.example/y", "https://a.example/y"),
        ("http://a.example:80/x", "y?z", "http://a.example:80/y?z"),
    ],
)
def test_a_redirect_may_lead_elsewhere_on_the_same_host(url: str, location: str, target: str) -> None:
    assert same_host(url, location) == target


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("https://b.example/", "another host: give that URL if it is the right one"),
        ("https://a.example/", "another port: give that URL if it is the right one"),
        ("ftp://a.example/", "another host, or none: it must begin with http:// or https://"),
        ("http://a.example/", "which is not encrypted: a token could be read"),
    ],
)
def test_a_redirect_that_is_not_followed_is_told(location: str, sentence: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        same_host("https://me:secret@a.example:8443/x", location)
    assert str(refused.value).endswith(f" redirects to {location}, {sentence}")
    assert place(refused.value) == (Code.INVALID_SETTING, "", "a.example:8443")


def test_an_outage_names_its_service_and_how_often_it_was_asked() -> None:
    waits: list[float] = []
    with serving(response(503)) as server, pytest.raises(DependencyUnavailable) as down:
        client(waits=waits).get(server.url)
    host = server.url.removeprefix("http://")
    assert str(down.value) == f"{server.url} answered 503, 3 times over"
    assert place(down.value) == (Code.SERVICE_DOWN, "", host)
    assert len(waits) == 2
    asked = response(503, Retry_After="3600")
    with serving(asked) as server, pytest.raises(DependencyUnavailable) as down:
        client().get(server.url)
    assert re.fullmatch(
        rf"{server.url} answered 503 and asks to wait 3600 s, where 600 s are left to wait:"
        r" next try after \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC",
        str(down.value),
    )
    assert down.value.service == server.url.removeprefix("http://")


def test_each_wait_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with serving(response(429, Retry_After="7"), response(200)) as server:
        client().get(server.url)
    assert f"{server.url} answered 429; attempt 2 follows in 7.0 s" in caplog.text


class Slow:
    """A response whose pieces arrive when a test says so."""

    status, headers = 200, {"A": "b"}

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = [*pieces, b""]
        self.sizes: list[int] = []

    def read1(self, size: int) -> bytes:
        self.sizes.append(size)
        return self._pieces.pop(0)


def test_an_answer_may_take_as_long_as_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(http.time, "monotonic", lambda: now[0])
    slow: Any = Slow(b"ab", b"c", b"d")
    stream = Stream("http://there", slow, FAST, Budget(5.5, 1000))
    now[0] = 105.4
    assert stream.read(7) == b"ab"
    now[0] = 105.5
    with pytest.raises(Unfinished) as late:
        stream.read()
    assert str(late.value) == "did not finish its answer in 5.5 s"
    assert slow.sizes == [7, 1 << 16]
    ended: Any = Slow()
    now[0] = 100.0
    stream = Stream("http://there", ended, FAST, Budget(5.5, 1000))
    now[0] = 200.0
    assert stream.whole() == Answer("http://there", 200, {"A": "b"}, b"")


def test_an_answer_that_breaks_off_says_after_how_many_bytes() -> None:
    slow: Any = Slow(b"ab", b"c")
    stream = Stream("http://there", slow, FAST, Budget(60, 1000))
    assert (stream.read(), stream.read()) == (b"ab", b"c")

    def fail(size: int) -> bytes:
        raise urllib3.exceptions.ProtocolError("gone")

    slow.read1 = fail
    with pytest.raises(Unfinished, match=r"^broke off after 3 bytes \(ProtocolError\)$"):
        stream.read()


def test_the_limits_are_those_of_the_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []
    monkeypatch.setattr(http, "Pools", lambda budget, **settings: made.append(settings))
    Client()
    Client(replace(FAST, read_timeout=0.25))
    assert [each["retries"] for each in made] == [False, False]
    timeouts = [(each["timeout"].connect_timeout, each["timeout"].read_timeout) for each in made]
    assert timeouts == [(5.0, 30.0), (1, 0.25)]
