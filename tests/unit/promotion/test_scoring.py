"""What two bundles' answers come to, and the document that says so; MLflow and S3 are not asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, RESOURCE_DOES_NOT_EXIST

import bundle
from bundle import Prediction, Split
from stepkit.errors import MLFLOW, Code, DependencyUnavailable, InvalidInput
from stepkit.promotion import scoring
from stepkit.promotion.comparison import Comparison, Thresholds
from stepkit.promotion.decisions import Model
from stepkit.promotion.metrics import Accuracy
from stepkit.promotion.policy import Policy, TestRows
from stepkit.promotion.scoring import Evaluation, UnusableBundle, score
from stepkit.settings import Run, Settings

OLD = Model("svc", "run of old", "digest of old", "rows of old")
NEW = Model("forest", "run of new", "digest of new", "rows of new")
SETTINGS = Settings(run=Run("training", "run 7"), tracking_uri="http://127.0.0.1:1")
THRESHOLDS = Thresholds(0.5, 0.01, "min-metric")
LABELS = np.arange(400) % 2
KEY = Split("key", ("id",), 0.2)
DOCUMENT = Evaluation(
    snapshot_uri="s3://b/s.parquet",
    parameters_sha256="parameters",
    test_rows=400,
    challenger=NEW,
    champion=OLD,
    thresholds=THRESHOLDS,
    metrics={"challenger": {"accuracy": 1.0}},
    comparison=Comparison(0.1, 0.05, 0.2),
    verdict="promote",
    reason="why",
    compared_rows=100,
)


def newest(until: int) -> Split:
    return Split("time", ("day",), 0.2, judged_after=until)


class World:
    """Bundles by their digest: each with its split, and how many of the first rows it is wrong about."""

    def __init__(self) -> None:
        self.bundles: dict[str, tuple[Split | None, int]] = {}
        self.asked: list[Any] = []
        self.objection: str | None = None

    def load(self, path: str, *, expected_digest: str) -> Any:
        assert path.endswith(expected_digest)
        if expected_digest not in self.bundles:
            raise bundle.BundleError("it is damaged")
        split, wrong = self.bundles[expected_digest]

        def predict(columns: dict[str, Any]) -> Prediction:
            at = columns["at"]
            labels = np.where(at < wrong, 1 - LABELS[at], LABELS[at])
            return Prediction(labels, np.zeros((len(at), 2)), {})

        return SimpleNamespace(contract=SimpleNamespace(split=split), predict=predict)

    def test_rows(self, uri: str, folder: Path, sha256: str) -> TestRows:
        self.asked.append((uri, folder.is_dir(), sha256))
        return TestRows({"at": np.arange(400)}, LABELS, "parameters", np.arange(400) + 1)

    def policy(self) -> Policy:
        return Policy(
            "toy",
            "toys",
            Accuracy(),
            lambda labels, answers: {"accuracy": float((labels == answers.labels).mean())},
            self.test_rows,
            objection=lambda rows, answers: self.objection if len(rows.labels) == len(answers.labels) else "",
        )


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(scoring.bundle, "load", made.load)
    monkeypatch.setattr(scoring.tracking, "configure", made.asked.append)
    monkeypatch.setattr(scoring, "_download", lambda model, folder: str(folder / model.bundle_digest))
    return made


def judged(world: World, champion: Model | None = OLD) -> Evaluation:
    return score(SETTINGS, world.policy(), NEW, champion, "s3://b/s.parquet", THRESHOLDS)


def test_a_first_champion_is_judged_alone(world: World) -> None:
    world.bundles = {NEW.bundle_digest: (KEY, 40)}
    found = judged(world, None)
    assert found == replace(
        DOCUMENT,
        champion=None,
        metrics={"challenger": {"accuracy": 0.9}},
        comparison=None,
        reason="there is no champion yet, and accuracy 0.9000 suffices for the first",
        compared_rows=None,
    )
    assert world.asked == [SETTINGS, ("s3://b/s.parquet", True, "rows of new")]


def test_both_answer_all_rows(world: World) -> None:
    world.bundles = {NEW.bundle_digest: (KEY, 0), OLD.bundle_digest: (KEY, 100)}
    found = judged(world)
    assert found.metrics == {"challenger": {"accuracy": 1.0}, "champion": {"accuracy": 0.75}}
    assert found.comparison is not None
    assert (found.challenger, found.champion) == (NEW, OLD)
    assert (found.comparison.gain, found.compared_rows, found.verdict) == (0.25, 400, "promote")
    assert found.reason.startswith("the gain in accuracy is +0.2500 (98% between +0.")


def test_the_champion_answers_rows_of_after_its_training_alone(world: World) -> None:
    world.bundles = {NEW.bundle_digest: (newest(0), 0), OLD.bundle_digest: (newest(300), 390)}
    found = judged(world)
    assert found.metrics["champion"] == {"accuracy": 0.1}
    assert found.comparison is not None
    assert (found.comparison.gain, found.compared_rows) == (0.9, 100)
    rows = "the 100 of 400 test rows that come after the champion's training"
    assert found.reason.startswith(f"the gain in accuracy on {rows} is +0.9000")


@pytest.mark.parametrize(
    ("split", "cause"),
    [
        (None, "the champion is not comparable (the champion's bundle does not say how its rows were split)"),
        (
            "gone",
            "the champion cannot answer (the bundle of MLflow run run of old is unusable: it is damaged)",
        ),
    ],
)
def test_a_champion_that_is_not_met_stands_in_nobodys_way(
    world: World, split: str | None, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.bundles = {NEW.bundle_digest: (KEY, 0)}
    if split is None:
        world.bundles[OLD.bundle_digest] = (None, 0)
    found = judged(world)
    assert found.reason == f"{cause}, and accuracy 1.0000 suffices for its successor"
    assert (found.comparison, found.compared_rows, list(found.metrics)) == (None, None, ["challenger"])
    assert cause.partition("(")[2].rstrip(")") in caplog.text


def test_a_challenger_without_a_bundle_is_refused(world: World) -> None:
    with pytest.raises(UnusableBundle) as refused:
        judged(world)
    assert refused.value.code == Code.UNUSABLE_MODEL
    assert str(refused.value) == "the bundle of MLflow run run of new is unusable: it is damaged"


def test_bundles_of_before_they_stated_a_split_are_told_by_the_contest(world: World) -> None:
    asked: list[Any] = []
    world.bundles = {NEW.bundle_digest: (None, 0), OLD.bundle_digest: (KEY, 100)}
    policy = replace(world.policy(), unstated_split=lambda contract: asked.append(contract) or KEY)
    found = score(SETTINGS, policy, NEW, OLD, "s3://b/s.parquet", THRESHOLDS)
    assert found.compared_rows == 400
    assert [contract.split for contract in asked] == [None]


def test_an_objection_refuses_a_better_challenger(world: World) -> None:
    world.bundles = {NEW.bundle_digest: (KEY, 0), OLD.bundle_digest: (KEY, 100)}
    world.objection = "it is not good"
    found = judged(world)
    assert (found.verdict, found.reason) == ("refuse", "it is not good")


@pytest.mark.parametrize("document", [DOCUMENT, replace(DOCUMENT, champion=None, comparison=None)])
def test_a_document_is_read_as_it_was_written(document: Evaluation) -> None:
    assert Evaluation.from_json(document.to_json()) == document
    assert document.to_json().splitlines()[1] == ' "snapshot_uri": "s3://b/s.parquet",'


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields.pop("champion"),
        lambda fields: fields.pop("comparison"),
        lambda fields: fields.pop("challenger"),
        lambda fields: fields.pop("thresholds"),
        lambda fields: fields.update(more=1),
        lambda fields: fields.update(champion=["svc"]),
    ],
)
def test_a_document_that_is_none_is_refused(change: Callable[[dict[str, Any]], Any]) -> None:
    fields = asdict(DOCUMENT)
    change(fields)
    for text in (json.dumps(fields), "[]", "{"):
        with pytest.raises(
            InvalidInput, match=r"^the evaluation cannot be read: .*; run evaluate again$"
        ) as no:
            Evaluation.from_json(text)
        assert no.value.code == Code.UNREADABLE_INPUT


def downloads(monkeypatch: pytest.MonkeyPatch, listed: Callable[[str, str], Any]) -> list[Any]:
    """Has MLflow list a run's artifacts, and returns what is downloaded."""
    taken: list[Any] = []
    client = SimpleNamespace(list_artifacts=listed)
    artifacts = SimpleNamespace(download_artifacts=lambda **given: taken.append(given) or "folder")
    monkeypatch.setattr(scoring, "mlflow", SimpleNamespace(MlflowClient=lambda: client, artifacts=artifacts))
    return taken


