"""`export` on a real S3."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from forest.export import Exported, export
from forest.schema import NAMES, SOURCE_NAMES
from forest.tests.ingest.captures import answer, rows
from stepkit.errors import InvalidInput, NothingToDo
from stepkit.s3 import ObjectMissing, ObjectStore
from stepkit.settings import Run, Settings
from stepkit.step import execute
from tests.scripted_http import response, serving

TABLE = "forest.forest_cover_samples"
NOON = datetime.fromisoformat("2026-11-21T13:00:00+01:00")


@pytest.fixture
def run_export(bucket: str) -> Callable[..., Exported]:
    def run(body: bytes, run_id: str = "r1", table: Any = TABLE, run_after: datetime = NOON) -> Exported:
        raw_uri = f"s3://{bucket}/raw/{run_id}/data.json"
        ObjectStore().put(raw_uri, body)
        settings = Settings(run=Run(dag_id="dag", run_id=run_id))
        return export(settings, raw_uri=raw_uri, run_after=run_after, table=table, bucket=bucket)

    return run


def lines(exported: Exported) -> list[list[str]]:
    return list(csv.reader(io.StringIO(ObjectStore().get(exported.csv_uri).decode())))


def test_the_file_holds_the_rows_of_the_runs_own_answer_in_its_order(
    run_export: Callable[..., Exported], bucket: str
) -> None:
    run_export(answer(rows(30), batch=2), "r1")
    captured = [*reversed(rows(20, first=20)), *rows(1)]
    exported = run_export(answer(captured, batch=2), "r2")
    csv_uri = f"s3://{bucket}/forest/export/r2/forest_cover_samples.csv"
    assert exported == Exported(csv_uri, rows=21, batch_number=2)
    assert lines(exported) == [
        [*NAMES, "batch_number", "captured_at"],
        *([*row, "2", "2026-11-21 12:00:00+00:00"] for row in captured),
    ]


def test_rows_are_written_as_load_reads_them(run_export: Callable[..., Exported]) -> None:
    (row,) = rows(1)
    row[0], row[10], row[11] = "", " RAWAH", "c2717 "
    exported = run_export(answer([row]), table="train_data.forest_cover_data")
    header, written = lines(exported)
    assert header[:13] == list(SOURCE_NAMES)
    assert written[:13] == ["", *row[1:10], "Rawah", "C2717", row[12]]


def test_a_retry_writes_the_same_bytes(run_export: Callable[..., Exported]) -> None:
    first = ObjectStore().get(run_export(answer(rows(20))).csv_uri)
    assert ObjectStore().get(run_export(answer(rows(20))).csv_uri) == first


@pytest.mark.parametrize(
    ("body", "options", "ending", "sentence"),
    [
        (answer([]), {}, NothingToDo, "sent no rows"),
        (b"<html>", {}, InvalidInput, "answered HTML"),
        (answer([["1"] * 12]), {}, InvalidInput, "row 1 has 12 fields"),
    ],
)
def test_what_load_does_not_take_is_not_written(
    run_export: Callable[..., Exported],
    bucket: str,
    body: bytes,
    options: dict[str, str],
    ending: type[Exception],
    sentence: str,
) -> None:
    with pytest.raises(ending, match=sentence):
        run_export(body, **options)
    assert not ObjectStore().exists(f"s3://{bucket}/forest/export/r1/forest_cover_samples.csv")


def test_an_answer_that_is_not_there_is_refused(bucket: str) -> None:
    settings = Settings(run=Run(run_id="r9"))
    with pytest.raises(ObjectMissing, match="no object at"):
        export(settings, raw_uri=f"s3://{bucket}/none", run_after=NOON, table=TABLE, bucket=bucket)


def test_a_full_s3_is_tried_again_and_leaves_nothing(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body, raw_uri = answer(rows(20)), f"s3://{bucket}/raw/data.json"
    ObjectStore().put(raw_uri, body)
    options = ["--raw-uri", raw_uri, "--run-after", NOON.isoformat(), "--table", TABLE]
    options += ["--bucket", bucket, "--run-id", "r1"]
    csv_uri = f"s3://{bucket}/forest/export/r1/forest_cover_samples.csv"
    with serving(response(200, body), response(507)) as full, monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", full.url)
        assert execute(export, options, {}) == 75
    assert not ObjectStore().exists(csv_uri)
    assert execute(export, options, {}) == 0
    assert ObjectStore().exists(csv_uri)
