"""A database with SIPSA's tables, and steps on it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest

from sipsa.merge import Merged, merge
from sipsa.stage import Staged, stage
from sipsa.tests.answers import CITY, packed
from stepkit.s3 import ObjectStore
from stepkit.settings import Run, Settings

DAG = "dane_sipsa_prices_ingestion"


@pytest.fixture
def sipsa_database(make_database: Callable[[str], str]) -> str:
    """The URL, as role `sipsa`, of a fresh database with SIPSA's tables."""
    return make_database("sipsa")


@pytest.fixture
def query(sipsa_database: str) -> Callable[[str], list[Any]]:
    def run(statement: str) -> list[Any]:
        connection = psycopg2.connect(sipsa_database)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    return run


@pytest.fixture
def settings(sipsa_database: str) -> Callable[[str], Settings]:
    def of(run_id: str) -> Settings:
        return Settings(run=Run(dag_id=DAG, run_id=run_id), database_url=sipsa_database)

    return of


@pytest.fixture
def run_stage(settings: Callable[[str], Settings], bucket: str) -> Callable[..., Staged]:
    """Stages rows, or an answer as extract keeps it; runs r1, r2, … are one day after another."""

    def run(
        run_id: str, rows: Iterable[Mapping[str, str]] | bytes, operation: Any = CITY, **options: Any
    ) -> Staged:
        body = rows if isinstance(rows, bytes) else packed(rows, operation)
        raw_uri = f"s3://{bucket}/sipsa/raw/{operation}/{run_id}/answer.xml.gz"
        ObjectStore().put(raw_uri, body)
        return stage(
            settings(run_id),
            operation=operation,
            raw_uri=raw_uri,
            raw_sha256=hashlib.sha256(body).hexdigest(),
            run_after=datetime(2025, 7, 10, 19, 30, tzinfo=UTC) + timedelta(days=int(run_id[1:])),
            **options,
        )

    return run


@pytest.fixture
def run_merge(settings: Callable[[str], Settings]) -> Callable[..., Merged]:
    def run(run_id: str, operation: Any = CITY) -> Merged:
        return merge(settings(run_id), operation=operation)

    return run
