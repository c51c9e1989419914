"""`preprocess` on a real Postgres and a real S3."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import pandas as pd
import pytest

from forest.preprocess import Preprocessed, parameters_hash, preprocess
from forest.schema import SOURCE_NAMES
from forest.snapshot import NUMBERS
from forest.tests.training.conftest import TABLE
from stepkit.errors import NothingToDo
from stepkit.settings import Settings
from stepkit.step import execute
from tests.roles import as_promotion
from tests.scripted_http import response, serving

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
Make = Callable[..., Any]


@pytest.fixture
def run_preprocess(settings: Callable[..., Settings], bucket: str) -> Callable[..., Preprocessed]:
    def run(run_id: str = "run-1", **options: Any) -> Preprocessed:
        given = {"table": TABLE, "run_after": NOON, "bucket": bucket, "min_rows": 100} | options
        return preprocess(settings(run_id), **given)

    return run


def test_the_snapshot_is_named_by_the_run(
    run_preprocess: Make, insert: Make, covertype: pd.DataFrame
) -> None:
    insert(covertype[:3000])
    found = run_preprocess("manual__2026-11-21T12:00:00+00:00")
    assert found.snapshot_uri.endswith(
        "/forest/preprocessed/manual__2026-11-21T12-00-00-00-00/forest_cover_preprocessed_20261121T120000Z.parquet"
    )
    assert found.train_rows + found.test_rows == found.rows == 3000
    assert (found.classes, found.captures) == (7, 1)


def test_a_second_teams_table_gives_the_same_snapshot(
    run_preprocess: Make, insert: Make, covertype: pd.DataFrame
) -> None:
    insert(covertype[:3000])
    insert(covertype[:3000], "train_data.forest_cover_data", SOURCE_NAMES)
    ours, theirs = run_preprocess("a"), run_preprocess("b", table="train_data.forest_cover_data")
    assert ours.snapshot_sha256 == theirs.snapshot_sha256


def test_a_retry_keeps_the_snapshot_of_the_first_try(
    run_preprocess: Make, insert: Make, covertype: pd.DataFrame
) -> None:
    insert(covertype[:3000])
    first = run_preprocess()
    insert(covertype[3000:4000], capture=2)
    assert run_preprocess() == first
    assert run_preprocess("run-2").rows == 4000


@pytest.mark.parametrize(
    ("rows", "options", "sentence"),
    [
        (0, {}, "has 0 rows; training needs 100 and waits for more"),
        (3000, {"min_rows": 3001}, "has 3000 rows; training needs 3001"),
        (3000, {"min_captures": 2}, "has 1 captures; training needs 2"),
    ],
)
def test_too_little_data_is_a_skip(
    run_preprocess: Make,
    insert: Make,
    covertype: pd.DataFrame,
    rows: int,
    options: dict[str, int],
    sentence: str,
) -> None:
    insert(covertype[:rows])
    with pytest.raises(NothingToDo, match=sentence):
        run_preprocess(**options)


@pytest.mark.parametrize(("min_classes", "needed"), [(7, 7), (2, 2)])
def test_a_single_class_is_a_skip(
    run_preprocess: Make, insert: Make, covertype: pd.DataFrame, min_classes: int, needed: int
) -> None:
    insert(covertype[covertype["cover_type"] == 1][:500])
    with pytest.raises(NothingToDo, match=f"has 1 classes among its training rows; training needs {needed}"):
        run_preprocess(min_classes=min_classes)


def test_rows_that_were_trained_with_these_parameters_are_a_skip(
    run_preprocess: Make, insert: Make, query: Make, covertype: pd.DataFrame, forest_database: str
) -> None:
    insert(covertype[:3000])
    parameters = {"seed": "1", "min_metric": "0.4"}
    first = run_preprocess("run-1", training_parameters=parameters)
    query(
        "INSERT INTO forest.trainings (model_name, data_sha256, parameters_sha256, dag_id, run_id)"
        " VALUES ('forest', %s, %s, 'training', 'run-1')",
        [first.snapshot_sha256, parameters_hash(parameters)],
        as_promotion(forest_database),
    )
    with pytest.raises(NothingToDo, match="run run-1 has trained on these rows"):
        run_preprocess("run-2", training_parameters={"min_metric": "0.4", "seed": "1"})
    for run_id, changed in (("run-3", {"seed": "2"}), ("run-4", {"min_metric": "0.3"})):
        again = run_preprocess(run_id, training_parameters=parameters | changed)
        assert again.snapshot_sha256 == first.snapshot_sha256


def test_missing_values_reach_the_snapshot(
    run_preprocess: Make, insert: Make, covertype: pd.DataFrame
) -> None:
    rows = covertype[:3000].astype(dict.fromkeys(NUMBERS, "Int64"))
    rows.loc[:50, "slope"] = pd.NA
    rows.loc[:50, "soil_type"] = None
    insert(rows)
    assert run_preprocess().rows == 3000


def test_a_full_s3_is_tried_again_and_leaves_nothing(
    insert: Make, covertype: pd.DataFrame, forest_database: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(covertype[:3000])
    options = ["--table", TABLE, "--run-after", NOON.isoformat(), "--bucket", bucket, "--run-id", "r1"]
    environment = {"DATABASE_URL": forest_database}
    with serving(response(404), response(507)) as full, monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", full.url)
        assert execute(preprocess, options, environment) == 75
    assert boto3.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    assert execute(preprocess, options, environment) == 0
