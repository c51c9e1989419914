"""`extract` against the exchange's server, and against answers that it gives on bad days."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from bitcoin import capture
from bitcoin.extract import Extracted, extract, take
from bitcoin.load import load
from bitcoin.market import PAGE, Market
from bitcoin.tests.rows import FIRST, HOUR, row, rows
from stepkit.errors import DependencyUnavailable, InvalidInput, NothingToDo
from stepkit.http import Client, Limits
from stepkit.s3 import ObjectStore
from stepkit.settings import Run, Settings
from tests.scripted_http import Script, response, serving

TIME = response(200, json.dumps({"serverTime": FIRST + 5 * HOUR + 1}))
LATER = {"REPLAY_NOW": "2023-03-25T02:30:00Z"}


def settings_of(database: str, run_id: str = "r1") -> Settings:
    return Settings(run=Run(dag_id="bitcoin_data_ingestion", run_id=run_id), database_url=database)


def test_history_in_pages_without_the_unclosed_bar(
    exchange: Callable[..., str], bitcoin_database: str, bucket: str
) -> None:
    url = exchange(**LATER)
    found = extract(settings_of(bitcoin_database), source_url=url, bucket=bucket)
    assert found == Extracted(
        f"s3://{bucket}/bitcoin/raw/BTCUSDT-1h/r1/bars.json",
        found.sha256,
        83 * 24 + 2 - 1,  # one hour of 2023-03-24 never was
        "2023-01-01T00:00:00+00:00",
        "2023-03-25T01:00:00+00:00",
    )


def test_later_runs_take_what_came_since(
    exchange: Callable[..., str], bitcoin_database: str, bucket: str
) -> None:
    before, after = exchange(REPLAY_NOW="2023-01-03T00:30:00Z"), exchange(REPLAY_NOW="2023-01-03T05:00:00Z")
    first = settings_of(bitcoin_database, "r1")
    load(first, raw_uri=extract(first, source_url=before, bucket=bucket).raw_uri)
    second = settings_of(bitcoin_database, "r2")
    found = extract(second, source_url=after, bucket=bucket)
    assert (found.bars, found.first, found.last) == (
        5,
        "2023-01-03T00:00:00+00:00",
        "2023-01-03T04:00:00+00:00",
    )
    load(second, raw_uri=found.raw_uri)
    with pytest.raises(NothingToDo, match="no bar of BTCUSDT 1h has closed from 2023-01-03T05:00:00"):
        extract(settings_of(bitcoin_database, "r3"), source_url=after, bucket=bucket)


@pytest.mark.parametrize(("quiet", "warned"), [(24, False), (25, True)])
def test_a_symbol_that_is_traded_no_more_is_warned_of(
    quiet: int, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    told = response(200, f'{{"serverTime": {FIRST + quiet * HOUR}}}')
    with serving(told, response(200, "[]")) as server, pytest.raises(NothingToDo) as end:
        take(Market(server.url), "BTCUSDT", "1h", FIRST, 100)
    assert ("25 bars later; if BTCUSDT is traded no more" in str(end.value)) == warned
    assert [each.levelname for each in caplog.records] == ["WARNING"] * warned


def test_a_long_history_is_taken_in_parts(
    exchange: Callable[..., str], bitcoin_database: str, bucket: str
) -> None:
    url = exchange(**LATER)
    found = []
    for run_id in ("r1", "r2"):
        settings = settings_of(bitcoin_database, run_id)
        part = extract(settings, source_url=url, max_bars=1000, bucket=bucket)
        load(settings, raw_uri=part.raw_uri)
        found.append(part.bars)
    assert found == [1000, 993]


def test_a_retry_uses_what_is_there(bitcoin_database: str, bucket: str) -> None:
    settings = settings_of(bitcoin_database)
    with serving(TIME, response(200, json.dumps(rows(6)))) as server:
        first = extract(settings, source_url=server.url + "/", bucket=bucket)
        assert extract(settings, source_url=server.url, bucket=bucket) == first
        assert [request.partition("?")[0] for request in server.requests] == [
            "/api/v3/time",
            "/api/v3/klines",
        ]
    assert capture.read(ObjectStore().get(first.raw_uri), "here").rows == rows(5)


def test_429_then_418_are_waited_for_as_the_exchange_says() -> None:
    waits: list[float] = []
    client = Client(Limits(attempts=4), ask_again={418}, sleep=waits.append)
    busy, banned = response(429, "{}", Retry_After="7"), response(418, "{}", Retry_After="120")
    with serving(busy, banned, TIME, response(200, json.dumps(rows(6)))) as server:
        taken = take(Market(server.url, client), "BTCUSDT", "1h", FIRST, 100)
    assert waits == [7, 120]
    assert taken.rows == rows(5)


def test_a_ban_of_days_is_left_to_airflow() -> None:
    with (
        serving(response(418, '{"code":-1003,"msg":"Banned"}', Retry_After="259200")) as server,
        pytest.raises(DependencyUnavailable, match=r"answered 418 \(Banned\) and asks to wait 259200 s"),
    ):
        Market(server.url).now()


def test_the_real_limits_end_in_a_wait(exchange: Callable[..., str]) -> None:
    waits: list[float] = []
    client = Client(Limits(attempts=2), ask_again={418}, sleep=waits.append)
    market = Market(exchange(REQUEST_WEIGHT_LIMIT="1", REQUESTS_UNTIL_BAN="2"), client)
    with pytest.raises(DependencyUnavailable, match="answered 418"):
        market.bars("BTCUSDT", "1h", FIRST)
    assert len(waits) == 1
    assert 1 <= waits[0] <= 60


@pytest.mark.parametrize(
    ("symbol", "interval", "sentence"),
    [
        ("NOPE", "1h", "was refused: -1121 Invalid symbol"),
        ("btcusdt", "1h", "was refused: -1100 Illegal characters"),
        ("BTCUSDT", "7h", "was refused: -1120 Invalid interval"),
    ],
)
def test_the_exchanges_refusals_are_not_tried_again(
    exchange: Callable[..., str], symbol: str, interval: str, sentence: str
) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        Market(exchange()).bars(symbol, interval, FIRST)


def test_a_place_that_may_not_ask(exchange: Callable[..., str]) -> None:
    with pytest.raises(InvalidInput, match="does not answer to this place"):
        Market(exchange(RESTRICTED="true")).now()


@pytest.mark.parametrize(
    ("script", "ending", "sentence"),
    [
        (response(200, "<html>"), InvalidInput, "answered no JSON"),
        (response(200, "[]"), InvalidInput, "does not tell its time"),
        (response(404, "<html>"), InvalidInput, "answered 404: check --source-url"),
        (response(403, "<html>"), DependencyUnavailable, "answered 403"),
        (response(503), DependencyUnavailable, "answered 503, 2 times over"),
        (response(200, "{", length=9), DependencyUnavailable, "broke off"),
        (response(302, Location="http://10.0.0.1/"), InvalidInput, "another host"),
    ],
)
def test_each_bad_answer_has_its_ending(script: Script, ending: type[Exception], sentence: str) -> None:
    client = Client(Limits(attempts=2), sleep=lambda seconds: None)
    with serving(script) as server, pytest.raises(ending, match=sentence):
        Market(server.url, client).now()


@pytest.mark.parametrize(
    ("taken", "sentence"),
    [
        ([row(0)[:11]], "row 1 has 11 items"),
        ([row(0), *([*row(n)[:1], "nan", *row(n)[2:]] for n in (1, 2))], "row 2 column open: 'nan' is no"),
        ([[row(0)[0] + 1, *row(0)[1:]]], "1 of 1 rows are refused, all; the first: .* is not a 1h"),
        (
            [row(3), row(2), row(1)],
            "2 of 3 rows are refused, more than --max-refused-share 0.1; the first: row 2 column open_time",
        ),
        ([[*row(0)[:2], "1.0", *row(0)[3:]]], "do not hold open and close"),
        (["bar"], "rows that are not bars"),
    ],
)
def test_what_is_no_bar_is_refused_and_not_kept(
    bitcoin_database: str, bucket: str, taken: list[object], sentence: str
) -> None:
    with (
        serving(TIME, response(200, json.dumps(taken))) as server,
        pytest.raises(InvalidInput, match=sentence),
    ):
        extract(settings_of(bitcoin_database), source_url=server.url, bucket=bucket)
    assert not ObjectStore().exists(f"s3://{bucket}/bitcoin/raw/BTCUSDT-1h/r1/bars.json")


CUT_SHORT = [*row(7)[:6], row(7)[6] - 1_905_211, *row(7)[7:]]
ASKEW = [row(8)[0] + 1_694_789, *row(8)[1:6], row(8)[6] + 1_694_789, *row(8)[7:]]
"""As the exchange sent them for the days around its standstills, in February 2018 and before."""


def test_irregular_bars_are_set_aside_with_their_reasons(bitcoin_database: str, bucket: str) -> None:
    taken = [*rows(7), CUT_SHORT, ASKEW, *rows(11, first=9)]
    now = response(200, json.dumps({"serverTime": FIRST + 20 * HOUR}))
    settings = settings_of(bitcoin_database)
    with serving(now, response(200, json.dumps(taken))) as server:
        found = extract(settings, source_url=server.url, bucket=bucket)
        assert extract(settings, source_url=server.url, bucket=bucket) == found
    assert (found.bars, found.rows_refused) == (18, 2)
    report = json.loads(ObjectStore().get(found.refusals_uri))
    assert (report["file"], report["rows_read"], report["rows_refused"]) == (found.raw_uri, 20, 2)
    assert report["reasons"][0].startswith("row 8 column open_time: 1672556400000 to 16725580")
    assert report["reasons"][0].endswith(" is not a 1h")
    assert capture.read(ObjectStore().get(found.raw_uri), "here").rows == taken
    loaded = load(settings, raw_uri=found.raw_uri)
    assert (loaded.rows_read, loaded.rows_new, loaded.rows_duplicate, loaded.rows_refused) == (20, 18, 0, 2)
    assert loaded.missing_bars == 2
    assert load(settings, raw_uri=found.raw_uri) == loaded


def test_more_refused_rows_than_the_share_refuse_all(bitcoin_database: str, bucket: str) -> None:
    taken = [*rows(7), CUT_SHORT, ASKEW, *rows(11, first=9)]
    now = response(200, json.dumps({"serverTime": FIRST + 20 * HOUR}))
    settings = settings_of(bitcoin_database)
    with (
        serving(now, response(200, json.dumps(taken))) as server,
        pytest.raises(
            InvalidInput,
            match=r"2 of 20 rows are refused, more than --max-refused-share 0.09; the first: row 8",
        ) as end,
    ):
        extract(settings, source_url=server.url, bucket=bucket, max_refused_share=0.09)
    assert (end.value.row, end.value.column) == (8, "open_time")


def test_one_refused_row_holds_up_nothing_that_follows_it() -> None:
    now = response(200, json.dumps({"serverTime": FIRST + 9 * HOUR}))
    with serving(now, response(200, json.dumps([CUT_SHORT, row(8)]))) as server:
        taken = take(Market(server.url), "BTCUSDT", "1h", FIRST + 7 * HOUR, 100)
    bars, refused = taken.bars(server.url, 0.0)
    assert ([bar.open_time for bar in bars], refused.refused) == ([row(8)[0]], 1)


def test_a_full_page_with_bars_cut_short_is_further_on(bitcoin_database: str) -> None:
    page = rows(PAGE)
    for later in page[500:]:
        later[0], later[6] = later[0] - HOUR // 2, later[6] - HOUR // 2
    now = response(200, json.dumps({"serverTime": FIRST + 2 * PAGE * HOUR}))
    with serving(now, *(response(200, json.dumps(each)) for each in (page, rows(5, first=PAGE)))) as server:
        taken = take(Market(server.url), "BTCUSDT", "1h", FIRST, 2 * PAGE)
    assert len(taken.rows) == PAGE + 5
