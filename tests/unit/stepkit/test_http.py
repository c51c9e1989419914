"""The HTTP client against a server that misbehaves in every way it can."""

from __future__ import annotations

import gzip
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from stepkit.http import Client, Limits, retry_after
from stepkit.outcomes import OutsideDown, RefusedInput
from tests.scripted_http import response, serving

FAST = Limits(attempts=3, connect_timeout=1, read_timeout=0.2, answer_timeout=0.5, max_bytes=1000)


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def client(waits: list[float]) -> Client:
    return Client(FAST, sleep=waits.append)


def test_an_answer_comes_with_its_query(client: Client) -> None:
    with serving(response(200, "hello", X_Kind="greeting")) as server:
        answer = client.get(f"{server.url}/data", {"group_number": 3})
    assert (answer.status, answer.body, answer.headers["x-kind"]) == (200, b"hello", "greeting")
    assert server.requests == ["/data?group_number=3"]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_failure_is_tried_again(client: Client, waits: list[float], status: int) -> None:
    with serving(response(status), response(status), response(200, "at last")) as server:
        assert client.get(server.url).body == b"at last"
    assert len(waits) == 2


def test_waits_grow_and_are_random(waits: list[float]) -> None:
    client = Client(Limits(attempts=8, first_wait=1, longest_wait=20), sleep=waits.append)
    with serving(response(503)) as server, pytest.raises(OutsideDown, match="answered 503, 8 times over"):
        client.get(server.url)
    assert len(waits) == 7
    assert all(wait <= min(20, 2.0**attempt) for attempt, wait in enumerate(waits, 1))
    assert len(set(waits)) == 7


@pytest.mark.parametrize("asked", [7, 600])
def test_retry_after_is_obeyed(client: Client, waits: list[float], asked: int) -> None:
    with serving(response(429, Retry_After=str(asked)), response(200)) as server:
        client.get(server.url)
    assert waits == [asked]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ([3600], "answered 503 and asks to wait 3600 s, where 600 s are left to wait"),
        ([400, 300], "answered 503 and asks to wait 300 s, where 200 s are left to wait"),
    ],
)
def test_longer_than_a_step_may_run_it_does_not_wait(
    client: Client, waits: list[float], asked: list[int], sentence: str
) -> None:
    with serving(*(response(503, Retry_After=str(seconds)) for seconds in asked)) as server:
        with pytest.raises(OutsideDown, match=sentence):
            client.get(server.url)
        assert len(server.requests) == len(asked)
    assert waits == asked[:-1]


def test_retry_after_may_be_a_date() -> None:
    moment = datetime.now(UTC) + timedelta(seconds=30)
    assert retry_after(format_datetime(moment, usegmt=True)) == pytest.approx(30, abs=2)
    assert retry_after(format_datetime(moment - timedelta(hours=1), usegmt=True)) == 0
    assert retry_after("soon") is None
    assert retry_after(None) is None


@pytest.mark.parametrize("status", [400, 404, 422])
def test_what_a_refusal_means_is_left_to_the_caller(client: Client, status: int) -> None:
    with serving(response(status, "no")) as server:
        assert client.get(server.url).status == status
        assert len(server.requests) == 1


def test_a_body_cut_off_on_the_way_is_asked_for_again(client: Client) -> None:
    with serving(response(200, "half", length=8), response(200, "complete")) as server:
        assert client.get(server.url).body == b"complete"


def test_a_silent_server_is_down(client: Client) -> None:
    def stay_silent(connection: socket.socket) -> None:
        connection.recv(1)

    with serving(stay_silent) as server, pytest.raises(OutsideDown, match=r"ReadTimeoutError.*3 times over"):
        client.get(server.url)


def test_a_server_that_drips_is_down(client: Client) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(response(200, "", length=1000))
        connection.settimeout(0.05)
        while True:
            connection.sendall(b".")
            try:
                if not connection.recv(1):
                    return
            except TimeoutError:
                continue

    with serving(drip) as server, pytest.raises(OutsideDown, match="did not finish its answer"):
        client.get(server.url)


def test_nobody_there_is_down(client: Client) -> None:
    with serving(b"") as server:
        url = server.url
    with pytest.raises(OutsideDown, match="did not answer"):
        client.get(url)


def test_an_answer_without_end_is_refused(client: Client) -> None:
    with (
        serving(response(200, "x" * 1001)) as server,
        pytest.raises(RefusedInput, match="more than 1000 bytes"),
    ):
        client.get(server.url)


def test_a_compressed_answer_is_measured_unpacked(client: Client) -> None:
    bomb = response(200, gzip.compress(b"x" * 100_000), Content_Encoding="gzip")
    with serving(bomb) as server, pytest.raises(RefusedInput, match="more than 1000 bytes"):
        client.get(server.url)


def test_a_redirect_on_the_same_host_is_followed(client: Client) -> None:
    with serving(response(307, Location="/data/"), response(200, "here")) as server:
        assert client.get(f"{server.url}/data").body == b"here"
        assert server.requests == ["/data", "/data/"]


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest", "http://postgres:5432/", "file:///etc/passwd"]
)
def test_a_redirect_elsewhere_is_refused(client: Client, target: str) -> None:
    with serving(response(302, Location=target)) as server, pytest.raises(RefusedInput, match="another host"):
        client.get(server.url)


def test_a_circle_of_redirects_is_refused(client: Client) -> None:
    with (
        serving(response(302, Location="/")) as server,
        pytest.raises(RefusedInput, match="more than 3 times"),
    ):
        client.get(server.url)


@pytest.mark.parametrize("url", ["ftp://host/file", "api-data", "http://"])
def test_what_is_no_url_is_refused(client: Client, url: str) -> None:
    with pytest.raises(RefusedInput, match="is not a URL"):
        client.get(url)
