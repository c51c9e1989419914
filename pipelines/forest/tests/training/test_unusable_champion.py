"""A champion that can no longer answer stands in no challenger's way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from mlflow import MlflowClient

from forest.evaluate import evaluate
from forest.tests.training.conftest import Training
from stepkit import postgres
from stepkit.errors import InvalidInput
from stepkit.promotion import registry
from stepkit.promotion.decisions import Decision, Decisions, Model

Make = Callable[..., Any]


@pytest.fixture
def record(promoting: Make) -> Callable[[Model], None]:
    """Makes a model champion in the record."""

    def make(model: Model) -> None:
        settings = promoting("record")
        with postgres.transaction(settings) as rows:
            Decisions(rows, settings, "forest").record(Decision("promoted", "for the test", model, None))

    return make


@pytest.fixture
def damaged(training: Training, client: MlflowClient, tmp_path: Path) -> Callable[..., Model]:
    """Returns a model like a trained one, whose bundle has one byte flipped, or is not there."""

    def make(*, bundle: bool) -> Model:
        trained = training.candidates["logistic_regression"]
        run_id: str = client.create_run("0", run_name="damaged").info.run_id
        if bundle:
            client.download_artifacts(trained.mlflow_run_id, "bundle", str(tmp_path))
            array = next((tmp_path / "bundle/arrays").iterdir())
            content = bytearray(array.read_bytes())
            content[-1] ^= 1
            array.write_bytes(content)
            client.log_artifacts(run_id, str(tmp_path / "bundle"), "bundle")
        sha256 = training.snapshot["snapshot_sha256"]
        return Model("logistic_regression", run_id, trained.bundle_digest, sha256)

    return make


@pytest.mark.usefixtures("tracking")
@pytest.mark.parametrize(("bundle", "fault"), [(True, "is damaged: its sha256"), (False, "has no bundle")])
def test_a_challenger_that_suffices_for_a_first_champion_takes_its_place(
    run_evaluate: Make,
    run_promote: Make,
    world: Make,
    query: Make,
    record: Make,
    damaged: Make,
    bucket: str,
    bundle: bool,
    fault: str,
) -> None:
    former = damaged(bundle=bundle)
    record(former)
    registry.of(world("record"), bucket, "forest").show(former, lambda: None)
    refused = run_promote("1", run_evaluate("1", "random_forest", min_metric=0.99))
    assert (refused.verdict, refused.version) == ("refused", 1)
    assert "is below 0.99, which its successor needs" in refused.reason
    promoted = run_promote("2", run_evaluate("2", "random_forest"))
    assert (promoted.verdict, promoted.champion, promoted.version) == ("promoted", "random_forest", 2)
    assert promoted.reason.startswith("the champion cannot answer (")
    assert fault in promoted.reason
    recorded = query(
        "SELECT reason, champion_digest IS NOT NULL, gain FROM forest.promotion_decisions WHERE run_id = '2'"
    )
    assert recorded == [(promoted.reason, True, None)]


@pytest.mark.usefixtures("tracking")
def test_a_champion_whose_run_is_gone_cannot_answer(
    world: Make, record: Make, training: Training, bucket: str
) -> None:
    record(Model("svc", uuid4().hex, "00", "00"))
    candidates = [asdict(training.candidates["random_forest"])]
    found = evaluate(world("1"), candidates=candidates, bucket=bucket, **training.snapshot)
    assert (found.verdict, found.champion_version) == ("promote", None)


@pytest.mark.usefixtures("tracking")
def test_a_promotion_takes_the_place_of_a_champion_of_which_nothing_is_left(
    run_evaluate: Make, run_promote: Make, record: Make
) -> None:
    gone = Model("svc", uuid4().hex, "00", "00")
    record(gone)
    refused = run_promote("1", run_evaluate("1", "random_forest", min_metric=0.99))
    assert (refused.verdict, refused.version) == ("refused", None)
    assert f"MLflow has no run {gone.mlflow_run_id}" in refused.reason
    promoted = run_promote("2", run_evaluate("2", "random_forest"))
    assert (promoted.verdict, promoted.champion, promoted.version) == ("promoted", "random_forest", 1)


@pytest.mark.usefixtures("tracking")
def test_there_is_a_way_back_from_a_champion_of_which_nothing_is_left_but_none_to_it(
    run_evaluate: Make,
    run_promote: Make,
    record: Make,
    client: MlflowClient,
    world: Make,
    damaged: Make,
) -> None:
    assert run_promote("1", run_evaluate("1", "random_forest")).version == 1
    emptied = damaged(bundle=False)
    name = world("1").model_name
    source = f"{client.get_run(emptied.mlflow_run_id).info.artifact_uri}/model"
    tags = {"algorithm": "svc", "bundle_digest": "00", "data_sha256": "00"}
    client.create_model_version(name, source, run_id=emptied.mlflow_run_id, tags=tags)
    with pytest.raises(InvalidInput, match=r"version 2 of .* has nothing to serve any more"):
        run_promote("2", None, rollback_to=2, reason="for the test")
    record(Model("svc", uuid4().hex, "00", "00"))
    back = run_promote("3", None, rollback_to=1, reason="nothing is left of the champion")
    assert (back.verdict, back.champion, back.version) == ("rolled_back", "random_forest", 1)
    assert client.get_model_version_by_alias(name, "champion").version == "1"


@pytest.mark.usefixtures("tracking")
def test_a_challenger_that_cannot_answer_is_refused(
    world: Make, training: Training, damaged: Make, bucket: str
) -> None:
    broken = damaged(bundle=True)
    candidate = asdict(training.candidates["logistic_regression"]) | {"mlflow_run_id": broken.mlflow_run_id}
    with pytest.raises(InvalidInput, match="is damaged"):
        evaluate(world("1"), candidates=[candidate], bucket=bucket, **training.snapshot)
