"""What a training publishes: a bundle that was proven, and the pipeline for people, on a real MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

import bundle
from stepkit import tracking
from stepkit.errors import Code, InvalidInput
from stepkit.settings import Run, Settings
from stepkit.training import log_bundle, log_pipeline, proven_bundle

FACTS: dict[str, Any] = {
    "model": "penguins",
    "target": "species",
    "label_names": {0: "Adelie", 1: "Gentoo"},
    "metrics": {"accuracy": 0.75},
    "data_sha256": "d" * 64,
    "split": bundle.Split("key", ("mass",), 0.25, "s"),
}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame({"mass": random.normal(4200, 800, 80), "bill": random.normal(44, 5, 80)})


def fit(rows: pd.DataFrame, classifier: Any) -> Pipeline:
    imputed = ColumnTransformer([("numbers", SimpleImputer(), ["mass", "bill"])])
    return make_pipeline(imputed, classifier).fit(rows, (rows["mass"] > 4200).astype(int))


@pytest.fixture(scope="module")
def pipeline(rows: pd.DataFrame) -> Pipeline:
    return fit(rows, LogisticRegression())


def test_a_proven_bundle_says_what_it_was_told(
    pipeline: Pipeline, rows: pd.DataFrame, tmp_path: Path
) -> None:
    digest = proven_bundle(pipeline, rows[:60], rows[60:], tmp_path, **FACTS)
    opened = bundle.load(tmp_path / "bundle")
    contract = opened.contract
    assert opened.digest == digest
    assert {name: getattr(contract, name) for name in ("model", "target", "metrics", "data_sha256")} == {
        name: FACTS[name] for name in ("model", "target", "metrics", "data_sha256")
    }
    assert {label.value: label.name for label in contract.labels} == FACTS["label_names"]
    assert contract.split == FACTS["split"]
    assert contract.features[0].range == (rows["mass"][:60].min(), rows["mass"][:60].max())


def test_a_model_that_cannot_be_a_bundle_is_refused(rows: pd.DataFrame, tmp_path: Path) -> None:
    dummy = fit(rows, DummyClassifier())
    with pytest.raises(InvalidInput, match="DummyClassifier") as refused:
        proven_bundle(dummy, rows[:60], rows[60:], tmp_path, **FACTS)
    assert refused.value.code is Code.UNUSABLE_MODEL


def test_the_bundle_and_the_pipeline_are_in_the_run(
    pipeline: Pipeline, rows: pd.DataFrame, tmp_path: Path, mlflow_url: str
) -> None:
    proven_bundle(pipeline, rows[:60], rows[60:], tmp_path / "made", **FACTS)
    own = Run("training", uuid4().hex)
    settings = Settings(run=own, tracking_uri=mlflow_url, experiment_name="training")
    with tracking.run(settings, "train") as run_id:
        log_bundle(tmp_path / "made")
        log_pipeline(pipeline, rows.head(5), tmp_path / "made")
    found = Path(mlflow.artifacts.download_artifacts(run_id=run_id, dst_path=str(tmp_path / "found")))
    assert bundle.load(found / "bundle").digest == bundle.load(tmp_path / "made/bundle").digest
    logged = mlflow.models.Model.load(found / "model")
    assert logged.signature is None
    assert logged.flavors["sklearn"]["serialization_format"] == "cloudpickle"
    assert "cloudpickle" in (found / "model/requirements.txt").read_text()
    assert logged.load_input_example(str(found / "model")).equals(rows.head(5))
    again = mlflow.sklearn.load_model(str(found / "model"))
    assert (again.predict_proba(rows) == pipeline.predict_proba(rows)).all()
