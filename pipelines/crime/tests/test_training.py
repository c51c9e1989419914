"""The whole way from crimes in S3 to a champion that serving's engine answers for, with a real MLflow."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import mlflow
import numpy as np
import pandas as pd
import pytest

import bundle
from bundle.exporter import columns_of
from crime import stage
from crime.balance_data import balance_data
from crime.download_data import Downloaded
from crime.encode_data import encode_data
from crime.enrich_data import enrich_data
from crime.evaluate import evaluate
from crime.extract_features import extract_features
from crime.process_outliers import process_outliers
from crime.promote import promote
from crime.scale_data import scale_data
from crime.schema import FEATURES, NUMBERS, TARGET
from crime.split_data import split_data
from crime.stage import Staged
from crime.train import Trained, train
from stepkit.errors import InvalidInput, NothingToDo
from stepkit.promotion.promote_step import Promoted
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings
from tests.roles import as_promotion

Make = Callable[..., Settings]
EXAMPLE = Path(__file__).resolve().parents[3] / "pipelines/crime/example.json"
STAGES = (process_outliers, encode_data, scale_data, balance_data, extract_features)


@pytest.fixture
def world(settings: Make, mlflow_url: str) -> Make:
    """Makes settings that share one registered model, a fresh one for each test."""
    model = f"crime-{uuid4().hex[:8]}"

    def make(run_id: str = "run-1") -> Settings:
        made = settings(run_id, tracking_uri=mlflow_url)
        return made.__class__(**{**made.__dict__, "model_name": model})

    return make


@pytest.fixture
def split(world: Make, download: Callable[..., Downloaded], bucket: str) -> Callable[..., Staged]:
    def run(run_id: str = "run-1", **options: Any) -> Staged:
        found = download(run_id)
        named = {"window_date": found.date, "bucket": bucket}
        files = {
            name: getattr(found, name)
            for name in ("crimes_uri", "crimes_sha256", "stations_uri", "stations_sha256")
        }
        rich = enrich_data(world(run_id), **named, **files)
        return split_data(
            world(run_id),
            **named,
            enriched_uri=rich.enriched_uri,
            enriched_sha256=rich.enriched_sha256,
            transforms_uri=rich.transforms_uri,
            transforms_sha256=rich.transforms_sha256,
            data_sha256=found.data_sha256,
            parameters_sha256=found.parameters_sha256,
            **options,
        )

    return run


def promoting(settings: Settings) -> Settings:
    return replace(settings, database_url=as_promotion(settings.database_url))


def prepare(settings: Settings, staged: Staged) -> Staged:
    for each in STAGES:
        staged = each(settings, document_uri=staged.document_uri)
    return staged


def trained(settings: Settings, prepared: Staged, algorithm: Any) -> Trained:
    return train(settings, algorithm=algorithm, document_uri=prepared.document_uri, n_estimators=20)


def test_a_champion_is_trained_judged_and_promoted_and_answers_as_it_was_measured(
    world: Make, split: Callable[..., Staged], bucket: str, tmp_path: Path
) -> None:
    one = split()
    prepared = prepare(world(), one)
    candidates = [
        trained(world(), prepared, algorithm) for algorithm in ("logistic_regression", "random_forest")
    ]
    assert all(each.average_precision > 2 * each.base_rate for each in candidates)
    judged = evaluate(
        world(),
        candidates=[asdict(each) for each in candidates],
        snapshot_uri=one.document_uri,
        snapshot_sha256=one.data_sha256,
        bucket=bucket,
    )
    found = promote(promoting(world()), evaluation_uri=judged.evaluation_uri, bucket=bucket)
    assert (found.verdict, found.version) == ("promoted", 1)
    assert promote(promoting(world()), evaluation_uri=judged.evaluation_uri, bucket=bucket) == found
    kept = ObjectStore().listed(f"s3://{bucket}/crime/decided/{one.data_sha256}/")
    assert {each.uri.rpartition("/")[2].partition("_")[0] for each in kept} == {"split", "test", "train"}
    best = max(candidates, key=lambda each: each.average_precision)
    assert judged.metrics["average_precision"] == pytest.approx(best.average_precision)

    client = mlflow.MlflowClient()
    folder = client.download_artifacts(best.mlflow_run_id, "bundle", str(tmp_path))
    model = bundle.load(folder)
    model.check_smoke()
    document = stage.Document.from_json(ObjectStore().get(one.document_uri), one.document_uri)
    test = stage.read(document.files["test"], tmp_path)
    features = [feature.name for feature in model.contract.features]
    assert features == list(FEATURES), "every model takes the same columns, whatever was selected"
    lacking = [name for name in FEATURES if test[name].isna().any()]
    assert "latitude" in lacking
    nullable = {feature.name for feature in model.contract.features if feature.nullable}
    assert set(lacking) <= nullable < set(FEATURES), "a client may lack what training rows lacked, no more"
    sent = [each.name for each in (*model.inputs.fields, *model.inputs.features)]
    assert set(sent) == set(json.loads(EXAMPLE.read_text())["samples"][0]), "the example is such a request"
    known = test[sent].astype(object).where(test[sent].notna(), None)
    made = pd.DataFrame(model.inputs.complete(known.to_dict("records")))
    pd.testing.assert_frame_equal(made[features], test[features], check_dtype=False, check_exact=True)
    answer = model.predict(columns_of(test[features]))
    assert answer.probabilities[:, 1].mean() == pytest.approx(test[TARGET].mean(), abs=0.03), (
        "probabilities are those of life, not of SMOTE's balance"
    )
    logged = client.get_run(best.mlflow_run_id).data
    assert logged.metrics["base_rate"] == pytest.approx(test[TARGET].mean())
    assert logged.params["split"] == "stratified"


def test_the_same_run_again_leaves_the_same_bytes(world: Make, split: Callable[..., Staged]) -> None:
    first, second = (prepare(world(), split()) for _ in range(2))
    assert first == second
    digests = {trained(world(), first, "random_forest").bundle_digest for _ in range(2)}
    assert len(digests) == 1


def test_documents_and_files_have_the_published_names(
    world: Make, split: Callable[..., Staged], bucket: str
) -> None:
    staged = prepare(world(), split())
    document = json.loads(ObjectStore().get(staged.document_uri))
    assert staged.document_uri == f"s3://{bucket}/2-processed-data/selected_2026-06-30.json"
    assert {side: file["uri"] for side, file in document["files"].items()} == {
        side: f"s3://{bucket}/2-processed-data/{side}_selected_2026-06-30.csv" for side in ("train", "test")
    }
    stages = {"enriched", "split", "outliers", "encoded", "scaled", "balanced", "selected"}
    assert set(document["fitted"]) == stages


def test_only_the_train_side_is_balanced(world: Make, split: Callable[..., Staged], tmp_path: Path) -> None:
    one = split()
    staged = one
    for each in STAGES[:4]:
        staged = each(world(), document_uri=staged.document_uri)
    before, after = (
        stage.Document.from_json(ObjectStore().get(each.document_uri), "") for each in (one, staged)
    )
    assert before.files["test"].rows == after.files["test"].rows
    rows = stage.read(after.files["train"], tmp_path)
    assert rows[TARGET].mean() == pytest.approx(0.375, abs=0.01)
    assert not np.isnan(rows.to_numpy(dtype=float)).any()


def test_nothing_is_learned_from_a_test_row(
    world: Make, split: Callable[..., Staged], bucket: str, tmp_path: Path
) -> None:
    one = split()
    before = stage.Document.from_json(ObjectStore().get(one.document_uri), "")
    learned = stage.Document.from_json(ObjectStore().get(prepare(world(), one).document_uri), "")
    train_rows, test_rows = (stage.read(before.files[side], tmp_path) for side in stage.SIDES)
    changed = test_rows.assign(**dict.fromkeys(NUMBERS, 1e6), primary_type="NEVER SEEN")
    stage.leave(before, stage.Rows(train_rows, changed), bucket, tmp_path)
    again = stage.Document.from_json(ObjectStore().get(prepare(world(), one).document_uri), "")
    assert again.files["test"] != learned.files["test"]
    assert (again.fitted, again.files["train"]) == (learned.fitted, learned.files["train"])


def test_a_stage_of_another_run_is_refused(world: Make, split: Callable[..., Staged]) -> None:
    first = split("run-1")
    split("run-2")
    with pytest.raises(InvalidInput, match="was written by run 'run-2'"):
        process_outliers(world("run-1"), document_uri=first.document_uri)


def test_a_file_that_is_not_the_one_that_was_named_is_refused(
    world: Make, split: Callable[..., Staged]
) -> None:
    staged = split()
    document = json.loads(ObjectStore().get(staged.document_uri))
    ObjectStore().put(document["files"]["test"]["uri"], b"id,arrest\n1,0\n")
    with pytest.raises(InvalidInput, match="another run has written it"):
        process_outliers(world(), document_uri=staged.document_uri)
    ObjectStore().put(staged.document_uri, b"{}")
    with pytest.raises(InvalidInput, match="is not a document of a stage"):
        process_outliers(world(), document_uri=staged.document_uri)


def test_too_few_rows_are_a_skip(split: Callable[..., Staged]) -> None:
    with pytest.raises(NothingToDo, match="training needs 100000 and waits for more"):
        split(min_rows=100_000)


def judged(settings: Settings, one: Staged, candidate: Trained, bucket: str, **judging: Any) -> Promoted:
    """Evaluates a candidate and decides on it."""
    found = evaluate(
        settings,
        candidates=[asdict(candidate)],
        snapshot_uri=one.document_uri,
        snapshot_sha256=one.data_sha256,
        bucket=bucket,
        **judging,
    )
    return promote(promoting(settings), evaluation_uri=found.evaluation_uri, bucket=bucket)


def test_a_champion_of_another_test_share_is_refused_as_not_comparable(
    world: Make, split: Callable[..., Staged], bucket: str, query: Callable[..., list[Any]]
) -> None:
    settings = [world(f"share-{number}") for number in range(3)]
    one = split("share-0")
    first = trained(settings[0], prepare(settings[0], one), "logistic_regression")
    assert judged(settings[0], one, first, bucket).verdict == "promoted"
    two = split("share-1", test_share=0.4)
    second = trained(settings[1], prepare(settings[1], two), "logistic_regression")
    refused = judged(settings[1], two, second, bucket)
    assert (refused.verdict, refused.version) == ("refused", 1)
    assert refused.reason.startswith(
        "the champion is not comparable: its split has the test_share 0.2, the challenger's 0.4;"
    )
    recorded = query("SELECT reason FROM crime.promotion_decisions WHERE run_id = 'share-1'")
    assert recorded == [(refused.reason,)]
    taken = judged(settings[2], two, second, bucket, incomparable="min-metric")
    assert (taken.verdict, taken.version) == ("promoted", 2)


def test_splits_by_time_are_compared_where_no_test_row_is_before_the_champions_last(
    world: Make, split: Callable[..., Staged], bucket: str, tmp_path: Path
) -> None:
    verdicts = []
    for number, share in enumerate((0.2, 0.3, 0.2)):
        settings = world(f"time-{number}")
        staged = split(f"time-{number}", split="by_time", test_share=share)
        candidate = trained(settings, prepare(settings, staged), "logistic_regression")
        verdicts.append(judged(settings, staged, candidate, bucket).reason)
        folder = tmp_path / str(number)
        folder.mkdir()
        path = mlflow.MlflowClient().download_artifacts(candidate.mlflow_run_id, "bundle", str(folder))
        stated = bundle.load(path).contract.split
        chosen = stage.Document.from_json(ObjectStore().get(staged.document_uri), "").fitted["split"]
        assert stated == bundle.Split("time", ("occurred_at",), share, judged_after=chosen["trained_until"])
        assert chosen["trained_until"] < chosen["test_from"]
    assert "there is no champion yet" in verdicts[0]
    assert "the champion is not comparable: it was trained up to 2026-" in verdicts[1]
    assert "gain in average_precision is +0.0000" in verdicts[2]
