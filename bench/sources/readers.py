"""What reads each source, as a step without a store; and right answers, as it asks for them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from bitcoin import capture
from bitcoin import extract as bitcoin_extract
from bitcoin.market import Market
from bitcoin.schema import moment
from bitcoin.tests.rows import FIRST, HOUR, row
from crime import crimes_file
from crime.portal import Portal
from crime.soda import Soda
from crime.window import Window
from forest import extract as forest_extract
from forest.tests.ingest import captures
from sipsa import extract as sipsa_extract
from sipsa import ledger
from sipsa.schema import REPORTS
from sipsa.stage import read
from sipsa.tests.answers import CITY, answer, city_row
from sipsa_ws.wsdl import schema, wsdl
from stepkit.http import Client, Limits
from stepkit.settings import Settings

_LIMITS = Limits(attempts=2, connect_timeout=1, read_timeout=0.3, answer_timeout=2, max_bytes=4 << 20)
_GROUP = 3
_PATH = "/sipsaWS/SrvSipsaUpraBeanService"
_CRIME = {
    "id": "13311263", "case_number": "JH1", "date": "2026-06-29T07:35:00.000", "block": "0X W X ST",
    "primary_type": "THEFT", "arrest": False, "domestic": True, "updated_on": "2026-07-08T15:41:08.000",
    "latitude": "41.85", "longitude": "-87.65",
}  # fmt: skip
_STATION = {"district": "1", "district_name": "Central", "latitude": "41.85", "longitude": "-87.62"}


@dataclass(frozen=True)
class Reader:
    """A step that takes `--url`, and what a source answers it."""

    step: Callable[..., Any]
    answers: list[Any]


def _client(**options: Any) -> Client:
    return Client(_LIMITS, sleep=lambda seconds: None, **options)


def forest(settings: Settings, *, url: str) -> dict[str, Any]:
    """Reads a capture."""
    found = forest_extract.check(forest_extract.ask(_client(), url, _GROUP), url, _GROUP)
    return {"rows": len(found.rows), "batch": found.batch_number}


def crime(settings: Settings, *, url: str) -> dict[str, Any]:
    """Reads a window, and makes the query for the news that follow it."""
    portal = Portal(Soda(url, client=_client(ask_again={202})), "ijzp-q8t2", "z8bn-74gv", page_rows=2)
    window = Window.before(portal.now(), 12)
    with tempfile.TemporaryDirectory() as folder:
        raw, stations = Path(folder, "crimes.csv"), Path(folder, "stations.csv")
        portal.receive_crimes(window.condition(), raw)
        portal.receive_stations(stations)
        merged = crimes_file.merge(None, crimes_file.read(raw), window)
        if not len(merged.table):
            return {"rows": 0}
        since = crimes_file.moment(merged.updated_on)
    return {"rows": len(merged.table), "next": window.news(window, since) if since else ""}


def bitcoin(settings: Settings, *, url: str) -> dict[str, Any]:
    """Reads bars, and writes and reads the document of them."""
    taken = bitcoin_extract.take(Market(url, _client(ask_again={418})), "BTCUSDT", "1h", FIRST, 5000)
    bars, _ = capture.read(taken.to_json(), url).bars(url, capture.MAX_REFUSED_SHARE)
    return {"bars": len(bars), "last": moment(bars[-1].open_time).isoformat()}


def sipsa(settings: Settings, *, url: str) -> dict[str, Any]:
    """Reads an interface and an answer, and its rows."""
    source = ledger.Source(CITY, "dag", "run", url, "0" * 64, datetime.now(UTC), date(1990, 1, 1))
    counts = ledger.Counts()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "answer.xml.gz")
        sipsa_extract.ask(_client(), f"{url}{_PATH}?WSDL", "promediosSipsaCiudad", path)
        rows = sum(1 for _ in read(path, REPORTS[CITY], source, counts))
    return {"rows": rows, "refused": counts.refused.refused}


_ADDRESS = f"http://127.0.0.1:80{_PATH}"
READERS = {
    "forest": Reader(forest, [{"group_number": _GROUP, "batch_number": 1, "data": captures.rows(3)}]),
    "crime": Reader(
        crime,
        [
            {"id": "ijzp-q8t2", "rowsUpdatedAt": 1784989268},
            [{"count": "3"}],
            [_CRIME, {**_CRIME, "id": "13311264"}],
            [{**_CRIME, "id": "13311265"}],
            [_STATION],
        ],
    ),
    "bitcoin": Reader(bitcoin, [{"serverTime": FIRST + 10 * HOUR}, [row(number) for number in range(3)]]),
    "sipsa": Reader(
        sipsa,
        [
            wsdl(_ADDRESS, f"{_ADDRESS}?xsd=1").encode(),
            schema().encode(),
            answer([city_row(number) for number in range(3)]),
        ],
    ),
}
