"""The HTTP client against a server that misbehaves in every way it can."""

from __future__ import annotations

import gzip
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from stepkit.errors import DependencyUnavailable, InvalidInput
from stepkit.http import Client, Limits, Stream, Unfinished
from stepkit.proxies import proxy_of
from stepkit.rate_limits import retry_after
from stepkit.urls import same_host
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
    with (
        serving(response(503)) as server,
        pytest.raises(DependencyUnavailable, match="answered 503, 8 times over"),
    ):
        client.get(server.url)
    assert len(waits) == 7
    assert all(wait <= min(20, 2.0**attempt) for attempt, wait in enumerate(waits))
    assert len(set(waits)) == 7


def test_each_wait_may_be_as_long_as_its_limit(waits: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    client = Client(Limits(attempts=5, first_wait=5, longest_wait=30), sleep=waits.append)
    with serving(response(503)) as server, pytest.raises(DependencyUnavailable):
        client.get(server.url)
    assert waits == [5, 10, 20, 30]


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
        with pytest.raises(DependencyUnavailable, match=sentence):
            client.get(server.url)
        assert len(server.requests) == len(asked)
    assert waits == asked[:-1]


def test_retry_after_may_be_a_date() -> None:
    moment = datetime.now(UTC) + timedelta(seconds=30)
    assert retry_after(format_datetime(moment, usegmt=True)) == pytest.approx(30, abs=2)
    assert retry_after(format_datetime(moment - timedelta(hours=1), usegmt=True)) == 0
    assert retry_after("Fri, 31 Dec 9999 23:59:59 GMT") > 200_000_000_000


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "soon",
        "-5",
        "1.5",
        "\N{SUPERSCRIPT TWO}",
        "\N{ARABIC-INDIC DIGIT FIVE}",
        "Fri, 31 Dec 99999 23:59:59 GMT",
        "Fri, 31 Dec 99999999999999999999 23:59:59 GMT",
        "Fri, 31 Dec 2026 23:59:59 +99999999999999999999",
        "Fri, 31 Dec 2026 23:59:5\N{SUPERSCRIPT TWO} GMT",
        "Fri, 3\N{SUPERSCRIPT TWO} Dec 2026 23:59:59 GMT",
        "0001-01-01",
    ],
)
def test_a_retry_after_that_says_nothing_is_none(
    client: Client, waits: list[float], header: str | None
) -> None:
    assert retry_after(header) is None
    sent = {} if header is None else {"Retry_After": header.replace("\N{ARABIC-INDIC DIGIT FIVE}", "\xb2")}
    with serving(response(503, **sent), response(200, "at last")) as server:
        assert client.get(server.url).body == b"at last"
    assert waits[0] <= FAST.first_wait


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

    with (
        serving(stay_silent) as server,
        pytest.raises(DependencyUnavailable, match=r"ReadTimeoutError.*3 times over"),
    ):
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

    with serving(drip) as server, pytest.raises(DependencyUnavailable, match="did not finish its answer"):
        client.get(server.url)


def test_nobody_there_is_down(client: Client) -> None:
    with serving(b"") as server:
        url = server.url
    with pytest.raises(DependencyUnavailable, match="did not answer"):
        client.get(url)


def test_an_answer_without_end_is_refused(client: Client) -> None:
    with (
        serving(response(200, "x" * 1001)) as server,
        pytest.raises(InvalidInput, match="more than 1000 bytes"),
    ):
        client.get(server.url)


def test_a_compressed_answer_is_measured_unpacked(client: Client) -> None:
    bomb = response(200, gzip.compress(b"x" * 100_000), Content_Encoding="gzip")
    with serving(bomb) as server, pytest.raises(InvalidInput, match="more than 1000 bytes"):
        client.get(server.url)


def test_a_redirect_on_the_same_host_is_followed(client: Client) -> None:
    with serving(response(307, Location="/data/"), response(200, "here")) as server:
        assert client.get(f"{server.url}/data").body == b"here"
        assert server.requests == ["/data", "/data/"]


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest", "http://postgres:5432/", "file:///etc/passwd"]
)
def test_a_redirect_elsewhere_is_refused(client: Client, target: str) -> None:
    with serving(response(302, Location=target)) as server, pytest.raises(InvalidInput, match="another host"):
        client.get(server.url)


