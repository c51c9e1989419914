"""The market data server against Binance's documented protocol."""

import csv
import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from binance.app import create_app
from binance.bars import BARS_FILE, Bars
from binance.settings import Settings

HOUR = 3_600_000
FIRST, LAST = 1672531200000, 1751324400000  # 2023-01-01 00:00 and 2025-06-30 23:00
MISSING = 1679662800000  # 2023-03-24 13:00


class Seconds:
    """Time that passes only when told."""

    def __init__(self) -> None:
        self.now = 6000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def bars() -> Bars:
    return Bars()


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def client(bars: Bars, seconds: Seconds) -> Callable[..., TestClient]:
    return lambda **settings: TestClient(create_app(Settings(**settings), bars, seconds))


def get(client: TestClient, **parameters: object) -> list[list[Any]]:
    query = {"symbol": "BTCUSDT", "interval": "1h", **parameters}
    answer = client.get("/api/v3/klines", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refusal(client: TestClient, query: str) -> tuple[int, int, str]:
    answer = client.get(f"/api/v3/klines?{query}")
    return answer.status_code, answer.json()["code"], answer.json()["msg"]


def ms(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp() * 1000)


def test_a_bar_is_the_one_of_the_file(client: Callable[..., TestClient]) -> None:
    (row,) = get(client(), startTime=0, limit=1)
    assert row == [
        FIRST, "16541.77000000", "16545.70000000", "16508.39000000", "16529.67000000", "4364.83570000",
        FIRST + HOUR - 1, "72146293.58672290", 149854, "2182.41785000", "36073146.79336145", "0",
    ]  # fmt: skip


def test_every_bar_of_the_file_is_served_once(client: Callable[..., TestClient]) -> None:
    with gzip.open(BARS_FILE, "rt", newline="") as text:
        expected = [
            (int(datetime.fromisoformat(line["timestamp"]).timestamp()) * 1000, float(line["close"]))
            for line in csv.DictReader(text)
        ]
    api, served, start = client(replay_now="2025-07-01T00:00:00Z"), [], 0
    while page := get(api, startTime=start, limit=1000):
        served += [(row[0], float(row[4])) for row in page]
        start = page[-1][0] + 1
    assert served == expected
    assert MISSING not in dict(served)


def test_which_bars_the_times_choose(client: Callable[..., TestClient]) -> None:
    api = client()
    opens = lambda **query: [row[0] for row in get(api, **query)]  # noqa: E731
    assert len(opens()) == 500
    assert opens(limit=2) == [LAST - HOUR, LAST]
    assert opens(limit=5000) == opens(limit=1000)
    assert len(opens(limit=1000)) == 1000
    assert opens(startTime=FIRST + 1, limit=2) == [FIRST + HOUR, FIRST + 2 * HOUR]
    assert opens(endTime=FIRST + HOUR, limit=9) == [FIRST, FIRST + HOUR]
    assert opens(startTime=MISSING - HOUR, endTime=MISSING + HOUR) == [MISSING - HOUR, MISSING + HOUR]
    assert opens(startTime=(FIRST + HOUR) * 1000, limit=1) == [FIRST + HOUR]
    assert opens(startTime=LAST + 1) == []


def test_the_last_bar_is_unclosed_and_closes(client: Callable[..., TestClient], seconds: Seconds) -> None:
    api = client()
    half = get(api, limit=1)[0]
    now = api.get("/api/v3/time").json()["serverTime"]
    assert (half[0], now) == (LAST, LAST + HOUR // 2)
    assert half[6] == LAST + HOUR - 1 > now
    assert half[4] == "107129.63000000"
    seconds.now += 1800
    whole = get(api, limit=1)[0]
    assert (whole[0], whole[4], whole[8]) == (LAST, "107146.50000000", 45040)
    assert half[8] == whole[8] // 2


def test_the_clock_runs_at_its_speed(client: Callable[..., TestClient], seconds: Seconds) -> None:
    api = client(replay_now="2024-01-01T00:30:00", replay_speed=3600)
    assert get(api, limit=1)[0][0] == ms(2024, 1, 1)
    seconds.now += 2
    assert get(api, limit=1)[0][0] == ms(2024, 1, 1, 2)


def test_longer_bars_are_made_of_hours(client: Callable[..., TestClient]) -> None:
    api = client()
    hours = get(api, startTime=ms(2024, 2, 1), limit=24)
    (day,) = get(api, interval="1d", startTime=ms(2024, 2, 1), limit=1)
    assert (day[0], day[6]) == (ms(2024, 2, 1), ms(2024, 2, 2) - 1)
    assert (day[1], day[4]) == (hours[0][1], hours[-1][4])
    assert float(day[2]) == max(float(row[2]) for row in hours)
    assert float(day[3]) == min(float(row[3]) for row in hours)
    assert day[8] == sum(row[8] for row in hours)
    (week,) = get(api, interval="1w", startTime=ms(2024, 2, 1), limit=1)
    assert week[0] == ms(2024, 2, 5)  # a Monday
    (month,) = get(api, interval="1M", startTime=ms(2024, 2, 1), limit=1)
    assert (month[0], month[6]) == (ms(2024, 2, 1), ms(2024, 3, 1) - 1)
    (bogota,) = get(api, interval="1d", startTime=ms(2024, 2, 1), limit=1, timeZone="-5:00")
    assert bogota[0] == ms(2024, 2, 1, 5)
    assert [row[0] for row in get(api, interval="1d", limit=2)] == [ms(2025, 6, 29), ms(2025, 6, 30)]
    assert get(api, interval="15m") == []


def test_microseconds_on_demand(client: Callable[..., TestClient]) -> None:
    answer = client().get(
        "/api/v3/klines?symbol=BTCUSDT&interval=1h&limit=1", headers={"X-MBX-TIME-UNIT": "MICROSECOND"}
    )
    assert (answer.json()[0][0], answer.json()[0][6]) == (LAST * 1000, (LAST + HOUR) * 1000 - 1)


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("symbol=NOPE&interval=1h", -1121, "Invalid symbol."),
        (
            "symbol=btcusdt&interval=1h",
            -1100,
            "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,20}$'.",
        ),
        (
            "interval=1h",
            -1102,
            "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.",
        ),
        ("symbol=&interval=1h", -1105, "Parameter 'symbol' was empty."),
        ("symbol=BTCUSDT&interval=1H", -1120, "Invalid interval."),
        (
            "symbol=BTCUSDT&interval=1h&depth=1",
            -1101,
            "Too many parameters; expected '2' and received '3'.",
        ),
        (
            "symbol=BTCUSDT&symbol=BTCUSDT&interval=1h",
            -1101,
            "Duplicate values for a parameter detected.",
        ),
        ("symbol=BTCUSDT&interval=1h&limit=0", -1130, "Data sent for parameter 'limit' is not valid."),
        (
            "symbol=BTCUSDT&interval=1h&timeZone=15:00",
            -1130,
            "Data sent for parameter 'timeZone' is not valid.",
        ),
        (
            "symbol=BTCUSDT&interval=1h&startTime=today",
            -1100,
            "Illegal characters found in parameter 'startTime'; legal range is '^[0-9]{1,20}$'.",
        ),
    ],
)
def test_the_error_table(client: Callable[..., TestClient], query: str, code: int, message: str) -> None:
    assert refusal(client(), query) == (400, code, message)


