"""`train`, `evaluate` and `promote` on a real Postgres, a real S3 and a real MLflow server."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient

from bundle.exporter import columns_of
from forest.promote import promote
from forest.snapshot import FEATURES, NUMBERS, clean
from forest.tests.training.conftest import Training
from forest.train import train
from stepkit.errors import DependencyUnavailable, InvalidInput, Terminated
from stepkit.promotion import registry
from stepkit.s3 import ObjectStore
from stepkit.settings import Run, Settings
from tests import services

Make = Callable[..., Any]


def test_a_training_says_in_mlflow_what_it_did(training: Training, client: MlflowClient) -> None:
    for algorithm, trained in training.candidates.items():
        run = client.get_run(trained.mlflow_run_id)
        assert run.data.metrics == {"accuracy": trained.accuracy, "f1_macro": trained.f1_macro}
        assert run.data.params["algorithm"] == algorithm
        assert run.data.params["data_sha256"] == training.snapshot["snapshot_sha256"]
        assert run.data.tags["bundle_digest"] == trained.bundle_digest
        assert run.data.tags["quintet.image"] == "forest-train@sha"
        artifacts = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
        assert artifacts >= {"bundle", "model", "classification_report.json", "confusion_matrix.png"}
    assert client.get_run(training.candidates["svc"].mlflow_run_id).data.params["svc_rows"] == "1000"


def test_a_retry_of_train_logs_to_the_same_run_and_makes_the_same_bundle(
    training: Training, mlflow_url: str, bucket: str
) -> None:
    settings = Settings(
        run=Run("training", "run-0"), tracking_uri=mlflow_url, image_reference="forest-train@sha"
    )
    small = {"n_estimators": 10, "svc_max_rows": 1000, "svc_components": 50}
    again = train(settings, algorithm="random_forest", **small, **training.snapshot)
    assert again == training.candidates["random_forest"]


def test_train_refuses_a_snapshot_with_another_hash(training: Training, mlflow_url: str, bucket: str) -> None:
    settings = Settings(run=Run("training", "run-1"), tracking_uri=mlflow_url)
    with pytest.raises(InvalidInput, match=r"has the data hash .*, not 00"):
        train(settings, algorithm="svc", snapshot_uri=training.snapshot["snapshot_uri"], snapshot_sha256="00")


def test_the_champion_changes_only_for_a_better_one(
    run_evaluate: Make,
    run_promote: Make,
    world: Make,
    client: MlflowClient,
    query: Make,
    training: Training,
) -> None:
    model = world("any").model_name
    first = run_promote("1", run_evaluate("1", "logistic_regression"))
    assert (first.verdict, first.champion, first.version) == ("promoted", "logistic_regression", 1)
    better = run_promote("2", run_evaluate("2", "random_forest"))
    assert (better.verdict, better.champion, better.version) == ("promoted", "random_forest", 2)
    for run_id, algorithm in (("3", "logistic_regression"), ("4", "random_forest")):
        refused = run_promote(run_id, run_evaluate(run_id, algorithm))
        assert (refused.verdict, refused.champion, refused.version) == ("refused", "random_forest", 2)

    assert client.get_model_version_by_alias(model, "champion").version == "2"
    versions = {each.version: each for each in client.search_model_versions(f"name = '{model}'")}
    assert {number: each.tags["stage"] for number, each in versions.items()} == {
        "1": "Archived",
        "2": "Production",
    }
    assert {number: each.current_stage for number, each in versions.items()} == {
        "1": "Archived",
        "2": "Production",
    }
    recorded = query(
        "SELECT verdict, champion_digest IS NULL, gain > 0 FROM forest.promotion_decisions ORDER BY 1, 2"
    )
    assert recorded == [
        ("promoted", False, True),
        ("promoted", True, None),
        ("refused", False, False),
        ("refused", False, False),
    ]
    assert query("SELECT count(*) FROM forest.trainings") == [(1,)]
    snapshot, store = training.snapshot, ObjectStore()
    uris = "SELECT DISTINCT snapshot_uri FROM forest.promotion_decisions WHERE verdict = "
    ((kept,),) = query(f"{uris} 'promoted'")
    assert f"/forest/decided/{snapshot['snapshot_sha256']}/" in kept
    assert store.get(kept) == store.get(snapshot["snapshot_uri"])
    assert query(f"{uris} 'refused'") == [(snapshot["snapshot_uri"],)]


def test_a_first_model_that_is_too_weak_is_refused_and_recorded(
    run_evaluate: Make, run_promote: Make, query: Make
) -> None:
    refused = run_promote("1", run_evaluate("1", "svc", min_metric=0.99))
    assert (refused.verdict, refused.champion, refused.version) == ("refused", None, None)
    assert "which the first needs" in refused.reason
    assert query("SELECT reason FROM forest.promotion_decisions") == [(refused.reason,)]


def test_the_champion_loads_as_pyfunc_by_alias_and_by_stage(
    run_evaluate: Make,
    run_promote: Make,
    world: Make,
    covertype: pd.DataFrame,
    tracking: None,
    training: Training,
) -> None:
    run_promote("1", run_evaluate("1", "random_forest"))
    samples = clean(covertype[-200:])[list(FEATURES)]
    name = world("any").model_name
    folder = mlflow.artifacts.download_artifacts(
        run_id=training.candidates["random_forest"].mlflow_run_id, artifact_path="bundle"
    )
    expected = bundle_labels(Path(folder), samples)
    whole_numbers = samples.astype(dict.fromkeys(NUMBERS, int))
    for uri, rows in ((f"models:/{name}@champion", samples), (f"models:/{name}/Production", whole_numbers)):
        assert mlflow.pyfunc.load_model(uri).predict(rows).tolist() == expected


def test_a_retry_finds_its_decision(run_evaluate: Make, run_promote: Make, query: Make) -> None:
    uri = run_evaluate("1", "random_forest")
    assert run_promote("1", uri) == run_promote("1", uri)
    assert query("SELECT count(*) FROM forest.promotion_decisions") == [(1,)]


@pytest.mark.parametrize(
    "deed", ["create_model_version", "set_registered_model_alias", "set_model_version_tag"]
)
def test_a_run_killed_before_the_alias_is_put_right_by_the_next(
    run_evaluate: Make,
    run_promote: Make,
    world: Make,
    client: MlflowClient,
    monkeypatch: pytest.MonkeyPatch,
    deed: str,
) -> None:
    run_promote("1", run_evaluate("1", "logistic_regression"))
    second, third = run_evaluate("2", "random_forest"), run_evaluate("3", "svc")

    def killed(*arguments: object, **named: object) -> None:
        raise Terminated("killed")

    with monkeypatch.context() as patch:
        patch.setattr(registry.MlflowClient, deed, killed)
        with pytest.raises(Terminated):
            run_promote("2", second)
    found = run_promote("3", third)
    assert (found.verdict, found.champion, found.version) == ("refused", "random_forest", 2)
    champion = client.get_model_version_by_alias(world("any").model_name, "champion")
    assert (champion.version, champion.tags["stage"], champion.current_stage) == (
        "2",
        "Production",
        "Production",
    )


@pytest.mark.parametrize(
    ("deed", "writes"), [("create_model_version", []), ("set_registered_model_alias", ["2", "3"])]
)
def test_a_promotion_that_loses_its_session_does_not_overrule_the_next(
    run_evaluate: Make,
    run_promote: Make,
    world: Make,
    client: MlflowClient,
    end_session: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    deed: str,
    writes: list[str],
) -> None:
    run_promote("1", run_evaluate("1", "logistic_regression"))
    second, third = run_evaluate("2", "random_forest"), run_evaluate("3", "svc", min_gain=-1)
    written: list[str] = []
    do = getattr(registry.MlflowClient, deed)
    move = registry.MlflowClient.set_registered_model_alias

    def moved(self: MlflowClient, name: str, alias: str, version: str) -> None:
        written.append(str(version))
        move(self, name, alias, version)

    def lose_the_lock(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(registry.MlflowClient, deed, do)
        end_session("2")
        run_promote("3", third)
        monkeypatch.setattr(registry.MlflowClient, "set_registered_model_alias", moved)
        return (moved if deed == "set_registered_model_alias" else do)(*arguments, **named)

    monkeypatch.setattr(registry.MlflowClient, deed, lose_the_lock)
    with pytest.raises(DependencyUnavailable, match="ended the session that holds the promotion's lock"):
        run_promote("2", second)
    champion = client.get_model_version_by_alias(world("any").model_name, "champion")
    assert (champion.tags["algorithm"], champion.tags["stage"]) == ("svc", "Production")
    assert written == writes
    again = run_promote("2", second)
    assert (again.verdict, again.champion) == ("promoted", "svc")


def test_without_a_registry_the_file_is_set_right_after_a_lost_session(
    run_evaluate: Make,
    promoting: Make,
    bucket: str,
    end_session: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uris = {run: run_evaluate(run, name) for run, name in (("1", "svc"), ("2", "random_forest"))}
    put = ObjectStore.put

    def lose_the_lock(*arguments: Any, **named: Any) -> str:
        monkeypatch.setattr(ObjectStore, "put", put)
        end_session("1")
        promote(promoting("2", registry_enabled=False), evaluation_uri=uris["2"], bucket=bucket)
        return put(*arguments, **named)

    monkeypatch.setattr(ObjectStore, "put", lose_the_lock)
    with pytest.raises(DependencyUnavailable, match="the promotion's lock"):
        promote(promoting("1", registry_enabled=False), evaluation_uri=uris["1"], bucket=bucket)
    named = json.loads(ObjectStore().get(f"s3://{bucket}/forest/latest_model.json"))
    assert named["algorithm"] == "random_forest"


def test_a_challenger_is_scored_again_when_the_champion_has_changed(
    run_evaluate: Make, run_promote: Make
) -> None:
    weak, strong = run_evaluate("1", "logistic_regression"), run_evaluate("2", "random_forest")
    run_promote("2", strong)
    assert run_promote("1", weak).verdict == "refused"


def test_two_promotions_at_once_end_with_the_better_one(
    run_evaluate: Make, run_promote: Make, world: Make, client: MlflowClient, training: Training
) -> None:
    uris = {
        algorithm: run_evaluate(algorithm, algorithm)
        for algorithm in ("logistic_regression", "random_forest")
    }
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run_promote, uris.keys(), uris.values()))
    champion = client.get_model_version_by_alias(world("any").model_name, "champion")
    assert champion.tags["bundle_digest"] == training.candidates["random_forest"].bundle_digest


def test_with_mlflow_down_nothing_is_decided(
    run_evaluate: Make, promoting: Make, bucket: str, query: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = run_evaluate("1", "random_forest")
    (port,) = services.free_ports(1)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(DependencyUnavailable, match="MLflow"):
        promote(promoting("1", tracking_uri=f"http://127.0.0.1:{port}"), evaluation_uri=uri, bucket=bucket)
    assert query("SELECT count(*) FROM forest.promotion_decisions") == [(0,)]


def test_going_back_to_an_older_version(
    run_evaluate: Make, run_promote: Make, world: Make, client: MlflowClient, query: Make
) -> None:
    run_promote("1", run_evaluate("1", "logistic_regression"))
    run_promote("2", run_evaluate("2", "random_forest"))
    back = run_promote("back", rollback_to=1, reason="the forest is too slow")
    assert (back.verdict, back.champion, back.version) == ("rolled_back", "logistic_regression", 1)
    assert client.get_model_version_by_alias(world("any").model_name, "champion").version == "1"
    newest = "SELECT verdict, reason FROM forest.promotion_decisions ORDER BY decision_id DESC LIMIT 1"
    assert query(newest) == [("rolled_back", "the forest is too slow")]


def test_a_run_that_has_decided_decides_nothing_else(
    run_evaluate: Make, run_promote: Make, query: Make
) -> None:
    first, second = run_evaluate("1", "logistic_regression"), run_evaluate("2", "random_forest", min_gain=-1)
    run_promote("1", first)
    run_promote("2", second)
    back = {"rollback_to": 1, "reason": "the forest is too slow"}
    assert run_promote("back", **back) == run_promote("back", **back)
    taken = r"--run-id \(RUN_ID\) back stands for decision \d+, rolled_back: 'the .*; use another --run-id"
    for other in (
        {"rollback_to": 2, "reason": "the forest is too slow"},
        {"rollback_to": 1, "reason": "it favours one class"},
        {"uri": second},
    ):
        with pytest.raises(InvalidInput, match=taken):
            run_promote("back", **other)
    with pytest.raises(InvalidInput, match="2 stands for decision"):
        run_promote("2", first)
    run_promote("forth", rollback_to=2, reason="speed matters less")
    with pytest.raises(InvalidInput, match=taken):
        run_promote("back", **back)
    assert query("SELECT count(*) FROM forest.promotion_decisions") == [(4,)]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"rollback_to": 1}, "--reason"),
        ({"rollback_to": 7, "reason": "why"}, "has no version 7"),
        ({"rollback_to": 1, "reason": "why"}, "version 1 is the champion already"),
        ({}, "--evaluation-uri .* or --rollback-to"),
    ],
)
def test_a_way_back_that_leads_nowhere_is_refused(
    run_evaluate: Make, run_promote: Make, options: dict[str, Any], sentence: str
) -> None:
    run_promote("1", run_evaluate("1", "random_forest"))
    with pytest.raises(InvalidInput, match=sentence):
        run_promote("2", **options)


def test_without_a_registry_a_file_names_the_champion(
    run_evaluate: Make, promoting: Make, bucket: str, training: Training, client: MlflowClient
) -> None:
    off = promoting("1", registry_enabled=False)
    found = promote(off, evaluation_uri=run_evaluate("1", "random_forest"), bucket=bucket)
    assert (found.verdict, found.champion, found.version) == ("promoted", "random_forest", None)
    named = json.loads(ObjectStore().get(f"s3://{bucket}/forest/latest_model.json"))
    expected = training.candidates["random_forest"]
    assert (named["run_id"], named["bundle_digest"]) == (expected.mlflow_run_id, expected.bundle_digest)
    assert client.search_registered_models(f"name = '{off.model_name}'") == []
    from app.latest_run import read_latest_run  # serving's environment, not the step's

    served = read_latest_run(f"s3://{bucket}/forest/latest_model.json", off.model_name)
    assert served
    assert (served.name, served.version) == (off.model_name, None)
    assert (served.run_id, served.digest) == (expected.mlflow_run_id, expected.bundle_digest)


def bundle_labels(folder: Path, samples: pd.DataFrame) -> list[int]:
    import bundle

    labels: list[int] = bundle.load(folder).predict(columns_of(samples)).labels.tolist()
    return labels
