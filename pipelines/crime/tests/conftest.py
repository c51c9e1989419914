"""A portal whose clock moves when told, and the settings of the steps that read it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import psycopg2
import pytest

from crime.download_data import Downloaded, download_data
from stepkit.settings import Run, Settings

DAY = 86400.0


@dataclass
class Portal:
    """A running SODA server."""

    url: str
    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds

    def wait(self, days: float) -> None:
        self.seconds += days * DAY


@contextmanager
def serving(**settings: Any) -> Iterator[Portal]:
    # Not at the top: the environment of a step has no portal, and tests without one run in it.
    import uvicorn

    from socrata.app import create_app
    from socrata.settings import Settings as PortalSettings

    given = {"rows_per_year": 6000, "months": 14, "replay_now": datetime(2026, 7, 26, 12, tzinfo=UTC)}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        portal = Portal(f"http://127.0.0.1:{listener.getsockname()[1]}")
        app = create_app(PortalSettings(**{**given, **settings}), portal)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield portal
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def portal() -> Iterator[Portal]:
    with serving() as running:
        yield running


@pytest.fixture
def crime_database(make_database: Callable[[str], str]) -> str:
    return make_database("crime")


@pytest.fixture
def settings(crime_database: str) -> Callable[..., Settings]:
    """Makes the settings of a run."""

    def make(run_id: str = "run-1", **more: Any) -> Settings:
        run = Run(dag_id="etl_with_taskflow", run_id=run_id)
        return Settings(run=run, database_url=crime_database, model_name="crime", **more)

    return make


@pytest.fixture
def download(settings: Callable[..., Settings], portal: Portal, bucket: str) -> Callable[..., Downloaded]:
    def run(run_id: str = "run-1", **options: Any) -> Downloaded:
        given = {"source_url": portal.url, "bucket": bucket, "page_rows": 700}
        return download_data(settings(run_id), **{**given, **options})

    return run


@pytest.fixture
def query(crime_database: str) -> Callable[..., list[Any]]:
    """Asks Postgres as the pipeline's role, unless a URL of another is given."""

    def run(statement: str, url: str = crime_database) -> list[Any]:
        connection = psycopg2.connect(url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall()
        finally:
            connection.close()

    return run


@pytest.fixture
def stations() -> pd.DataFrame:
    """Three real stations and Headquarters, as the portal has them."""
    rows = [
        ("Headquarters", "Headquarters", "3510 S Michigan Ave", "60653", "41.83086072", "-87.62330200"),
        ("1", "Central", "1718 S State St", "60616", "41.85837259", "-87.62735617"),
        ("2", "Wentworth", "5101 S Wentworth Ave", "60609", "41.80181109", "-87.63056018"),
        ("18", "Near North", "1160 N Larrabee St", "60610", "41.90324165", "-87.64335214"),
    ]
    columns = ["district", "district_name", "address", "zip", "latitude", "longitude"]
    return pd.DataFrame(rows, columns=columns, dtype="str")
