"""The three steps against our own SIPSA server: what it serves is what is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from sipsa.extract import extract
from sipsa.merge import Merged, merge
from sipsa.schema import BOGOTA, REPORTS
from sipsa.stage import stage
from sipsa_ws.history import Histories
from sipsa_ws.quotes import Quotes
from stepkit.errors import NothingToDo
from stepkit.http import Limits
from stepkit.settings import Settings
from tests.sources.sipsa_server import sipsa_server

START = "2025-05-20"
NOW = datetime(2025, 7, 10, 15, tzinfo=BOGOTA)
CITY = "promediosSipsaCiudad"


@pytest.fixture
def run_all(settings: Callable[[str], Settings], bucket: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("sipsa.extract.LIMITS", Limits(attempts=4, first_wait=0))

    def run(url: str, run_id: str, operation: Any = CITY, moment: datetime = NOW) -> Merged:
        of_run = settings(run_id)
        extracted = extract(of_run, operation=operation, source_url=url, bucket=bucket)
        stage(
            of_run,
            operation=operation,
            raw_uri=extracted.raw_uri,
            raw_sha256=extracted.sha256,
            run_after=moment,
        )
        return merge(of_run, operation=operation)

    return run


@pytest.fixture
def served_at() -> Callable[[datetime], dict[tuple[str, str, date], int]]:
    """What the report by city says at a moment: price by city, product and day."""
    histories = Histories(Quotes(), date.fromisoformat(START))

    def rows(now: datetime) -> dict[tuple[str, str, date], int]:
        return {
            (row["ciudad"], row["codProducto"], date.fromisoformat(row["fechaCaptura"][:10])): int(
                row["precioPromedio"]
            )
            for some in histories.answer(CITY, now)
            for row in some
        }

    return rows


def kept(query: Callable[[str], list[Any]]) -> dict[tuple[str, str, date], int]:
    found = query(
        "SELECT ciudad, cod_producto::text, fecha_captura, precio_promedio"
        " FROM sipsa_data.promedios_sipsa_ciudad"
    )
    return {(city, product, day): int(price) for city, product, day, price in found}


def test_what_is_served_is_kept_as_the_clock_moves(
    run_all: Any, served_at: Any, query: Callable[[str], list[Any]]
) -> None:
    today, later = served_at(NOW), served_at(NOW + timedelta(days=4))
    with sipsa_server(HISTORY_START=START, REPLAY_NOW=NOW.isoformat()) as server:
        assert run_all(server.url, "r1").rows_new == len(today)
        assert kept(query) == today
        with pytest.raises(NothingToDo, match="is the same as in run r1, which has merged it"):
            run_all(server.url, "r2")
    corrected = sum(price != later[key] for key, price in today.items())
    assert corrected > 0
    with sipsa_server(HISTORY_START=START, REPLAY_NOW=(NOW + timedelta(days=4)).isoformat()) as server:
        merged = run_all(server.url, "r3", moment=NOW + timedelta(days=4))
    # Of a corrected row the time of its making changes too, and of no other.
    assert (merged.rows_new, merged.rows_changed) == (len(later) - len(today), corrected)
    assert kept(query) == later


def test_faults_and_cut_answers_are_survived(
    run_all: Any, served_at: Any, query: Callable[[str], list[Any]]
) -> None:
    faults = {"FAULT_ANSWERS": "1", "CUT_ANSWERS": "2"}
    with sipsa_server(HISTORY_START=START, REPLAY_NOW=NOW.isoformat(), **faults) as server:
        assert run_all(server.url, "r1").rows_new == len(served_at(NOW))
    assert kept(query) == served_at(NOW)


@pytest.mark.parametrize("operation", sorted(REPORTS))
def test_every_report_is_read(operation: str, run_all: Any) -> None:
    with sipsa_server(HISTORY_START=START, REPLAY_NOW=NOW.isoformat()) as server:
        merged = run_all(server.url, "r1", operation)
    assert merged.rows_read == merged.rows_new > 3_000
    assert (merged.rows_duplicate, merged.table) == (0, REPORTS[operation].table)
