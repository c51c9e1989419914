"""The client of the portal against every way in which it answers."""

from __future__ import annotations

import json

import pytest

from crime.soda import Refreshed, Soda
from stepkit.errors import DependencyUnavailable, InvalidInput
from stepkit.http import Client, Limits
from tests.scripted_http import Script, response, serving

TWO = '[{"id":"1"}\n,{"id":"2"}]\n'


def soda(url: str, token: str | None = None, waits: list[float] | None = None) -> Soda:
    sleep = (waits if waits is not None else []).append
    headers = {"X-App-Token": token} if token else {}
    return Soda(url, token, Client(Limits(attempts=3), headers=headers, ask_again={202}, sleep=sleep))


def pages(url: str, page_rows: int = 2) -> list[list[dict[str, str]]]:
    return list(soda(url).pages("ijzp-q8t2", ["id", "date"], "arrest = true", "id", page_rows))


def test_a_page_begins_behind_the_last_key_of_the_one_before() -> None:
    with serving(response(200, TWO), response(200, '[{"id":"7"}]\n')) as server:
        assert pages(server.url) == [[{"id": "1"}, {"id": "2"}], [{"id": "7"}]]
    first, second = server.requests
    assert "%24order=id" in first
    assert "%24limit=2" in first
    assert "%28arrest+%3D+true%29+AND+id+%3E+2" in second


def test_a_full_last_page_is_followed_by_an_empty_one() -> None:
    with serving(response(200, TWO), response(200, "[]\n")) as server:
        assert len(pages(server.url)) == 1
        assert len(server.requests) == 2


def test_a_refresh_between_two_pages_is_noticed() -> None:
    one, two = (response(200, TWO, X_SODA2_Truth_Last_Modified=f"day {day}") for day in (1, 2))
    with serving(one, two) as server, pytest.raises(Refreshed, match="refreshed at day 2"):
        pages(server.url)


def test_an_answer_that_takes_a_while_and_a_throttled_one_are_asked_again() -> None:
    waits: list[float] = []
    with serving(response(202), response(429, Retry_After="9"), response(200, '[{"count":"3"}]')) as server:
        assert soda(server.url, waits=waits).count("ijzp-q8t2", "arrest = true") == 3
    assert waits[1] == 9


def test_a_token_is_sent_in_its_header_when_there_is_one() -> None:
    with serving(response(200, '[{"count":"3"}]')) as server:
        soda(server.url, "t0ken").count("ijzp-q8t2", "id > 0")
        soda(server.url).count("ijzp-q8t2", "id > 0")
    assert b"X-App-Token: t0ken\r\n" in server.received[0]
    assert b"app-token" not in server.received[1].lower()


FIRST = {
    "message": "Query coordinator error: query.soql.no-such-column; No such column: nope",
    "errorCode": "query.soql.no-such-column",
    "data": {"column": "nope"},
}
SECOND = {"code": "query.compiler.malformed", "error": True, "message": "Could not parse", "data": {}}
TOKEN = {"code": "permission_denied", "error": True, "message": "Invalid app_token specified"}
MISSING = {"code": "dataset.missing", "error": True, "message": "Not found", "data": {"id": "zzzz-zzzz"}}


def test_what_the_portal_says_while_it_is_down_is_told() -> None:
    busy = response(503, '{"code":"maintenance","message":"Back at noon"}', Retry_After="259200")
    with (
        serving(busy) as server,
        pytest.raises(
            DependencyUnavailable, match=r"answered 503 \(maintenance: Back at noon\) and asks to wait"
        ),
    ):
        Soda(server.url).count("ijzp-q8t2", "arrest = true")


@pytest.mark.parametrize(
    ("script", "ending", "sentence"),
    [
        (response(400, json.dumps(FIRST)), InvalidInput, "400 query.soql.no-such-column: Query coordinator"),
        (response(400, json.dumps(SECOND)), InvalidInput, "400 query.compiler.malformed: Could not parse"),
        (response(403, json.dumps(TOKEN)), InvalidInput, "Invalid app_token.*SOCRATA_APP_TOKEN"),
        (response(404, json.dumps(MISSING)), InvalidInput, "dataset.missing.*--source-url"),
        (response(404, "<html>"), InvalidInput, "404: <html>"),
        (response(500, '{"message":"broken"}'), DependencyUnavailable, "answered 500, 3 times over"),
        (response(200, "<html>welcome"), InvalidInput, "not JSON: <html>welcome"),
        (response(200, '{"error":true}'), InvalidInput, "something else than rows"),
        (response(200, '[{"date":"2026"}\n,{"date":"2026"}]'), InvalidInput, "a row without id"),
    ],
)
def test_each_refusal_has_its_ending(script: Script, ending: type[Exception], sentence: str) -> None:
    with serving(script) as server, pytest.raises(ending, match=sentence):
        pages(server.url)


@pytest.mark.parametrize(
    "description", ["{}", "[]", '{"rowsUpdatedAt":"now"}', '{"rowsUpdatedAt":1e30}', '{"rowsUpdatedAt":1e15}']
)
def test_what_describes_no_table_is_refused(description: str) -> None:
    with serving(response(200, description)) as server, pytest.raises(InvalidInput, match="no rowsUpdatedAt"):
        soda(server.url).updated_at("ijzp-q8t2")
