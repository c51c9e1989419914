"""The two models that every server gets, trained once on the whole covertype file and kept."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import joblib
import pandas as pd

import bundle
from forest.models import fit
from forest.schema import COVER_TYPES, NAMES
from forest.snapshot import FEATURES, TARGET, Snapshot, clean

ROOT = Path(__file__).resolve().parents[2]
COVERTYPE = ROOT / "sources/forest_api/data/covertype.csv.gz"
ROWS = 2000
"""Different rows that are sent in turn."""
ALGORITHMS = {"forest": "random_forest", "logistic": "logistic_regression"}
_OPTIONS = {"seed": 42, "n_estimators": 100, "svc_max_rows": 0, "svc_components": 0}
_MADE_FROM = (
    "pipelines/forest/models.py",
    "pipelines/forest/snapshot.py",
    "bundle/exporter.py",
    "bundle/contract.py",
)


@dataclass(frozen=True)
class Model:
    """A model on disk: `pipeline.joblib`, `bundle`, as MLflow and MLServer want it, and its test rows."""

    name: str
    folder: Path

    @cached_property
    def test(self) -> pd.DataFrame:
        """The rows that it was not fitted on, with the target."""
        return pd.read_parquet(self.folder / "test.parquet")

    @cached_property
    def samples(self) -> list[dict[str, Any]]:
        """Those rows as a client sends them."""
        samples: list[dict[str, Any]] = self.test[list(FEATURES)].to_dict("records")
        return samples

    def expected(self, rows: int) -> list[int]:
        """Returns scikit-learn's labels of the first test rows."""
        pipeline = joblib.load(self.folder / "pipeline.joblib")
        labels: list[int] = pipeline.predict(self.test[list(FEATURES)].head(rows)).tolist()
        return labels


def cache() -> Path:
    """Returns the folder that outlives a run."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "quintet" / "bench"


def trained() -> list[Model]:
    """Returns the models, which are trained first when they are not there: a minute and 4 GiB."""
    digest = hashlib.sha256()
    for path in (COVERTYPE, *(ROOT / name for name in _MADE_FROM)):
        digest.update(path.read_bytes())
    folder = cache() / f"models-{digest.hexdigest()[:12]}"
    if not folder.exists():
        cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache()) as making:
            _train(Path(making))
            shutil.copytree(making, folder)
    return [Model(name, folder / name) for name in ALGORITHMS]


def _train(folder: Path) -> None:
    import mlflow.sklearn

    snapshot = Snapshot(clean(pd.read_csv(COVERTYPE).set_axis(list(NAMES), axis=1)), 1, "")
    for name, algorithm in ALGORITHMS.items():
        print(f"training {name} on {len(snapshot.train):,} rows, once...", flush=True)
        pipeline, _ = fit(algorithm, snapshot.train, **_OPTIONS)  # type: ignore[arg-type]
        path = folder / name
        path.mkdir()
        rows = snapshot.test[list(FEATURES)].head(ROWS).to_dict("records")
        (path / "rows.json").write_text(json.dumps(rows))
        joblib.dump(pipeline, path / "pipeline.joblib")
        snapshot.test.to_parquet(path / "test.parquet")
        requirements = ["scikit-learn"]
        mlflow.sklearn.save_model(
            pipeline, path / "mlflow", pip_requirements=requirements, serialization_format="cloudpickle"
        )
        bundle.export(
            pipeline,
            snapshot.train[list(FEATURES)],
            path / "bundle",
            model="forest",
            target=TARGET,
            label_names=dict(enumerate(COVER_TYPES)),
            metrics={},
            data_sha256=snapshot.sha256,
        )
        (path / "model-settings.json").write_text(
            json.dumps(
                {
                    "name": "forest",
                    "implementation": "mlserver_sklearn.SKLearnModel",
                    "parameters": {"uri": "./pipeline.joblib"},
                }
            )
        )
