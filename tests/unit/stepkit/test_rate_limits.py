"""A server that says until when it wants no more requests, in each of the ways that are in use."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from stepkit.errors import DependencyUnavailable
from stepkit.http import Client, Limits
from stepkit.rate_limits import seconds_to_wait
from tests.scripted_http import response, serving

LIMITS = Limits(attempts=3, connect_timeout=5, read_timeout=5, first_wait=0.1, least_limited_wait=15)


def banned(seconds: float) -> str:
    until = int((time.time() + seconds) * 1000)
    message = f"Way too much request weight used; IP banned until {until}. Please use WebSocket Streams."
    return json.dumps({"code": -1003, "msg": message})


def client(waits: list[float]) -> Client:
    return Client(LIMITS, ask_again={418}, sleep=waits.append)


@pytest.mark.parametrize("status", [418, 429])
def test_a_moment_in_the_text_is_waited_for(status: int) -> None:
    waits: list[float] = []
    with serving(response(status, banned(90)), response(200, "at last")) as server:
        assert client(waits).get(server.url).body == b"at last"
    assert waits == [pytest.approx(91, abs=30)]
    assert waits[0] > 60


def test_a_ban_of_hours_is_told_after_one_request() -> None:
    waits: list[float] = []
    with serving(response(418, banned(3 * 3600))) as server:
        with pytest.raises(
            DependencyUnavailable, match=r"answered 418 .*: next try after \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
        ) as end:
            client(waits).get(server.url)
        assert len(server.requests) == 1
    assert (waits, end.value.exit_code) == ([], 75)


def test_who_is_limited_without_a_word_of_how_long_waits_out_a_minute() -> None:
    waits: list[float] = []
    with (
        serving(response(429, "Throttled")) as server,
        pytest.raises(DependencyUnavailable, match="answered 429, 3 times"),
    ):
        client(waits).get(server.url)
    assert waits == [15, 15]
    with serving(response(503)) as server, pytest.raises(DependencyUnavailable):
        client(waits).get(server.url)
    assert max(waits[2:]) < 1


def test_a_limit_tells_nothing_of_how_long_a_server_is_down() -> None:
    waits: list[float] = []
    with serving(response(503, banned(600), X_RateLimit_Reset="600"), response(200)) as server:
        client(waits).get(server.url)
    assert waits[0] < 1


def test_a_text_that_breaks_off_is_a_refusal_all_the_same() -> None:
    waits: list[float] = []
    with serving(response(429, "IP banned", length=900), response(200, "yes")) as server:
        assert client(waits).get(server.url).body == b"yes"
    assert waits == [15]


NOW = time.time()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7", "RateLimit-Reset": "60"}, 7),
        ({"RateLimit": '"default";r=0;t=30'}, 30),
        ({"RateLimit": "limit=9, remaining=0, reset=31"}, 31),
        ({"RateLimit-Reset": "32"}, 32),
        ({"X-RateLimit-Reset": "33"}, 33),
        ({"X-RateLimit-Reset-After": "34.5"}, 34.5),
    ],
)
def test_headers_of_a_limit_say_how_long_it_holds(headers: dict[str, str], seconds: float) -> None:
    assert seconds_to_wait(headers, lambda: b"until 1620286253180") == seconds


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("X-RateLimit-Reset", lambda moment: f"{moment:.0f}"),
        ("X-RateLimit-Reset", lambda moment: f"{moment * 1000:.0f}"),
        ("X-RateLimit-Reset", lambda moment: f"{moment:.3f}"),
        (
            "X-Rate-Limit-Reset",
            lambda moment: format_datetime(datetime.fromtimestamp(moment, UTC), usegmt=True),
        ),
    ],
    ids=["seconds", "milliseconds", "a fraction", "a date"],
)
def test_headers_of_a_limit_say_when_it_ends(name: str, written: Callable[[float], str]) -> None:
    before = time.time()
    wait = seconds_to_wait({name: written(before + 500)}, lambda: b"")
    assert wait is not None
    # A second more, for the other's clock; a moment may be written in whole seconds.
    assert before + 499 - time.time() <= wait <= 502


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Retry-After": "soon", "RateLimit": "", "X-RateLimit-Reset": "soon"},
        {"RateLimit-Reset": "0"},
        {"X-RateLimit-Reset": f"{NOW - 500:.0f}"},
        {"X-RateLimit-Reset": "-7"},
        {"X-RateLimit-Reset": "9" * 40},
    ],
)
@pytest.mark.parametrize(
    "body", [b"", b"banned until 1620286253180", b"until 12345678901", b"until tomorrow", b"\xff"]
)
def test_what_says_nothing_or_what_is_over_is_none(headers: dict[str, str], body: bytes) -> None:
    assert seconds_to_wait(headers, lambda: body) is None
