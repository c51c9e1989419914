"""The candidates of each pipeline's last training on the local platform, and their test rows for a client."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run

import bitcoin.policy
import bundle
import crime.policy
import forest.policy
import penguins.policy
from bitcoin.snapshot import OPEN_TIME, fetch
from bundle.transforms.bars import FIELDS, LEAST_BARS
from quintet.local.platform import Platform
from quintet.local.state import State
from quintet.progress import UserError
from stepkit.promotion.policy import Policy
from stepkit.s3 import ObjectStore
from stepkit.tracking import RUN_TAG
from stepkit.training import BUNDLE_FOLDER, MODEL_FOLDER

POLICIES: dict[str, Policy] = {
    "forest": forest.policy.POLICY,
    "crime": crime.policy.POLICY,
    "penguins": penguins.policy.POLICY,
    "bitcoin": bitcoin.policy.without_veto(),
}


@dataclass(frozen=True)
class Candidate:
    """A trained pipeline, its bundle, and the rows that it was not fitted on."""

    name: str
    pipeline: Any
    bundle: Path
    rows: pd.DataFrame
    """What the pipeline takes."""
    items: list[dict[str, Any]] | list[list[dict[str, Any]]]
    """For each row what a client sends: a sample, or the bars that end with the row's."""


def of_platform(state: State, folder: Path) -> Iterator[Candidate]:
    """Returns every candidate of each pipeline's last training.

    Args:
        state: of a local platform that runs.
        folder: for their files.

    Raises:
        UserError: no platform runs there, or it has trained nothing.
    """
    if not state.is_up():
        raise UserError(
            f"No platform runs in {state.folder}: `./quintet --on local run-all` trains all models."
        )
    platform = Platform(state)
    for name, policy in POLICIES.items():
        plain, secret = platform.step_environment(name, "train")
        os.environ.update(plain | secret | {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"})
        mlflow.set_tracking_uri(plain["MLFLOW_TRACKING_URI"])
        client = MlflowClient()
        for run in _last_training(client, plain["MLFLOW_EXPERIMENT_NAME"]):
            own = folder / run.info.run_id
            own.mkdir()
            yield _candidate(client, name, policy, run, own)


def _last_training(client: MlflowClient, experiment_name: str) -> list[Run]:
    experiment = client.get_experiment_by_name(experiment_name)
    runs = client.search_runs([experiment.experiment_id]) if experiment else []
    proven = [run for run in runs if "bundle_digest" in run.data.tags]
    if not proven:
        raise UserError(f"{experiment_name} has no trained model: `./quintet --on local run-all` trains all.")
    return [run for run in proven if run.data.tags[RUN_TAG] == proven[0].data.tags[RUN_TAG]]


def _candidate(client: MlflowClient, name: str, policy: Policy, run: Run, folder: Path) -> Candidate:
    for part in (MODEL_FOLDER, BUNDLE_FOLDER):
        client.download_artifacts(run.info.run_id, part, str(folder))
    uri, sha256 = run.data.tags["snapshot_uri"], run.data.params["data_sha256"]
    rows = pd.DataFrame(policy.test_rows(uri, folder, sha256).columns)
    known = rows.astype(object).where(rows.notna(), None)  # as JSON has no NaN
    inputs = bundle.load(folder / BUNDLE_FOLDER).inputs
    sent = [field.name for field in inputs.fields] + [feature.name for feature in inputs.features]
    items = _bars(uri, sha256, folder) if inputs.series else known[sent].to_dict("records")
    algorithm = run.data.params.get("algorithm", "xgboost")
    pipeline = mlflow.sklearn.load_model(str(folder / MODEL_FOLDER))
    return Candidate(f"{name}, {algorithm}", pipeline, folder / BUNDLE_FOLDER, rows, items)


def _bars(uri: str, sha256: str, folder: Path) -> list[list[dict[str, Any]]]:
    """Returns the stored bars that each test row's features were made of."""
    snapshot = fetch(uri, folder, sha256)
    series = snapshot.series
    table = pd.read_csv(
        BytesIO(ObjectStore().get(f"s3://data/bitcoin/export/{series.symbol}-{series.interval}.csv")),
        float_precision="round_trip",
        parse_dates=[OPEN_TIME],
    )
    table[OPEN_TIME] = table[OPEN_TIME].astype("datetime64[ms, UTC]").astype("int64")
    bars = table[list(FIELDS)].to_dict("records")
    places = {bar[OPEN_TIME]: at for at, bar in enumerate(bars)}
    ends = [places[int(opened)] + 1 for opened in snapshot.test[OPEN_TIME]]
    return [bars[end - LEAST_BARS : end] for end in ends]
