"""A champion whose rows were split otherwise is not compared on rows that it may have been fitted on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

import bundle
from forest.snapshot import SPLIT
from forest.tests.training.conftest import Training
from stepkit import postgres
from stepkit.promotion.decisions import Decision, Decisions, Model

Make = Callable[..., Any]
OTHER_KEY = {"kind": "key", "key": ["elevation"], "test_share": 0.2, "salt": "", "judged_after": None}


@pytest.fixture
def champion(
    promoting: Make, training: Training, client: MlflowClient, tmp_path: Path
) -> Callable[..., None]:
    """Makes a trained model champion, its bundle changed to say another split, or none."""

    def make(split: dict[str, Any] | None) -> None:
        trained = training.candidates["logistic_regression"]
        folder = Path(client.download_artifacts(trained.mlflow_run_id, "bundle", str(tmp_path)))
        fields = json.loads((folder / "contract.json").read_text())
        fields.pop("split", None)
        if split is not None:
            fields["split"] = split
        (folder / "contract.json").write_text(json.dumps(fields))
        digests = json.loads((folder / "digests.json").read_text())
        digests["contract.json"] = hashlib.sha256((folder / "contract.json").read_bytes()).hexdigest()
        (folder / "digests.json").write_text(json.dumps(digests))
        run_id = client.create_run("0", run_name="champion").info.run_id
        client.log_artifacts(run_id, str(folder), "bundle")
        digest = bundle.load(folder).digest
        model = Model("logistic_regression", run_id, digest, training.snapshot["snapshot_sha256"])
        settings = promoting("record")
        with postgres.transaction(settings) as rows:
            Decisions(rows, settings, "forest").record(Decision("promoted", "for the test", model, None))

    return make


@pytest.mark.usefixtures("tracking")
def test_a_champion_with_another_key_is_refused_as_not_comparable(
    champion: Make, run_evaluate: Make, run_promote: Make, query: Make
) -> None:
    champion(OTHER_KEY)
    refused = run_promote("1", run_evaluate("1", "random_forest"))
    assert (refused.verdict, refused.champion) == ("refused", "logistic_regression")
    assert refused.reason.startswith(
        "the champion is not comparable: its split has the key elevation, the challenger's elevation, aspect,"
    )
    assert "--incomparable=min-metric" in refused.reason
    statement = "SELECT reason, gain, metrics ? 'champion' FROM forest.promotion_decisions WHERE run_id = '1'"
    assert query(statement) == [(refused.reason, None, False)]

    weak = run_promote("2", run_evaluate("2", "random_forest", incomparable="min-metric", min_metric=0.99))
    assert weak.verdict == "refused"
    assert "is below 0.99, which its successor needs" in weak.reason
    promoted = run_promote("3", run_evaluate("3", "random_forest", incomparable="min-metric"))
    assert (promoted.verdict, promoted.champion) == ("promoted", "random_forest")


@pytest.mark.usefixtures("tracking")
def test_a_champion_from_before_bundles_said_how_rows_were_split_is_compared(
    champion: Make, run_evaluate: Make, run_promote: Make
) -> None:
    champion(None)
    assert "gain in f1_macro is" in run_promote("1", run_evaluate("1", "random_forest")).reason


def test_training_writes_its_split(training: Training, client: MlflowClient, tmp_path: Path) -> None:
    for trained in training.candidates.values():
        folder = tmp_path / trained.algorithm
        folder.mkdir()
        found = bundle.load(client.download_artifacts(trained.mlflow_run_id, "bundle", str(folder)))
        assert found.contract.split == SPLIT
