"""Values of a source that would poison what is asked next, or that no column holds."""

from __future__ import annotations

import itertools
import json
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bitcoin import extract as bitcoin_extract
from bitcoin.capture import Capture
from bitcoin.market import PAGE, Market
from bitcoin.schema import parse
from bitcoin.tests.rows import FIRST, HOUR, row
from crime import crimes_file
from crime.downloads import Download
from crime.portal import Portal
from crime.soda import Soda
from crime.window import Window
from forest.capture import parse_capture
from forest.tests.ingest import captures
from sipsa.schema import REPORTS
from sipsa.tests.answers import CITY, MARKET, city_row, market_row
from sipsa.values import RowParser
from stepkit.errors import DependencyUnavailable, InvalidInput, InvalidRow, NothingToDo
from stepkit.http import Client, Limits
from tests.scripted_http import response, serving

CRIME = {
    "id": "13311263",
    "date": "2026-06-29T07:35:00.000",
    "primary_type": "THEFT",
    "arrest": False,
    "domestic": False,
    "updated_on": "2026-07-08T15:41:08.000",
}
WINDOW = Window(date(2025, 7, 1), date(2026, 7, 1))


@pytest.mark.parametrize(
    "updated_on",
    [
        "9999-12-31T23:59:59.000",
        # Each process that collects the tests has to call it the same.
        pytest.param(
            (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%S.000"), id="in thirty days"
        ),
        "2026-07-08' OR '1' = '1",
        "2026-07-08T00:00:00.000') OR (1=1",
        "2026-13-08T00:00:00.000",
        "2026-W28-3",
        "2026-07-08T00:00:00Z",
        "\u0662026-07-08T00:00:00",
        20260708,
        ["2026-07-08T00:00:00.000"],
    ],
)
@pytest.mark.parametrize("column", ["updated_on", "date"])
def test_a_crime_whose_time_is_none_or_is_to_come_is_refused(column: str, updated_on: Any) -> None:
    with pytest.raises(InvalidRow, match=f"column {column}: is .*, not a time until today"):
        crimes_file.check({**CRIME, column: updated_on})
    crimes_file.check(CRIME)


@pytest.mark.parametrize("key", ["9" * 30, "\u0661\u0662", 10**30, "1" * 4000, -1, "1 OR 1=1"])
def test_a_crime_whose_id_no_column_holds_is_refused(key: Any) -> None:
    with pytest.raises(InvalidRow, match="column id: is not a whole number"):
        crimes_file.check({**CRIME, "id": key})


def test_a_text_with_a_nul_is_refused(tmp_path: Path) -> None:
    found = crimes_file.write_rows([{**CRIME, "block": "nul\0"}], tmp_path / "a.csv", ["id", "block"])
    assert found.refused == 1
    assert found.reasons[0].endswith("which is not a text")
    assert (tmp_path / "a.csv").read_text() == "id,block\n"


def recorded(updated_on: str) -> Download:
    as_of = datetime(2026, 7, 25, 20, 41, 8, tzinfo=UTC)
    zero = "0" * 64
    return Download(
        as_of,
        WINDOW.first,
        WINDOW.end,
        True,
        1,
        1,
        0,
        1,
        updated_on,
        "s3://a/b",
        zero,
        "s3://a/c",
        zero,
        zero,
    )


@pytest.mark.parametrize(
    ("updated_on", "asked"),
    [
        ("2026-07-24T15:41:08.000", "2026-07-24T15:41:08.000"),
        ("9999-12-31T23:59:59.000", "2026-07-25T15:41:08.000"),
        ("2026-07-08' OR '1' = '1", None),
    ],
)
def test_a_poisoned_record_does_not_reach_the_next_query(updated_on: str, asked: str | None) -> None:
    since = recorded(updated_on).updated_until
    if asked is None:
        assert since is None
    else:
        assert since is not None
        assert WINDOW.news(WINDOW, since).endswith(f"updated_on >= '{asked}')")


def soda(url: str) -> Soda:
    return Soda(url, client=Client(Limits(attempts=1)))


@pytest.mark.parametrize(
    "page",
    [
        '[{"id":"1"},{"id":"2"}]',
        '[{"id":"2"},{"id":"1"}]',
        '[{"id":"2"},{"id":"2"}]',
        '[{"id":"1"},{"id":"' + "9" * 30 + '"}]',
        '[{"id":"1"},{"id":[2]}]',
        '[{"id":"1"},{"id":"3) OR (1=1"}]',
    ],
)
def test_a_portal_whose_keys_do_not_rise_comes_to_an_end(page: str) -> None:
    with serving(response(200, page)) as server:
        pages = soda(server.url).pages("ijzp-q8t2", ["id"], "id > 0", "id", 2)
        with pytest.raises(InvalidInput, match="gave a row"):
            list(itertools.islice(pages, 3))
        assert len(server.requests) <= 2


def test_a_portal_that_gives_more_rows_than_it_counts_comes_to_an_end(tmp_path: Path) -> None:
    def more(connection: Any) -> None:
        at = len(server.requests)
        rows = [{**CRIME, "id": str(2 * at + number)} for number in range(2)] if at < 60 else []
        is_count = "count" in server.requests[-1]
        connection.sendall(response(200, json.dumps([{"count": "3"}] if is_count else rows)))

    with serving(more) as server:
        portal = Portal(soda(server.url), "ijzp-q8t2", "z8bn-74gv", page_rows=2)
        with pytest.raises(DependencyUnavailable, match="counted 3 rows and gave 4"):
            portal.receive_crimes("id > 0", tmp_path / "crimes.csv")
        assert len(server.requests) < 20


@pytest.mark.parametrize("count", ["99999999999999999999", "-1"])
def test_a_count_that_cannot_be_is_refused(count: str, tmp_path: Path) -> None:
    with serving(response(200, json.dumps([{"count": count}]))) as server:
        portal = Portal(soda(server.url), "ijzp-q8t2", "z8bn-74gv")
        with pytest.raises(InvalidInput, match="counts"):
            portal.receive_crimes("id > 0", tmp_path / "crimes.csv")


@pytest.mark.parametrize("moment", [253402300799, -62135596800, 0, 10**17, True])
def test_a_refresh_that_is_to_come_or_long_ago_is_refused(moment: Any) -> None:
    described = json.dumps({"rowsUpdatedAt": moment})
    with serving(response(200, described)) as server, pytest.raises(InvalidInput, match="rowsUpdatedAt"):
        soda(server.url).updated_at("ijzp-q8t2")


@pytest.mark.parametrize(
    "moment",
    [253402300799000, 10**400, -1, True, (time.time() + 3 * 86400) * 1000],
    ids=["year 9999", "400 digits", "before 1970", "a truth", "in three days"],
)
def test_an_exchange_whose_clock_is_wrong_is_refused(moment: Any) -> None:
    told = json.dumps({"serverTime": int(moment) if isinstance(moment, float) else moment})
    with serving(response(200, told)) as server, pytest.raises(InvalidInput, match=r"tell"):
        Market(server.url, Client(Limits(attempts=1))).now()


def test_an_exchange_that_repeats_a_full_page_comes_to_an_end() -> None:
    class Repeating:
        asked = 0

        def now(self) -> int:
            return FIRST + 100_000 * HOUR

        def bars(self, symbol: str, interval: str, start: int) -> list[Any]:
            self.asked += 1
            assert self.asked < 5
            open_row = row(0)
            open_row[0], open_row[6] = start, FIRST + 200_000 * HOUR
            return [open_row] * PAGE

    market: Any = Repeating()
    with pytest.raises(InvalidInput, match="repeats itself"):
        bitcoin_extract.take(market, "BTCUSDT", "1h", FIRST, 50_000)


def test_an_exchange_without_closed_bars_has_nothing() -> None:
    with serving(response(200, f'{{"serverTime": {FIRST}}}'), response(200, "[]")) as server:
        market = Market(server.url, Client(Limits(attempts=1)))
        with pytest.raises(NothingToDo):
            bitcoin_extract.take(market, "BTCUSDT", "1h", FIRST, 10)


@pytest.mark.parametrize(
    ("at", "item"),
    [(1, "1e-999999999"), (1, "1" * 5000), (8, 10**30), (0, 10**400), (5, "0." + "0" * 100), (6, 10**30)],
)
def test_a_bar_that_no_column_holds_is_refused(at: int, item: Any) -> None:
    spoiled = row(0)
    spoiled[at] = item
    with pytest.raises(InvalidRow) as refused:
        parse(spoiled, "1h")
    assert len(str(refused.value)) < 300
    deep = [*row(0)[:11], [[[[]]]]]
    assert parse(deep, "1h") == parse(row(0), "1h")
    assert b"[[[[]]]]" in Capture("BTCUSDT", "1h", FIRST, [deep]).to_json()


@pytest.mark.parametrize(("group", "batch"), [(3, 10**400), (3, -1), (3, 2**31), (10**30, 1)])
def test_a_capture_whose_numbers_no_column_holds_is_refused(group: int, batch: int) -> None:
    body = captures.answer(captures.rows(1), 0, 3).replace(
        b'"batch_number": 0', b'"batch_number": %d' % batch
    )
    body = body.replace(b'"group_number": 3', b'"group_number": %d' % group)
    with pytest.raises(InvalidInput, match="not a whole number from 0 to") as refused:
        parse_capture(body, "api")
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"codProducto": "9" * 30}, "codProducto"),
        ({"codProducto": ".0"}, "codProducto"),
        ({"codProducto": "9223372036854775808"}, "codProducto"),
        ({"enviado": "40000"}, "enviado"),
        ({"regId": "+"}, "regId"),
        ({"precioPromedio": "9" * 5000}, "precioPromedio"),
        ({"precioPromedio": "1" * 400}, "precioPromedio"),
        ({"producto": "a" + " " * 100_000 + "b"}, "producto"),
    ],
)
def test_a_price_that_no_column_holds_is_refused(changes: dict[str, str], column: str) -> None:
    with pytest.raises(InvalidRow, match=f"column {column}: ") as refused:
        RowParser(REPORTS[CITY]).parse(city_row(**changes))
    assert len(str(refused.value)) < 400


def test_fields_that_nobody_knows_are_not_kept_without_bound() -> None:
    parser = RowParser(REPORTS[MARKET])
    for number in range(1000):
        parser.parse({**market_row(), **{f"x{number}-{other}": "" for other in range(30)}})
    assert 0 < len(parser.unknown) <= 40
