"""Scores challenger and champion bundles on the challenger's test rows; the result is a JSON document."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import mlflow
import numpy as np
from mlflow.exceptions import MlflowException
from numpy.typing import NDArray

import bundle
from stepkit import tracking
from stepkit.errors import MLFLOW, Code, InvalidInput
from stepkit.promotion.comparison import Comparison, Thresholds, Verdict, compare, decide
from stepkit.promotion.decisions import Model
from stepkit.promotion.leakage import NotComparable, unseen
from stepkit.promotion.policy import Policy, TestRows
from stepkit.settings import Settings

_BUNDLE = "bundle"
_logger = logging.getLogger(__name__)


class UnusableBundle(InvalidInput):
    """A model's bundle is gone, damaged, or cannot answer these rows."""

    default_code = Code.UNUSABLE_MODEL


@dataclass(frozen=True)
class Evaluation:
    """A verdict on a challenger, with all that it was founded on."""

    snapshot_uri: str
    parameters_sha256: str
    test_rows: int
    challenger: Model
    champion: Model | None
    thresholds: Thresholds
    metrics: dict[str, dict[str, float]]
    """The policy's scores of `challenger` on all test rows and, if it was compared, of `champion` on those
    that it was compared on."""
    comparison: Comparison | None
    verdict: Verdict
    reason: str
    compared_rows: int | None = None
    """The test rows that the two were compared on; None: they were not."""
    stated: dict[str, Any] = field(default_factory=dict)
    """What the policy's objection goes by."""

    def to_json(self) -> str:
        """Writes the document that `from_json` reads."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Reads an evaluation.

        Raises:
            InvalidInput: it is invalid.
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
            raise InvalidInput(
                f"the evaluation cannot be read: {error!r}; run evaluate again", Code.UNREADABLE_INPUT
            ) from error


def score(
    settings: Settings,
    policy: Policy,
    challenger: Model,
    champion: Model | None,
    snapshot_uri: str,
    thresholds: Thresholds,
) -> Evaluation:
    """Scores both bundles, as serving would load them, on the test rows of the challenger's snapshot.

    A champion whose bundle is unusable for good stands in nobody's way: the verdict is as if there were none,
    and its reason says so. One that may have been fitted on the test rows is not compared on them.

    Raises:
        InvalidInput: the challenger's bundle or the snapshot is not what its hash says.
        DependencyUnavailable: MLflow or S3 does not answer.
    """
    tracking.configure(settings)
    metric = policy.metric
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = policy.test_rows(snapshot_uri, folder, challenger.data_sha256)
        split, answer = _challenger_answers(policy, challenger, rows, folder)
        metrics = {"challenger": policy.scores(rows.labels, answer)}
        comparison = compared_rows = fault = difference = None
        if champion is not None:
            try:
                kept, other = _champion_answers(policy, champion, rows, split, folder)
            except UnusableBundle as error:
                fault = str(error)
                _logger.warning("the champion cannot answer: %s", fault)
            except NotComparable as error:
                difference = str(error)
                _logger.warning("the champion is not comparable: %s", difference)
            else:
                labels, compared_rows = rows.labels[kept], int(kept.sum())
                metrics["champion"] = policy.scores(labels, other)
                comparison = compare(metric, labels, metric.answers(answer)[kept], metric.answers(other))
    verdict, reason = decide(
        metric.name,
        metrics["challenger"][metric.name],
        comparison,
        thresholds,
        fault=fault,
        difference=difference,
        rows=_part(compared_rows, len(rows.labels)),
        objection=policy.objection(rows, answer),
    )
    return Evaluation(
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
        compared_rows=compared_rows,
        stated=dict(policy.stated),
    )


def open_bundle(settings: Settings, model: Model, folder: Path) -> bundle.Bundle:
    """Returns a model's bundle, as serving would load it.

    Args:
        settings: lead to MLflow.
        model: whose bundle.
        folder: takes its files, which stay mapped.

    Raises:
        UnusableBundle: it is gone, or is not what its digest says.
        DependencyUnavailable: MLflow does not answer.
    """
    tracking.configure(settings)
    return _opened(model, folder)


def _challenger_answers(
    policy: Policy, challenger: Model, rows: TestRows, folder: Path
) -> tuple[bundle.Split | None, bundle.Prediction]:
    """Returns the challenger's split, and its answers to all test rows."""
    loaded = _opened(challenger, folder)
    with _use_of(challenger):
        return policy.split(loaded.contract), loaded.predict(rows.columns)


def _champion_answers(
    policy: Policy, champion: Model, rows: TestRows, split: bundle.Split | None, folder: Path
) -> tuple[NDArray[np.bool_], bundle.Prediction]:
    """Returns the test rows that the champion was not fitted on, and its answers to them.

    Raises:
        NotComparable: it may have been fitted on any, or too few are left.
    """
    loaded = _opened(champion, folder)
    with _use_of(champion):
        kept = unseen(rows, split, policy.split(loaded.contract))
        columns = rows.columns
        if not kept.all():
            columns = {name: column[kept] for name, column in columns.items()}
        return kept, loaded.predict(columns)


def _part(compared_rows: int | None, test_rows: int) -> str:
    if compared_rows in (None, test_rows):
        return ""
    return f"the {compared_rows} of {test_rows} test rows that come after the champion's training"


def _opened(model: Model, folder: Path) -> bundle.Bundle:
    path = _download(model, folder)
    with _use_of(model):
        return bundle.load(path, expected_digest=model.bundle_digest)


@contextmanager
def _use_of(model: Model) -> Iterator[None]:
    """Names the run of a bundle in the error that makes it unusable."""
    try:
        yield
    except (bundle.BundleError, ValueError) as error:
        raise UnusableBundle(
            f"the bundle of MLflow run {model.mlflow_run_id} is unusable: {error}"
        ) from error


def _download(model: Model, folder: Path) -> str:
    """Returns the folder of a bundle, after asking for it: to download none looks like an outage."""
    run_id = model.mlflow_run_id
    with tracking.errors():
        try:
            files = mlflow.MlflowClient().list_artifacts(run_id, _BUNDLE)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise UnusableBundle(f"MLflow has no run {run_id}", service=MLFLOW) from error
        if not files:
            raise UnusableBundle(f"MLflow run {run_id} has no bundle", service=MLFLOW)
        path: str = mlflow.artifacts.download_artifacts(
            run_id=run_id, artifact_path=_BUNDLE, dst_path=str(folder / model.bundle_digest)
        )
        return path