def test_a_bundle_is_downloaded_to_a_folder_of_its_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    taken = downloads(monkeypatch, lambda *given: asked.append(given) or ["bundle/contract.json"])
    assert scoring._download(NEW, Path("there")) == "folder"
    assert asked == [("run of new", "bundle")]
    wanted = {"run_id": "run of new", "artifact_path": "bundle", "dst_path": "there/digest of new"}
    assert taken == [wanted]


def failing(code: int) -> Callable[[str, str], Any]:
    def run(run_id: str, folder: str) -> Any:
        raise MlflowException("no", code)

    return run


@pytest.mark.parametrize(
    ("listed", "sentence"),
    [
        (lambda run_id, folder: [], "MLflow run run of new has no bundle"),
        (failing(RESOURCE_DOES_NOT_EXIST), "MLflow has no run run of new"),
    ],
)
def test_a_bundle_that_is_gone_is_unusable(
    monkeypatch: pytest.MonkeyPatch, listed: Callable[[str, str], Any], sentence: str
) -> None:
    assert downloads(monkeypatch, listed) == []
    with pytest.raises(UnusableBundle) as refused:
        scoring._download(NEW, Path("there"))
    assert (str(refused.value), refused.value.service) == (sentence, MLFLOW)


def test_an_mlflow_that_fails_says_nothing_of_a_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    downloads(monkeypatch, failing(INTERNAL_ERROR))
    with pytest.raises(DependencyUnavailable):
        scoring._download(NEW, Path("there"))