def test_a_circle_of_redirects_is_refused(client: Client) -> None:
    with (
        serving(response(302, Location="/")) as server,
        pytest.raises(InvalidInput, match="more than 3 times"),
    ):
        client.get(server.url)


@pytest.mark.parametrize("url", ["ftp://host/file", "api-data", "http://"])
def test_what_is_no_url_is_refused(client: Client, url: str) -> None:
    with pytest.raises(InvalidInput, match="is not a URL"):
        client.get(url)


def test_a_redirect_to_where_a_token_could_be_read_is_refused() -> None:
    with pytest.raises(InvalidInput, match="not encrypted"):
        same_host("https://data.example/resource", "http://data.example/resource")


def test_headers_of_the_client_and_of_the_request_are_sent(waits: list[float]) -> None:
    client = Client(FAST, headers={"X-App-Token": "t0ken"}, sleep=waits.append)
    with serving(response(200)) as server:
        client.get(server.url, headers={"If-None-Match": '"7"'})
    assert b"X-App-Token: t0ken\r\n" in server.received[0]
    assert b'If-None-Match: "7"\r\n' in server.received[0]


@pytest.mark.parametrize("status", [202, 418])
def test_a_status_that_means_later_is_asked_again(waits: list[float], status: int) -> None:
    client = Client(FAST, ask_again={202, 418}, sleep=waits.append)
    with serving(response(status, Retry_After="9"), response(200, "ready")) as server:
        assert client.get(server.url).body == b"ready"
    assert waits == [9]


def test_without_being_told_so_an_answer_is_an_answer(client: Client) -> None:
    with serving(response(202, "in progress")) as server:
        assert client.get(server.url).status == 202


def test_a_body_is_sent_again_with_each_attempt(client: Client) -> None:
    with serving(response(503), response(200, "taken")) as server:
        answer = client.post(server.url, b"<question/>", {"Content-Type": "application/soap+xml"})
    assert answer.body == b"taken"
    assert len(server.received) == 2
    for request in server.received:
        assert request.startswith(b"POST / ")
        assert b"Content-Type: application/soap+xml\r\n" in request
        assert request.endswith(b"\r\n\r\n<question/>")


def test_a_post_keeps_its_body_through_a_redirect_or_is_refused(client: Client) -> None:
    with serving(response(308, Location="/there"), response(200)) as server:
        client.post(server.url, b"body")
        assert server.received[1].startswith(b"POST /there ")
        assert server.received[1].endswith(b"body")
    with serving(response(303, Location="/there")) as server, pytest.raises(InvalidInput, match="a GET"):
        client.post(server.url, b"body")


def test_a_large_answer_is_read_in_pieces(waits: list[float]) -> None:
    client = Client(Limits(max_bytes=10 << 20), sleep=waits.append)
    with serving(response(200, b"0123456789" * 100_000)) as server:
        sizes = client.stream(server.url, lambda stream: [len(piece) for piece in stream])
    assert sum(sizes) == 1_000_000
    assert max(sizes) <= 1 << 16


def test_what_was_read_of_an_answer_that_breaks_off_is_thrown_away(client: Client) -> None:
    taken: list[bytes] = []

    def consume(stream: Stream) -> bytes:
        taken.clear()
        taken.extend(stream)
        return b"".join(taken)

    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"
    with serving(chunks, response(200, "complete")) as server:
        assert client.stream(server.url, consume) == b"complete"


def test_a_consumer_may_find_that_an_answer_is_cut_off(client: Client, waits: list[float]) -> None:
    def consume(stream: Stream) -> bytes:
        body = stream.whole().body
        if not body.endswith(b"]"):
            raise Unfinished("ends in the middle of a list")
        return body

    with serving(response(200, "[1, "), response(200, "[1, 2]")) as server:
        assert client.stream(server.url, consume) == b"[1, 2]"
    with (
        serving(response(200, "[1, ")) as server,
        pytest.raises(DependencyUnavailable, match="middle of a list"),
    ):
        client.stream(server.url, consume)


