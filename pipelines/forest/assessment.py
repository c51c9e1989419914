"""Scores challenger and champion bundles on the challenger's test rows; the result is a JSON document."""

from __future__ import annotations

import json
import logging
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import mlflow
from mlflow.exceptions import MlflowException

import bundle
from bundle.fitted import columns_of
from forest.decisions import Model
from forest.evaluation import Comparison, Labels, Thresholds, Verdict, compare, decide
from forest.models import scores
from forest.snapshot import FEATURES, TARGET, fetch
from stepkit import tracking
from stepkit.outcomes import RefusedInput
from stepkit.settings import Settings

_BUNDLE = "bundle"
_logger = logging.getLogger(__name__)


class UnusableBundle(RefusedInput):
    """A model's bundle is gone, damaged, or cannot answer these rows."""


@dataclass(frozen=True)
class Assessment:
    """A verdict on a challenger, with all that it was founded on."""

    snapshot_uri: str
    parameters_sha256: str
    test_rows: int
    challenger: Model
    champion: Model | None
    thresholds: Thresholds
    metrics: dict[str, dict[str, float]]
    """`accuracy` and `f1_macro` of `challenger` and, if there is one, of `champion`."""
    comparison: Comparison | None
    verdict: Verdict
    reason: str

    def to_json(self) -> str:
        """Writes the document that `from_json` reads."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Reads an assessment.

        Raises:
            RefusedInput: it is none.
        """
        try:
            fields: dict[str, Any] = json.loads(text)
            champion, comparison = fields.pop("champion"), fields.pop("comparison")
            return cls(
                challenger=Model(**fields.pop("challenger")),
                champion=Model(**champion) if champion else None,
                thresholds=Thresholds(**fields.pop("thresholds")),
                comparison=Comparison(**comparison) if comparison else None,
                **fields,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RefusedInput(f"the evaluation cannot be read: {error!r}; run evaluate again") from error


def assess(
    settings: Settings, challenger: Model, champion: Model | None, snapshot_uri: str, thresholds: Thresholds
) -> Assessment:
    """Lets both bundles, as serving would load them, answer the test rows of the challenger's snapshot.

    A champion whose bundle is unusable for good stands in nobody's way: the verdict is as if there were none,
    and its reason says so.

    Raises:
        RefusedInput: the challenger's bundle or the snapshot is not what its hash says.
        OutsideDown: MLflow or S3 does not answer.
    """
    tracking.configure(settings)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        snapshot = fetch(snapshot_uri, folder, challenger.data_sha256)
        true = snapshot.test[TARGET].to_numpy()
        columns = columns_of(snapshot.test[list(FEATURES)])
        answers = {"challenger": _answers(challenger, columns, folder)}
        fault = None
        if champion is not None:
            try:
                answers["champion"] = _answers(champion, columns, folder)
            except UnusableBundle as error:
                fault = str(error)
                _logger.warning("the champion cannot answer: %s", fault)
    metrics = {role: scores(true, labels) for role, labels in answers.items()}
    comparison = compare(true, answers["challenger"], answers["champion"]) if "champion" in answers else None
    verdict, reason = decide(metrics["challenger"]["f1_macro"], comparison, thresholds, fault)
    return Assessment(
        snapshot_uri=snapshot_uri,
        parameters_sha256=snapshot.parameters_sha256,
        test_rows=len(true),
        challenger=challenger,
        champion=champion,
        thresholds=thresholds,
        metrics=metrics,
        comparison=comparison,
        verdict=verdict,
        reason=reason,
    )


def _answers(model: Model, columns: bundle.Columns, folder: Path) -> Labels:
    path = _download(model, folder)
    try:
        return bundle.load(path, expected_digest=model.bundle_digest).predict(columns).labels
    except (bundle.BundleError, ValueError) as error:
        raise UnusableBundle(
            f"the bundle of MLflow run {model.mlflow_run_id} is unusable: {error}"
        ) from error


def _download(model: Model, folder: Path) -> str:
    """Gives the folder of a bundle, after asking for it: to download none looks like an outage."""
    run_id = model.mlflow_run_id
    with tracking.errors():
        try:
            files = mlflow.MlflowClient().list_artifacts(run_id, _BUNDLE)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise UnusableBundle(f"MLflow has no run {run_id}") from error
        if not files:
            raise UnusableBundle(f"MLflow run {run_id} has no bundle")
        path: str = mlflow.artifacts.download_artifacts(
            run_id=run_id, artifact_path=_BUNDLE, dst_path=str(folder / model.bundle_digest)
        )
        return path
