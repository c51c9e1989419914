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
from stepkit import tracking
from stepkit.outcomes import RefusedInput
from stepkit.promotion.comparison import Comparison, Thresholds, Verdict, compare, decide
from stepkit.promotion.contest import Contest
from stepkit.promotion.decisions import Model
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
    """The contest's scores of `challenger` and, if there is one, of `champion`."""
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
    settings: Settings,
    contest: Contest,
    challenger: Model,
    champion: Model | None,
    snapshot_uri: str,
    thresholds: Thresholds,
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
        rows = contest.test_rows(snapshot_uri, folder, challenger.data_sha256)
        answers = {"challenger": _answers(challenger, rows.columns, folder)}
        fault = None
        if champion is not None:
            try:
                answers["champion"] = _answers(champion, rows.columns, folder)
            except UnusableBundle as error:
                fault = str(error)
                _logger.warning("the champion cannot answer: %s", fault)
    metric = contest.metric
    metrics = {role: contest.scores(rows.labels, answer) for role, answer in answers.items()}
    comparison = None
    if "champion" in answers:
        one, other = (metric.answers(answers[role]) for role in ("challenger", "champion"))
        comparison = compare(metric, rows.labels, one, other)
    verdict, reason = decide(
        metric.name,
        metrics["challenger"][metric.name],
        comparison,
        thresholds,
        fault=fault,
        objection=contest.objection(rows, answers["challenger"]),
    )
    return Assessment(
        snapshot_uri=snapshot_uri,
        parameters_sha256=rows.parameters_sha256,
        test_rows=len(rows.labels),
        challenger=challenger,
        champion=champion,
        thresholds=thresholds,
        metrics=metrics,
        comparison=comparison,
        verdict=verdict,
        reason=reason,
    )


def _answers(model: Model, columns: bundle.Columns, folder: Path) -> bundle.Prediction:
    path = _download(model, folder)
    try:
        return bundle.load(path, expected_digest=model.bundle_digest).predict(columns)
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