def test_a_download_is_there_when_it_is_whole(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    with serving(response(200, "a,b", length=8), response(200, "a,b\n1,2\n", ETag='"1"')) as server:
        answer = client.download(server.url, path)
    assert (answer.status, answer.headers["ETag"], answer.body) == (200, '"1"', b"")
    assert path.read_text() == "a,b\n1,2\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_download_that_never_ends_well_leaves_the_file_before(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("of yesterday")
    cut = response(200, "half", length=8)
    with serving(cut) as server, pytest.raises(DependencyUnavailable, match="broke off after 4 bytes"):
        client.download(server.url, path)
    with serving(response(404, "no such dataset")) as server:
        assert client.download(server.url, path).body == b"no such dataset"
    assert path.read_text() == "of yesterday"


def test_requests_share_one_connection(client: Client) -> None:
    def answer_two(connection: socket.socket) -> None:
        whole = response(200, "one").replace(b"Connection: close\r\n", b"")
        connection.sendall(whole)
        if connection.recv(65536):
            connection.sendall(whole.replace(b"one", b"two"))

    with serving(answer_two, response(500)) as server:
        assert [client.get(server.url).body for _ in range(2)] == [b"one", b"two"]


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.usefixtures("no_proxy")
def test_the_proxy_of_the_environment_is_asked_and_sees_the_whole_url(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(response(200, "by the proxy"), response(302, Location="http://other.example/")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("//", "//user:p%40ss@"))
        assert client.get("http://source.example/data", {"a": 1}).body == b"by the proxy"
        with pytest.raises(InvalidInput, match="another host"):
            client.get("http://source.example/data")
    assert proxy.requests[0] == "http://source.example/data?a=1"
    assert b"proxy-authorization: Basic dXNlcjpwQHNz" in proxy.received[0]


@pytest.mark.usefixtures("no_proxy")
def test_an_encrypted_request_goes_through_a_tunnel(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(response(502)) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url.removeprefix("http://"))
        with pytest.raises(DependencyUnavailable, match=r"names \(OSError: Tunnel .* 502 .*\), 3 times"):
            client.get("https://source.example/data")
    assert proxy.requests[0] == "source.example:443"
    assert proxy.received[0].startswith(b"CONNECT ")


@pytest.mark.usefixtures("no_proxy")
@pytest.mark.parametrize("entry", ["127.0.0.1", "127.0.0.0/8", "*", "example.com, 127.0.0.1"])
def test_what_no_proxy_names_is_asked_directly(
    client: Client, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    monkeypatch.setenv("NO_PROXY", entry)
    with serving(response(200, "directly")) as server:
        assert client.get(server.url).body == b"directly"


@pytest.mark.usefixtures("no_proxy")
@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://api-data.quintet.svc:8000/data", None),
        ("http://api-data.quintet.svc.example/data", "http://proxy.example:3128"),
        ("http://10.11.0.9/data", None),
        ("http://11.10.0.9/data", "http://proxy.example:3128"),
        ("https://source.example/", "http://secure.example:3128"),
        ("http://source.example:8080/", None),
    ],
)
def test_no_proxy_names_suffixes_networks_and_ports(
    monkeypatch: pytest.MonkeyPatch, url: str, proxy: str | None
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "proxy.example:3128")
    monkeypatch.setenv("HTTPS_PROXY", "http://secure.example:3128")
    monkeypatch.setenv("NO_PROXY", ".svc, 10.0.0.0/8, source.example:8080")
    assert proxy_of(url) == proxy


@pytest.mark.usefixtures("no_proxy")
def test_a_proxy_that_is_none_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "socks5://proxy.example:1080")
    with pytest.raises(InvalidInput, match="HTTP_PROXY is not a proxy over http or https"):
        client.get("http://source.example/")
