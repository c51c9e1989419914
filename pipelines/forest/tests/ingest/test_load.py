"""`load` on a real Postgres and a real S3."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from forest.load import Loaded, load
from forest.schema import NAMES, SOURCE_NAMES
from forest.tests.ingest.captures import answer, rows
from stepkit.errors import DependencyUnavailable, InvalidInput, NothingToDo
from stepkit.s3 import ObjectStore
from stepkit.settings import Run, Settings

TABLE = "forest.forest_cover_samples"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def query(forest_database: str) -> Callable[[str], list[Any]]:
    def run(statement: str) -> list[Any]:
        connection = psycopg2.connect(forest_database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall()
        finally:
            connection.close()

    return run


@pytest.fixture
def run_load(forest_database: str, bucket: str) -> Callable[..., Loaded]:
    def run(run_id: str, body: bytes, table: Any = TABLE, run_after: datetime = NOON) -> Loaded:
        raw_uri = f"s3://{bucket}/forest/raw/{run_id}/data.json"
        ObjectStore().put(raw_uri, body)
        settings = Settings(run=Run(dag_id="dag", run_id=run_id), database_url=forest_database)
        return load(settings, table=table, raw_uri=raw_uri, run_after=run_after)

    return run


@pytest.fixture
def local(forest_database: str) -> Settings:
    return Settings(database_url=forest_database)


def written(path: Path, content: list[list[str]]) -> Path:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", newline="") as text:
        csv.writer(text).writerows([SOURCE_NAMES, *content])
    return path


def test_each_row_is_kept_once(run_load: Callable[..., Loaded], query: Callable[[str], list[Any]]) -> None:
    assert run_load("r1", answer(rows(50), batch=1)) == Loaded(TABLE, 50, 50, 0, 1)
    assert run_load("r2", answer(rows(50, first=30), batch=1)) == Loaded(TABLE, 50, 30, 20, 1)
    assert query(f"SELECT count(*), count(DISTINCT ({', '.join(NAMES)})) FROM {TABLE}") == [(80, 80)]


def test_rows_with_missing_values_are_kept_once(run_load: Callable[..., Loaded]) -> None:
    (row,) = rows(1)
    row[0] = row[10] = ""
    assert run_load("r1", answer([row, row])).rows_new == 1


def test_a_retry_gives_the_first_result(
    run_load: Callable[..., Loaded], query: Callable[[str], list[Any]]
) -> None:
    first = run_load("r1", answer(rows(50)))
    assert run_load("r1", answer(rows(50))) == first
    assert query("SELECT rows_read, rows_new, rows_duplicate FROM forest.ingest_audit") == [(50, 50, 0)]


def test_nothing_new_is_a_skip_that_the_audit_knows(
    run_load: Callable[..., Loaded], query: Callable[[str], list[Any]]
) -> None:
    run_load("r1", answer(rows(50)))
    for _ in range(2):
        with pytest.raises(
            NothingToDo, match=r"all 50 rows of .* were in forest.forest_cover_samples already"
        ):
            run_load("r2", answer(rows(50)))
    assert query("SELECT run_id, rows_new FROM forest.ingest_audit ORDER BY 1") == [("r1", 50), ("r2", 0)]


def test_the_watermark_never_goes_back(
    run_load: Callable[..., Loaded], query: Callable[[str], list[Any]]
) -> None:
    run_load("r2", answer(rows(5), batch=2))
    run_load("r1", answer(rows(5, first=9), batch=1), run_after=NOON - timedelta(hours=1))
    assert query("SELECT run_id, batch_number FROM forest.ingest_watermarks") == [("r2", 2)]


def test_a_row_that_is_no_sample_is_left_out_and_told_of(
    run_load: Callable[..., Loaded], query: Callable[[str], list[Any]]
) -> None:
    sent = rows(5)
    sent[2] = sent[2][:12]
    loaded = run_load("r1", answer(sent))
    assert loaded == run_load("r1", answer(sent)) == Loaded(TABLE, 4, 4, 0, 0, rows_refused=1)
    assert query("SELECT rows_read, rows_refused, refusals FROM forest.ingest_audit") == [
        (4, 1, ["row 3 has 12 fields; a sample has 13 fields"])
    ]


def test_the_second_team_has_the_sources_names(
    run_load: Callable[..., Loaded], query: Callable[[str], list[Any]]
) -> None:
    run_load("r1", answer(rows(5)), table="train_data.forest_cover_data")
    assert query('SELECT count("Wilderness_Area") FROM train_data.forest_cover_data') == [(5,)]
    assert query(f"SELECT count(*) FROM {TABLE}") == [(0,)]


@pytest.mark.parametrize("name", ["all.csv", "all.csv.gz"])
def test_a_whole_file_is_loaded_once(
    local: Settings, query: Callable[[str], list[Any]], tmp_path: Path, name: str
) -> None:
    path = written(tmp_path / name, rows(12_000))
    table = "forest_full.forest_cover_samples"
    first = load(local, table=table, file=path)
    assert first.rows_new == 12_000
    assert load(local, table=table, file=path) == first
    assert query(f"SELECT count(*) FROM {table}") == [(12_000,)]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("a,b\n1,2\n", "all.csv: line 1 is 'a,b', not the header Elevation,Aspect"),
        ("", "all.csv is empty: its first line must be Elevation"),
        (",".join(SOURCE_NAMES) + "\n1,2\n", "all.csv: line 2 has 2 fields"),
        (",".join(SOURCE_NAMES) + "\nhigh" + ",1" * 12 + "\n", "all.csv: line 2 column Elevation: 'high'"),
        (",".join(SOURCE_NAMES) + '\n"1', "all.csv cannot be read as CSV"),
    ],
)
def test_a_file_that_holds_no_samples_is_refused(
    local: Settings, query: Callable[[str], list[Any]], tmp_path: Path, content: str, sentence: str
) -> None:
    (tmp_path / "all.csv").write_text(content)
    with pytest.raises(InvalidInput, match=sentence):
        load(local, table=TABLE, file=tmp_path / "all.csv")
    assert query("SELECT count(*) FROM forest.ingest_audit") == [(0,)]


def test_a_cut_gzip_file_is_refused(local: Settings, tmp_path: Path) -> None:
    path = written(tmp_path / "all.csv.gz", rows(1000))
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InvalidInput, match="cannot be read as CSV"):
        load(local, table=TABLE, file=path)


def test_options_that_do_not_fit_are_refused(local: Settings, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="either --raw-uri"):
        load(local, table=TABLE)
    with pytest.raises(InvalidInput, match="there is no file"):
        load(local, table=TABLE, file=tmp_path / "none.csv")
    with pytest.raises(InvalidInput, match=r"--run-after .* is required"):
        load(local, table=TABLE, raw_uri="s3://data/key")


def test_a_step_cannot_change_or_remove_what_is_written(
    run_load: Callable[..., Loaded], query: Callable[[str], list[Any]]
) -> None:
    run_load("r1", answer(rows(1)))
    for statement in (
        "DELETE FROM forest.ingest_audit",
        f"UPDATE {TABLE} SET cover_type = 0",
        f"TRUNCATE {TABLE}",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            query(statement)


def test_postgres_away_is_an_outage(tmp_path: Path) -> None:
    gone = Settings(database_url="postgresql://forest@127.0.0.1:1/quintet")
    with pytest.raises(DependencyUnavailable, match="Postgres"):
        load(gone, table=TABLE, file=written(tmp_path / "all.csv", rows(1)))
