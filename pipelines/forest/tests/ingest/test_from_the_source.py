"""Extract, load and export against our own forest data API: what it serves is what is kept."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pytest

from forest.export import export
from forest.extract import extract
from forest.load import load
from stepkit.errors import InvalidInput, NothingToDo
from stepkit.s3 import ObjectStore
from stepkit.settings import Run, Settings
from tests.services import answers, free_ports, process

TABLE = "forest.forest_cover_samples"
GROUP = 3
BATCHES = 10
SOURCES = Path(__file__).resolve().parents[4] / "sources"


@pytest.fixture
def source_url(tmp_path: Path) -> Iterator[str]:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    environment = {
        "PORT": str(port),
        "STATE_DIR": str(tmp_path),
        "MIN_UPDATE_SECONDS": "0",
        "PYTHONPATH": str(SOURCES),
    }
    command = [sys.executable, "-m", "forest_api"]
    with process(command, tmp_path / "log", environment, ready=lambda: answers(f"{url}/health")):
        yield url


def test_distinct_rows_served_are_the_rows_kept_and_the_end_is_a_skip(
    source_url: str, bucket: str, forest_database: str
) -> None:
    served = set()
    for capture in range(BATCHES):
        settings = Settings(
            run=Run(dag_id="forest_cover_data_pipeline", run_id=f"r{capture}"), database_url=forest_database
        )
        extracted = extract(settings, source_url=source_url, group_number=GROUP, bucket=bucket)
        assert (extracted.batch_number, extracted.rows) == (capture, 5810)
        if capture < 3:
            answer = json.loads(ObjectStore().get(extracted.raw_uri))
            served |= {tuple(row) for row in answer["data"]}
            run_after = datetime(2026, 11, 21, 12, capture, tzinfo=UTC)
            loaded = load(settings, table=TABLE, raw_uri=extracted.raw_uri, run_after=run_after)
            assert loaded.rows_read == loaded.rows_new + loaded.rows_duplicate == 5810
            exported = export(
                settings, raw_uri=extracted.raw_uri, run_after=run_after, table=TABLE, bucket=bucket
            )
            assert exported.rows == loaded.rows_read
    connection = psycopg2.connect(forest_database)
    with connection, connection.cursor() as rows:
        rows.execute(f"SELECT count(*) FROM {TABLE}")
        assert rows.fetchone() == (len(served),)
    connection.close()

    after = Settings(run=Run(run_id="r10"))
    with pytest.raises(NothingToDo, match="has served all its data"):
        extract(after, source_url=source_url, group_number=GROUP, bucket=bucket)
    with pytest.raises(InvalidInput, match="refuses --group-number 11: 400"):
        extract(after, source_url=source_url, group_number=11, bucket=bucket)
