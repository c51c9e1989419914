"""The SODA server against the protocol, and against the client that others wrote for it."""

import csv
import io
import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
import uvicorn
from fastapi.testclient import TestClient
from sodapy import Socrata

from socrata.app import create_app
from socrata.columns import CRIMES
from socrata.settings import Settings

CRIMES_PATH = "/resource/ijzp-q8t2.json"
STATIONS_PATH = "/resource/z8bn-74gv.json"
NOON = datetime(2026, 7, 26, 12, tzinfo=UTC)
SMALL = Settings(rows_per_year=3650, months=3, replay_now=NOON)
DAY = 86400.0


class Ticks:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(create_app(SMALL))


@pytest.fixture(scope="module")
def domain() -> Iterator[str]:
    """The server as a real one, for clients that bring their own HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(create_app(SMALL), log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def ask(client: TestClient, path: str = CRIMES_PATH, /, **parameters: Any) -> Any:
    answer = client.get(path, params={f"${name}": value for name, value in parameters.items()})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_sodapy_reads_it_unchanged(domain: str) -> None:
    adapter = {"prefix": "http://", "adapter": requests.adapters.HTTPAdapter()}
    with Socrata(domain, "any-token", session_adapter=adapter) as soda:
        first = soda.get("ijzp-q8t2", limit=2, order="id", where="arrest = true")
        everything = list(soda.get_all("ijzp-q8t2", order="id", limit=300, select="id, date"))
        counted = soda.get("ijzp-q8t2", select="count(*)")
        described = soda.get_metadata("z8bn-74gv")
        table = soda.get("z8bn-74gv", content_type="csv")
    assert [row["arrest"] for row in first] == [True, True]
    assert len({row["id"] for row in everything}) == len(everything) == int(counted[0]["count"])
    assert described["columns"][0]["fieldName"] == "district"
    assert (table[0][0], len(table)) == ("district", 24)


def test_values_are_spelled_by_their_types(client: TestClient) -> None:
    row = ask(client, where="latitude is not null", limit=1, order="id")[0]
    assert row["id"].isdecimal()
    assert isinstance(row["latitude"], str)
    assert row["arrest"] in (True, False)
    assert datetime.fromisoformat(row["date"]).tzinfo is None
    assert row["date"].endswith(".000")
    assert len(row["district"]) == 3
    assert json.loads(row["location"]["human_address"])["city"] == ""


def test_what_is_missing_has_no_key(client: TestClient) -> None:
    without = ask(client, where="latitude is null", order="id")
    assert without
    for row in without:
        assert not {"latitude", "longitude", "x_coordinate", "y_coordinate", "location"} & row.keys()


def test_the_body_has_a_line_a_row_and_headers_that_name_its_columns(client: TestClient) -> None:
    answer = client.get(CRIMES_PATH, params={"$select": "id, arrest, date", "$limit": 3})
    assert answer.text.startswith("[{")
    assert answer.text.count("\n,{") == 2
    assert answer.text.endswith("]\n")
    assert answer.headers["content-type"] == "application/json;charset=utf-8"
    assert json.loads(answer.headers["X-SODA2-Fields"]) == ["id", "arrest", "date"]
    assert json.loads(answer.headers["X-SODA2-Types"]) == ["number", "checkbox", "floating_timestamp"]
    assert client.get(CRIMES_PATH, params={"$where": "id = 1"}).text == "[]\n"


def test_computed_columns_are_left_out_of_an_ordered_answer(client: TestClient) -> None:
    assert sum(name.startswith(":@") for name in ask(client, limit=1)[0]) == 9
    assert not any(name.startswith(":@") for name in ask(client, limit=1, order=":id")[0])
    named = ask(client, select="id, :@computed_region_vrxf_vc4k", order="id", limit=1)
    assert ":@computed_region_vrxf_vc4k" in named[0]


def test_pages_of_an_order_are_the_whole(client: TestClient) -> None:
    total = int(ask(client, select="count(*)")[0]["count"])
    assert len(ask(client)) == min(1000, total)
    seen = [
        row["id"]
        for offset in range(0, total, 200)
        for row in ask(client, select="id", order="id", limit=200, offset=offset)
    ]
    assert seen == sorted(set(seen), key=int)
    assert len(seen) == total
    assert len(ask(client, limit=60000)) == total


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ("date >= '2026-06-01' and date < '2026-06-02T00:00:00'", lambda row: "2026-06-01" in row["date"]),
        ("primary_type in ('THEFT', 'ARSON')", lambda row: row["primary_type"] in ("THEFT", "ARSON")),
        ("not (domestic = true) AND ward between 2 and 4", lambda row: 2 <= int(row["ward"]) <= 4),
        ("starts_with(block, '0')", lambda row: row["block"].startswith("0")),
        ("description like '%BATTERY%' or fbi_code='08B'", lambda row: row["fbi_code"] or True),
        ("`district` = '001'", lambda row: row["district"] == "001"),
    ],
)
def test_where(client: TestClient, where: str, holds: Any) -> None:
    found = ask(client, where=where, limit=50000)
    assert 0 < len(found) < int(ask(client, select="count(*)")[0]["count"])
    assert all(holds(row) for row in found)


def test_aggregates_groups_aliases_and_whole_queries(client: TestClient) -> None:
    groups = ask(client, select="primary_type, count(*) as n", group="primary_type", order="n desc")
    assert int(groups[0]["n"]) >= int(groups[-1]["n"])
    whole = ask(
        client,
        query="select date_trunc_ym(date) as month, count(id) as n where arrest = true"
        " group by date_trunc_ym(date) order by month limit 2",
    )
    assert [row["month"] for row in whole] == ["2026-04-01T00:00:00.000", "2026-05-01T00:00:00.000"]
    assert ask(client, select="max(date)")[0]["max_date"] > "2026-07-18"


def test_equality_and_full_text(client: TestClient) -> None:
    found = client.get(CRIMES_PATH, params={"arrest": "true", "district": "011", "$limit": 5}).json()
    assert {(row["arrest"], row["district"]) for row in found} == {(True, "011")}
    assert all("STREET" in json.dumps(row) for row in ask(client, q="street", limit=5))


@pytest.mark.parametrize(
    ("parameters", "code", "family"),
    [
        ({"$where": "nope = 1"}, "query.soql.no-such-column", "errorCode"),
        ({"nope": "1"}, "query.soql.no-such-column", "errorCode"),
        ({"arrest": "perhaps"}, "query.soql.type-mismatch", "errorCode"),
        ({"$where": "INVALID SOQL"}, "query.soql.no-such-column", "errorCode"),
        ({"$where": "id = = 3"}, "query.compiler.malformed", "code"),
        ({"$where": "id = 1; drop table crimes"}, "query.compiler.malformed", "code"),
        ({"$where": "randomblob(100000000) = 1"}, "query.compiler.malformed", "code"),
        ({"$limit": "many"}, "query.compiler.malformed", "code"),
        ({"$nope": "1"}, "query.compiler.malformed", "code"),
    ],
)
def test_the_two_families_of_errors(
    client: TestClient, parameters: dict[str, str], code: str, family: str
) -> None:
    answer = client.get(CRIMES_PATH, params=parameters)
    assert answer.status_code == 400
    assert answer.json()[family] == code
    assert answer.json()["message"]


def test_what_is_not_there(client: TestClient) -> None:
    for path in ("/resource/zzzz-zzzz.json", "/api/views/zzzz-zzzz.json"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "dataset.missing")


def test_tokens_throttling_and_answers_that_take_a_while() -> None:
    ticks = Ticks()
    settings = Settings(
        rows_per_year=365, months=1, app_tokens="known", requests_per_minute=2, processing_every=2
    )
    client = TestClient(create_app(settings, ticks))
    refused = client.get(STATIONS_PATH, headers={"X-App-Token": "unknown"})
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    known = {"X-App-token": "known"}
    statuses = [client.get(STATIONS_PATH, headers=known).status_code for _ in range(4)]
    assert statuses == [202, 200, 202, 200]
    assert client.get(STATIONS_PATH, params={"$$app_token": "known"}).status_code == 202
    assert [client.get(STATIONS_PATH).status_code for _ in range(3)] == [200, 202, 429]
    ticks.seconds += 61
    assert client.get(STATIONS_PATH).status_code == 200


def test_an_unchanged_answer_is_not_sent_again(client: TestClient) -> None:
    first = client.get(STATIONS_PATH)
    again = client.get(STATIONS_PATH, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_stations_have_bare_districts_and_headquarters(client: TestClient) -> None:
    stations = ask(client, STATIONS_PATH)
    districts = [station["district"] for station in stations]
    assert len(districts) == 23
    assert {"1", "25", "Headquarters"} <= set(districts)
    assert "fax" not in stations[districts.index("Headquarters")]
    assert stations[0]["website"]["url"].startswith("http")


def test_csv_has_empty_fields_for_what_is_missing(client: TestClient) -> None:
    text = client.get("/resource/ijzp-q8t2.csv", params={"$where": "latitude is null", "$order": "id"}).text
    row = next(csv.DictReader(io.StringIO(text)))
    assert row["latitude"] == ""
    assert row["arrest"] in ("true", "false")


def test_the_same_seed_gives_the_same_rows_and_a_year_is_as_large_as_asked() -> None:
    settings = Settings(rows_per_year=2000, months=13, replay_now=NOON)
    one, two = (TestClient(create_app(settings)) for _ in range(2))
    assert ask(one, order="id", limit=50000) == ask(two, order="id", limit=50000)
    year = ask(one, select="count(*)", where="date >= '2025-07-01' and date < '2026-07-01'")
    assert int(year[0]["count"]) == pytest.approx(2000, rel=0.1)
    other = TestClient(create_app(settings.model_copy(update={"sample_seed": 7})))
    assert ask(one, order="id", limit=50) != ask(other, order="id", limit=50)


def test_the_clock_shows_new_days_late_rows_and_corrections() -> None:
    ticks = Ticks()
    client = TestClient(create_app(SMALL, ticks))
    before = {row["id"]: row for row in ask(client, limit=50000)}
    assert max(row["date"] for row in before.values())[:10] == "2026-07-18", "a week is withheld"
    assert client.get("/api/views/ijzp-q8t2.json").json()["rowsUpdatedAt"] == 1785012068

    ticks.seconds += 31 * DAY
    after = {row["id"]: row for row in ask(client, limit=50000)}
    assert client.get("/api/views/ijzp-q8t2.json").json()["rowsUpdatedAt"] == 1785012068 + 31 * DAY
    assert before.keys() < after.keys()
    changed = [name for name in before if before[name] != after[name]]
    assert changed
    assert all(after[name]["updated_on"] > before[name]["updated_on"] for name in changed)
    assert any(not before[name]["arrest"] and after[name]["arrest"] for name in changed)
    late = [row for name, row in after.items() if name not in before and row["date"] < "2026-07-19"]
    assert late
    assert all(row["updated_on"] > "2026-07-25" for row in late)
    expected = ask(client, select="count(*)", where="updated_on > '2026-07-25T15:41:08'")
    assert int(expected[0]["count"]) == len(after) - len(before) + len(changed)


def test_no_crime_happened_in_the_hour_that_the_clocks_jump_over() -> None:
    settings = Settings(rows_per_year=200_000, months=0 + 1, replay_now=datetime(2026, 3, 30, tzinfo=UTC))
    client = TestClient(create_app(settings))
    jumped = "date >= '2026-03-08T02:00:00' and date < '2026-03-08T03:00:00'"
    assert ask(client, where=jumped) == []
    assert ask(client, where=jumped.replace("03-08", "03-07"))


def test_columns_are_the_portals() -> None:
    assert len(CRIMES.columns) == 31
    assert sum(column.computed for column in CRIMES.columns) == 9


def test_head_is_answered_and_a_slash_leads_to_no_other_address(client: TestClient) -> None:
    for path in ("/health", "/api/views/ijzp-q8t2.json", CRIMES_PATH):
        head, whole = client.head(path), client.get(path)
        assert (head.status_code, head.headers["content-type"]) == (200, whole.headers["content-type"])
        assert client.get(f"{path}/", follow_redirects=False).status_code == 404
