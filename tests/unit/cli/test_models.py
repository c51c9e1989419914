"""`quintet models` of a real MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from mlflow import MlflowClient

from quintet.ops import models
from quintet.progress import UserError


@pytest.fixture
def registered(mlflow_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """A model with three versions, whose second is champion, and the runs that they are of."""
    client, name = MlflowClient(mlflow_url, mlflow_url), f"it's {uuid4().hex}"
    client.create_registered_model(name)
    experiment, runs = client.create_experiment(name), []
    for number in range(1, 4):
        made = client.create_run(experiment).info
        run, source = made.run_id, f"{made.artifact_uri}/model"
        client.log_metric(run, "f1_macro", number / 4)
        tags = {"algorithm": "svc", "bundle_digest": f"{number}" * 64}
        client.create_model_version(name, source=source, run_id=run, tags=tags)
        runs.append(run)
    client.set_registered_model_alias(name, models.ALIAS, "2")
    monkeypatch.setattr(models, "PAGE", 2)
    yield name, runs
    client.delete_registered_model(name)


def test_each_version_has_its_digest_its_time_and_its_metrics(
    mlflow_url: str, registered: tuple[str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    name, runs = registered
    (model,) = [each for each in models.show(mlflow_url) if each["name"] == name]
    assert (model["champion"], [each["version"] for each in model["versions"]]) == (2, [3, 2, 1])
    champion = model["versions"][1]
    since = datetime.fromisoformat(champion.pop("since"))
    assert abs((datetime.now(UTC) - since).total_seconds()) < 3600
    assert champion == {
        "version": 2,
        "algorithm": "svc",
        "bundle_digest": "2" * 64,
        "run": runs[1],
        "metrics": {"f1_macro": 0.5},
    }
    shown = capsys.readouterr().out.partition(f"model    {name}\n")[2].splitlines()
    assert [line.split()[:2] for line in shown[1:3]] == [["2", "champion"], ["f1_macro", "0.5"]]


def test_a_version_outlives_its_run(mlflow_url: str, registered: tuple[str, list[str]]) -> None:
    name, runs = registered
    MlflowClient(mlflow_url).delete_run(runs[2])
    (model,) = [each for each in models.show(mlflow_url) if each["name"] == name]
    assert [each["version"] for each in model["versions"]] == [3, 2, 1]


def test_a_server_that_is_gone_is_told_in_a_sentence() -> None:
    with pytest.raises(UserError, match="MLflow does not answer: `quintet status` says why"):
        models.show("http://127.0.0.1:1")
