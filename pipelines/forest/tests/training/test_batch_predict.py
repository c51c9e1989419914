"""A table's predictions: the champion's, as the API gives them, each row once whatever ends the step."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

import bundle
from bundle.exporter import columns_of
from forest.batch_predict import batch_predict
from forest.snapshot import FEATURES
from stepkit.errors import InvalidInput
from stepkit.promotion.decisions import Model
from stepkit.promotion.scoring import open_bundle
from stepkit.s3 import ObjectStore

Make = Callable[..., Any]
ROWS = 2500


@pytest.fixture
def champion(run_evaluate: Make, run_promote: Make, world: Make, training: Any, tmp_path: Path) -> Any:
    """The bundle that promotion has chosen: a forest."""
    run_promote("1", run_evaluate("1", "random_forest"))
    found = training.candidates["random_forest"]
    model = Model("random_forest", found.mlflow_run_id, found.bundle_digest, "")
    return open_bundle(world("2"), model, tmp_path)


@pytest.fixture
def table(covertype: pd.DataFrame, bucket: str, tmp_path: Path) -> str:
    """A file of two row groups, the second small; one row holds a category that training has not seen."""
    rows = covertype[-ROWS:].drop(columns="cover_type").reset_index(drop=True)
    rows.loc[7, "soil_type"] = "C9999"
    rows.insert(0, "plot", range(ROWS))
    path = tmp_path / "rows.parquet"
    rows.to_parquet(path, row_group_size=2000, index=False)
    uri = f"s3://{bucket}/forest/rows.parquet"
    ObjectStore().upload(path, uri)
    return uri


def read(uri: str, folder: Path) -> pd.DataFrame:
    store, found = ObjectStore(), []
    for part in sorted(each.uri for each in store.listed(f"{uri}/part-")):
        store.download(part, folder / "part")
        found.append(pq.read_table(folder / "part").to_pandas())
    return pd.concat(found, ignore_index=True)


def test_each_row_has_the_answer_that_serving_gives(
    champion: bundle.Bundle, table: str, world: Make, bucket: str, tmp_path: Path
) -> None:
    done = batch_predict(
        world("2"), input_uri=table, output_uri=f"s3://{bucket}/forest/out/", rows_at_once=300
    )

    assert (done.rows, done.parts, done.parts_found, done.complete) == (ROWS, 9, 0, True)
    assert done.bundle_digest == champion.digest
    found = read(done.output_uri, tmp_path)
    assert found["plot"].tolist() == list(range(ROWS))
    said = champion.predict(columns_of(found[list(FEATURES)]))
    assert found["prediction"].tolist() == said.labels.tolist()
    assert (
        found["prediction_name"][0]
        == {each.value: each.name for each in champion.contract.labels}[said.labels[0]]
    )
    shares = [f"probability_{label.value}" for label in champion.contract.labels]
    assert found[shares].to_numpy().tolist() == said.probabilities.tolist()
    unknown = found["unknown_categories"].map(list)
    assert unknown[7] == ["soil_type"]
    assert unknown[unknown.map(len) > 0].index.tolist() == [7]


def test_pods_share_the_rows_and_the_last_says_that_all_are_there(
    champion: bundle.Bundle, table: str, world: Make, bucket: str, tmp_path: Path
) -> None:
    asked = {
        "input_uri": table,
        "output_uri": f"s3://{bucket}/forest/out",
        "rows_at_once": 300,
        "partitions": 2,
    }
    first = batch_predict(world("2"), partition=0, **asked)
    with pytest.raises(InvalidInput, match="it counts from 0 and is below --partitions"):
        batch_predict(world("2"), partition=2, **asked)
    second = batch_predict(world("2"), partition=1, **asked)

    assert (first.complete, second.complete) == (False, True)
    assert first.rows + second.rows == ROWS
    assert read(first.output_uri, tmp_path)["plot"].tolist() == list(range(ROWS))
    told = json.loads(ObjectStore().get(f"{first.output_uri}/_complete.json"))
    assert told == {"rows": ROWS, "parts": first.parts + second.parts}


def test_a_killed_step_goes_on_where_it_was(
    champion: bundle.Bundle, table: str, world: Make, bucket: str, tmp_path: Path
) -> None:
    asked = {"input_uri": table, "output_uri": f"s3://{bucket}/forest/out", "rows_at_once": 300, "threads": 1}
    settings = world("2")
    child = multiprocessing.get_context("fork").Process(target=_killed_after, args=(3, settings, asked))
    child.start()
    child.join(120)
    assert child.exitcode == -9

    done = batch_predict(settings, **asked)
    assert (done.parts, done.parts_found, done.complete) == (9, 3, True)
    assert read(done.output_uri, tmp_path)["plot"].tolist() == list(range(ROWS))


def _killed_after(parts: int, settings: Any, asked: dict[str, Any]) -> None:
    import os
    import signal

    upload, done = ObjectStore.upload, []

    def counted(self: ObjectStore, path: Path, uri: str) -> str:
        if len(done) == parts:
            os.kill(os.getpid(), signal.SIGKILL)
        done.append(uri)
        return upload(self, path, uri)

    ObjectStore.upload = counted  # type: ignore[method-assign]
    batch_predict(settings, **asked)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda rows: rows.drop(columns="aspect"), "has no column aspect, which the model takes"),
        (
            lambda rows: rows.assign(aspect=rows["aspect"].astype(str)),
            "column aspect holds .*string; the model takes numbers",
        ),
        (lambda rows: rows.assign(soil_type=1), "column soil_type holds int64; the model takes texts"),
        (lambda rows: rows.assign(prediction=1), "column prediction has the name of an answer: rename it"),
        (
            lambda rows: rows.assign(aspect=rows["aspect"].astype(float).mask(rows.index == 1200, 1e200)),
            "row 1201 column aspect: the value is not a number within -1e.100 and 1e.100",
        ),
        (
            lambda rows: rows.assign(slope=rows["slope"].mask(rows.index == 42)),
            "row 43 column slope: the value is missing",
        ),
    ],
)
def test_what_the_model_does_not_take_is_named(
    champion: bundle.Bundle, table: str, world: Make, bucket: str, tmp_path: Path, spoil: Any, sentence: str
) -> None:
    path = tmp_path / "spoilt.parquet"
    ObjectStore().download(table, path)
    spoil(pd.read_parquet(path)).to_parquet(path, row_group_size=1000, index=False)
    uri = f"s3://{bucket}/forest/spoilt.parquet"
    ObjectStore().upload(path, uri)

    with pytest.raises(InvalidInput, match=f"^{uri}: {sentence}") as refused:
        batch_predict(world("2"), input_uri=uri, output_uri=f"s3://{bucket}/forest/out", rows_at_once=300)
    assert refused.value.fields["file"] == uri
    assert not ObjectStore().exists(f"s3://{bucket}/forest/out/_complete.json")


def test_predictions_of_other_rows_are_not_mixed(
    champion: bundle.Bundle, table: str, world: Make, bucket: str
) -> None:
    asked = {"output_uri": f"s3://{bucket}/forest/out", "rows_at_once": 300}
    batch_predict(world("2"), input_uri=table, **asked)
    ObjectStore().copy(table, f"s3://{bucket}/forest/other.parquet")

    with pytest.raises(InvalidInput, match=r"_table\.json says input_uri .*give another --output-uri"):
        batch_predict(world("2"), input_uri=f"s3://{bucket}/forest/other.parquet", **asked)


@pytest.mark.parametrize("told", [b"\xff", b"[1]", b"null"])
def test_what_no_prediction_has_written_is_left_alone(
    champion: bundle.Bundle, table: str, world: Make, bucket: str, told: bytes
) -> None:
    ObjectStore().put(f"s3://{bucket}/forest/out/_table.json", told)

    with pytest.raises(InvalidInput, match=r"_table\.json is not what a prediction writes: give another"):
        batch_predict(world("2"), input_uri=table, output_uri=f"s3://{bucket}/forest/out")
    assert ObjectStore().get(f"s3://{bucket}/forest/out/_table.json") == told


def test_without_a_champion_or_a_file_nothing_is_predicted(
    world: Make, bucket: str, request: pytest.FixtureRequest
) -> None:
    asked = {"input_uri": f"s3://{bucket}/forest/none.parquet", "output_uri": f"s3://{bucket}/forest/out"}
    with pytest.raises(InvalidInput, match="has no champion yet"):
        batch_predict(world("2"), **asked)
    request.getfixturevalue("champion")
    with pytest.raises(InvalidInput, match=r"none\.parquet: there is no such object"):
        batch_predict(world("2"), **asked)
    ObjectStore().put(asked["input_uri"], b"height,width")
    with pytest.raises(InvalidInput, match=r"none\.parquet is not a Parquet file"):
        batch_predict(world("2"), **asked)