def test_too_much_is_429_then_a_ban_that_grows(client: Callable[..., TestClient], seconds: Seconds) -> None:
    api = client(request_weight_limit=5, requests_until_ban=2)
    query = "/api/v3/klines?symbol=BTCUSDT&interval=1h&limit=1"
    used = [api.get(query).headers["X-MBX-USED-WEIGHT-1M"] for _ in range(2)]
    assert used == ["2", "4"]
    seconds.now += 50
    much = api.get(query)
    assert (much.status_code, much.headers["Retry-After"], much.json()["code"]) == (429, "10", -1003)
    assert "current limit is 5 request weight per 1 MINUTE" in much.json()["msg"]
    ban = api.get(query)
    assert (ban.status_code, ban.headers["Retry-After"]) == (418, "120")
    until = LAST + HOUR // 2 + 50_000 + 120_000
    assert f"IP banned until {until}." in ban.json()["msg"]
    seconds.now += 119
    assert api.get(query).headers["Retry-After"] == "1"
    seconds.now += 1
    assert api.get(query).status_code == 200
    for _ in range(3):
        again = api.get(query)
    assert (again.status_code, again.headers["Retry-After"]) == (418, "240")


def test_a_restricted_place(client: Callable[..., TestClient]) -> None:
    answer = client(restricted=True).get("/api/v3/ping")
    assert (answer.status_code, answer.json()["code"]) == (451, 0)
    assert "restricted location" in answer.json()["msg"]


def test_exchange_info_and_health(client: Callable[..., TestClient]) -> None:
    api = client()
    answer = api.get("/api/v3/exchangeInfo", params={"symbols": json.dumps(["BTCUSDT"])})
    assert answer.headers["X-MBX-USED-WEIGHT"] == "20"
    info = answer.json()
    assert [symbol["symbol"] for symbol in info["symbols"]] == ["BTCUSDT"]
    assert info["rateLimits"][0]["limit"] == 6000
    unknown = api.get("/api/v3/exchangeInfo?symbol=NOPE").json()
    assert unknown["code"] == -1121
    assert api.get("/api/v3/ping").json() == {}
    assert api.get("/health").headers.get("X-MBX-USED-WEIGHT") is None


@pytest.mark.parametrize(("text", "reason"), [("a,b\n", "does not begin"), ("", "does not begin")])
def test_a_file_that_holds_no_bars_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "bars.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    with pytest.raises(ValueError, match=reason):
        Bars(path)


def test_head_is_answered_and_a_slash_leads_to_no_other_address(client: Callable[..., TestClient]) -> None:
    api = client()
    for path in ("/health", "/api/v3/ping"):
        assert api.head(path).status_code == 200
        assert api.get(f"{path}/", follow_redirects=False).status_code == 404
