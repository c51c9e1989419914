"""From features to a champion on a real Postgres, S3 and MLflow: workers, kills, refusals, promotions."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import mlflow
import psycopg2
import pytest
from mlflow import MlflowClient

import bundle
from bitcoin import study
from bitcoin.capture import Capture
from bitcoin.evaluate import Evaluated, evaluate
from bitcoin.features import Featured, features
from bitcoin.load import load
from bitcoin.policy import without_veto
from bitcoin.promote import promote
from bitcoin.tests.markets import swinging, wandering
from bitcoin.train import Trained, train
from bitcoin.tune import tune
from bundle.transforms.bars import LEAST_BARS, bars_of
from bundle.transforms.bars import features as features_of
from stepkit.errors import InvalidInput
from stepkit.promotion.promote_step import Promoted
from stepkit.s3 import ObjectStore
from stepkit.settings import Run, Settings
from tests import children
from tests.roles import as_promotion
from tests.services import PostgresServer, wait_until

SMALL: dict[str, Any] = {"trials": 3, "folds": 2, "max_estimators": 40}


@dataclass(frozen=True)
class Chain:
    """Runs the steps of one database, bucket and experiment."""

    database: str
    bucket: str
    mlflow_url: str
    model: str

    def settings(self, run_id: str = "run-1") -> Settings:
        return Settings(
            run=Run(dag_id="training", run_id=run_id),
            database_url=self.database,
            tracking_uri=self.mlflow_url,
            experiment_name=f"experiment-{self.model}",
            model_name=self.model,
        )

    def promoting(self, run_id: str = "run-1") -> Settings:
        return replace(self.settings(run_id), database_url=as_promotion(self.database))

    def load(self, taken: Capture, run_id: str = "ingest") -> None:
        uri = f"s3://{self.bucket}/{run_id}.json"
        ObjectStore().put(uri, taken.to_json())
        load(self.settings(run_id), raw_uri=uri)

    def features(self, run_id: str = "run-1", **options: Any) -> Featured:
        return features(self.settings(run_id), min_rows=100, bucket=self.bucket, **options)

    def candidate(self, run_id: str = "run-1", **options: Any) -> tuple[dict[str, str], Trained]:
        found = self.features(run_id, **options)
        snapshot = {"snapshot_uri": found.snapshot_uri, "snapshot_sha256": found.snapshot_sha256}
        tune(self.settings(run_id), **snapshot, **SMALL)
        return snapshot, train(self.settings(run_id), **snapshot)

    def run(
        self, run_id: str = "run-1", *, test_share: float = 0.2, **judging: Any
    ) -> tuple[Trained, Evaluated, Promoted]:
        snapshot, trained = self.candidate(run_id, test_share=test_share)
        settings = self.settings(run_id)
        evaluated = evaluate(
            settings, candidate=asdict(trained), **snapshot, bucket=self.bucket, folds=3, **judging
        )
        return (
            trained,
            evaluated,
            promote(self.promoting(run_id), evaluation_uri=evaluated.evaluation_uri, bucket=self.bucket),
        )

    def query(self, statement: str) -> list[Any]:
        connection = psycopg2.connect(self.database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall()
        finally:
            connection.close()

    def states(self) -> list[str]:
        return [row[0] for row in self.query("SELECT state::text FROM bitcoin_optuna.trials ORDER BY number")]

    def runs(self) -> dict[str, Any]:
        client = MlflowClient(self.mlflow_url)
        experiment = client.get_experiment_by_name(f"experiment-{self.model}")
        return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


@pytest.fixture
def chain(make_database: Callable[[str], str], bucket: str, mlflow_url: str) -> Chain:
    return Chain(make_database("bitcoin"), bucket, mlflow_url, f"bitcoin-{uuid4().hex[:8]}")


def test_a_model_that_knows_something_becomes_champion(chain: Chain, tmp_path: Path) -> None:
    chain.load(swinging(1500))
    trained, evaluated, promoted = chain.run()
    assert evaluated.verdict == "promote", evaluated.reason
    assert (promoted.verdict, promoted.champion, promoted.version) == ("promoted", "xgboost", 1)
    assert evaluated.metrics["roc_auc"] == pytest.approx(trained.roc_auc)
    assert evaluated.walk_forward["roc_auc"] > float(evaluated.baseline.split()[1])

    runs = chain.runs()
    trials = {f"trial-{number:03d}" for number in range(SMALL["trials"])}
    assert set(runs) == {"tune", "train", "evaluate"} | trials
    assert all(run.info.status == "FINISHED" for run in runs.values())
    trial = runs[f"trial-{trained.best_trial:03d}"].data
    assert trial.tags["mlflow.parentRunId"] == runs["tune"].info.run_id
    assert {name: float(value) for name, value in trial.params.items()} == pytest.approx(trained.parameters)
    assert runs["tune"].data.metrics["roc_auc"] == trial.metrics["roc_auc"]
    assert runs["evaluate"].data.metrics["reversal_accuracy"] > 0.5
    assert {"earned_net", "earned_held", "walk_roc_auc"} <= set(runs["evaluate"].data.metrics)

    # Serving gets bars and must answer as training does.
    path = mlflow.artifacts.download_artifacts(
        run_id=trained.mlflow_run_id, artifact_path="bundle", dst_path=str(tmp_path)
    )
    served = bundle.load(path, expected_digest=trained.bundle_digest)
    served.check_smoke()
    (transform,) = served.contract.transforms
    assert (transform.type, transform.parameters["interval_ms"]) == ("bars", 3_600_000)
    names = ("open_time", "open", "high", "low", "close", "volume")
    given = bars_of([dict(zip(names, row, strict=False)) for row in swinging(1500).rows[-LEAST_BARS:]])
    answer = served.predict(features_of(given))
    assert answer.probabilities.shape == (1, 2)
    assert [label.name for label in served.contract.labels] == ["down", "up"]


def test_a_retry_of_each_step_changes_nothing(chain: Chain) -> None:
    chain.load(swinging(1500))
    trained, _, promoted = chain.run()
    again, _, promoted_again = chain.run()
    assert (again, promoted_again) == (trained, promoted)
    assert len(chain.states()) == SMALL["trials"]
    assert len([name for name in chain.runs() if name.startswith("trial")]) == SMALL["trials"]
    assert chain.query("SELECT count(*) FROM bitcoin.promotion_decisions") == [(1,)]


def test_a_market_that_cannot_be_foreseen_gets_no_champion_and_a_sentence(chain: Chain) -> None:
    chain.load(wandering(1500))
    _, evaluated, promoted = chain.run()
    assert (evaluated.verdict, promoted.verdict, promoted.champion) == ("refuse", "refused", None)
    assert "the model does not beat the baseline" in promoted.reason
    assert chain.query("SELECT reason FROM bitcoin.promotion_decisions") == [(promoted.reason,)]


def test_a_profit_may_be_required(chain: Chain) -> None:
    chain.load(swinging(1500))
    _, evaluated, promoted = chain.run(require_profit=True, cost_bps=500.0)
    assert promoted.verdict == "refused"
    assert evaluated.net < 0
    assert "after costs of 500 hundredths of a percent a trade" in promoted.reason


def test_a_later_challenger_meets_the_champion_behind_the_same_hurdle(chain: Chain) -> None:
    chain.load(swinging(1500))
    chain.run("run-1")
    chain.load(Capture("BTCUSDT", "1h", swinging(1600).server_time, swinging(1600).rows), "ingest-2")
    _, evaluated, promoted = chain.run("run-2")
    assert evaluated.champion_version == 1
    assert "gain in roc_auc" in promoted.reason
    assert (promoted.version == 2) == (promoted.verdict == "promoted")


def test_a_champion_is_judged_on_the_bars_after_its_training_alone(chain: Chain, tmp_path: Path) -> None:
    chain.load(swinging(1500))
    first, _, promoted = chain.run("run-1", test_share=0.1)
    assert promoted.verdict == "promoted", promoted.reason
    path = mlflow.artifacts.download_artifacts(
        run_id=first.mlflow_run_id, artifact_path="bundle", dst_path=str(tmp_path)
    )
    stated = bundle.load(path).contract
    # The first row is of the 120th bar. Of 1,380 rows 138 are for testing, behind a gap of 24; the target of
    # the last one before is of the next bar.
    last = swinging(1500).rows[119 + 1380 - 138 - 24][0]
    assert stated.split == bundle.Split("time", ("open_time",), 0.1, judged_after=last)
    unstated = without_veto().split(replace(stated, split=None))
    assert unstated is not None
    assert unstated.judged_after == last, "a bundle that states no split has that of its bars"

    _, evaluated, promoted = chain.run("run-2", test_share=0.4)
    assert promoted.reason.startswith(
        "the gain in roc_auc on the 161 of 552 test rows that come after the champion's training is"
    )
    document = json.loads(ObjectStore().get(evaluated.evaluation_uri))
    assert document["compared_rows"] == 161


def test_promotion_needs_the_evaluations_hurdle(chain: Chain) -> None:
    with pytest.raises(InvalidInput, match="there is no object"):
        promote(
            chain.promoting(),
            evaluation_uri=f"s3://{chain.bucket}/nowhere/evaluation-{'0' * 64}.json",
            bucket=chain.bucket,
        )


def test_the_held_out_bars_decide_nothing_of_the_model(
    chain: Chain, make_database: Callable[[str], str], tmp_path: Path
) -> None:
    known, other = swinging(1500), swinging(1500)
    # Within the held-out bars all is otherwise.
    for row in other.rows[-250:]:
        row[1:5] = ["30000.0", "31000.0", "29000.0", f"{30000 + row[0] % 7}.0"]
    second = replace(chain, database=make_database("bitcoin"), model=f"{chain.model}-other")
    chain.load(known)
    second.load(other, "other")
    (one, trained), (two, retrained) = chain.candidate(), second.candidate("run-2")
    assert one["snapshot_sha256"] != two["snapshot_sha256"]
    assert (retrained.best_trial, retrained.parameters) == (trained.best_trial, trained.parameters)
    boosters = [
        mlflow.artifacts.download_artifacts(
            run_id=each.mlflow_run_id, artifact_path="bundle/model.ubj", dst_path=str(tmp_path / str(number))
        )
        for number, each in enumerate((trained, retrained))
    ]
    assert Path(boosters[0]).read_bytes() == Path(boosters[1]).read_bytes()


def test_two_workers_share_the_trials_and_no_more_are_made(chain: Chain) -> None:
    chain.load(swinging(1500))
    found = chain.features()
    snapshot = {"snapshot_uri": found.snapshot_uri, "snapshot_sha256": found.snapshot_sha256}
    with ThreadPoolExecutor(2, initializer=None) as pool:
        children = [
            pool.submit(_in_a_process, chain.settings(), worker, {**snapshot, **SMALL, "trials": 6})
            for worker in range(2)
        ]
        assert [child.result() for child in children] == [0, 0]
    assert len(chain.states()) == 6
    assert set(chain.states()) <= {"COMPLETE", "PRUNED"}
    assert chain.query("SELECT count(*) FROM bitcoin_optuna.studies") == [(1,)]
    names = [name for name in chain.runs() if name.startswith("trial")]
    assert len(names) == 6
    assert list(chain.runs()).count("tune") == 1


def test_a_killed_worker_loses_one_trial_and_the_study_goes_on(
    chain: Chain, postgres_server: PostgresServer
) -> None:
    chain.load(swinging(1500))
    found = chain.features()
    given = {
        **{"snapshot_uri": found.snapshot_uri, "snapshot_sha256": found.snapshot_sha256},
        **{"trials": 5, "folds": 4, "max_estimators": 2000},
    }
    child = children.child(_tune, chain.settings(), 0, given)
    child.start()
    heard = (
        "SELECT count(*) FROM bitcoin_optuna.trials JOIN bitcoin_optuna.trial_heartbeats USING (trial_id)"
        " WHERE state = 'RUNNING' AND number >= 1"
    )
    assert wait_until(lambda: chain.query(heard) == [(1,)], 120)
    assert child.pid
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    ended = [state for state in chain.states() if state != "RUNNING"]
    assert chain.states().count("RUNNING") == 1

    given["max_estimators"] = 40
    again = tune(chain.settings(), **given)
    # The lost trial still counts as running until it has been silent for a while.
    assert again.trials == 5 - 1
    assert again.trials_here == 5 - len(ended) - 1
    name = chain.database.rpartition("/")[2]
    postgres_server.execute(
        "UPDATE bitcoin_optuna.trial_heartbeats SET heartbeat = heartbeat - interval '10 minutes'", name
    )
    assert tune(chain.settings(), **given).trials_here == 1
    assert sorted(chain.states()).count("FAIL") == 1
    assert len(chain.states()) == 5 + 1
    trained = train(chain.settings(), snapshot_uri=found.snapshot_uri, snapshot_sha256=found.snapshot_sha256)
    assert trained.trials == 5
    assert len([run for run in chain.runs() if run.startswith("trial")]) == 5


def test_train_logs_the_trials_that_a_killed_worker_did_not(chain: Chain) -> None:
    chain.load(swinging(1500))
    found = chain.features()
    ours = study.opened(chain.settings())
    ours.optimize(lambda trial: float(trial.suggest_int("max_depth", 2, 3)), n_trials=2)
    trained = train(chain.settings(), snapshot_uri=found.snapshot_uri, snapshot_sha256=found.snapshot_sha256)
    assert trained.trials == 2
    assert {"trial-000", "trial-001"} <= set(chain.runs())


def test_train_without_a_trial_is_refused(chain: Chain) -> None:
    chain.load(swinging(1500))
    found = chain.features()
    with pytest.raises(InvalidInput, match="has no trial that ended: run tune first"):
        train(chain.settings(), snapshot_uri=found.snapshot_uri, snapshot_sha256=found.snapshot_sha256)


def _tune(settings: Settings, worker: int, given: dict[str, Any]) -> None:
    tune(settings, worker=worker, **given)


def _in_a_process(settings: Settings, worker: int, given: dict[str, Any]) -> int | None:
    child = children.child(_tune, settings, worker, given)
    child.start()
    child.join(120)
    return child.exitcode
