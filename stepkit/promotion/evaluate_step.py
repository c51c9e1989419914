"""Scores the best candidate against the champion and writes the evaluation: the work of a step `evaluate`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Annotated, Any

from stepkit import documents, postgres
from stepkit.errors import Code, InvalidInput
from stepkit.options import Option
from stepkit.promotion import registry
from stepkit.promotion.comparison import Incomparable, Thresholds
from stepkit.promotion.decisions import Decisions, Model
from stepkit.promotion.policy import Policy
from stepkit.promotion.scoring import score
from stepkit.settings import Settings

# The options of a step that judges.
MinGain = Annotated[float, Option("the lower end of the gain's interval must be above this", minimum=-1)]
WhenIncomparable = Annotated[
    Incomparable, Option("what to do when the champion may have seen the test rows: min-metric decides alone")
]
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluated:
    """The best candidate, its scores, and whether it should become champion."""

    evaluation_uri: str
    mlflow_run_id: str
    algorithm: str
    metrics: dict[str, float]
    champion_version: int | None
    verdict: str
    reason: str


def evaluate(
    settings: Settings,
    policy: Policy,
    challenger: Model,
    *,
    snapshot_uri: str,
    thresholds: Thresholds,
    bucket: str,
) -> Evaluated:
    """Compares a challenger with the champion on the test rows, and writes the evaluation to S3.

    Args:
        settings: lead to Postgres and MLflow.
        policy: how the two are judged.
        challenger: the best candidate.
        snapshot_uri: of the snapshot that it was trained on.
        thresholds: what it has to show.
        bucket: takes `<pipeline>/evaluation/<run>/evaluation-<sha256>.json`.

    Raises:
        InvalidInput: the challenger's bundle or the snapshot is not what its hash says.
        DependencyUnavailable: Postgres, MLflow or S3 does not answer.
    """
    with postgres.transaction(settings) as rows:
        champion = Decisions(rows, settings, policy.schema).champion()
    evaluation = score(settings, policy, challenger, champion, snapshot_uri, thresholds)
    _logger.info("%s: %s", evaluation.verdict, evaluation.reason)
    folder = f"s3://{bucket}/{policy.pipeline}/evaluation/{settings.run.key}"
    uri = documents.write(folder, "evaluation", evaluation.to_json().encode())
    shown = registry.of(settings, bucket, policy.pipeline)
    return Evaluated(
        evaluation_uri=uri,
        mlflow_run_id=challenger.mlflow_run_id,
        algorithm=challenger.algorithm,
        metrics=evaluation.metrics["challenger"],
        champion_version=shown.version(champion) if champion else None,
        verdict=evaluation.verdict,
        reason=evaluation.reason,
    )


def best(candidates: list[Any], metric: str, data_sha256: str) -> Model:
    """Returns the candidate with the highest figure, the first of equals.

    Args:
        candidates: results of a step `train`: `algorithm`, `mlflow_run_id`, `bundle_digest` and the figure.
        metric: the figure's name.
        data_sha256: the hash of the snapshot that they were trained on.

    Raises:
        InvalidInput: there is none, or one is not a result of train.
    """
    if not candidates:
        raise InvalidInput("--candidates (CANDIDATES) is empty: no model was trained", Code.EMPTY_INPUT)
    try:
        chosen = max(candidates, key=lambda candidate: float(candidate[metric]))
        return Model(chosen["algorithm"], chosen["mlflow_run_id"], chosen["bundle_digest"], data_sha256)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(
            f"--candidates (CANDIDATES) holds what is not a result of train: {error!r}", Code.INVALID_SETTING
        ) from None
