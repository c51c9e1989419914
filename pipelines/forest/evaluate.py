"""Lets the best candidate meet the champion, and writes what came of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Annotated, Any

from forest import registry
from forest.assessment import assess
from forest.decisions import Decisions, Model
from forest.evaluation import Thresholds
from stepkit import postgres
from stepkit.options import Option
from stepkit.outcomes import RefusedInput
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings
from stepkit.step import run

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluated:
    """The best candidate, and whether it should become champion."""

    evaluation_uri: str
    mlflow_run_id: str
    algorithm: str
    f1_macro: float
    champion_version: int | None
    verdict: str


def evaluate(
    settings: Settings,
    *,
    candidates: Annotated[list[Any], Option("the results of train")],
    snapshot_uri: Annotated[str, Option("S3 URI of their snapshot")],
    snapshot_sha256: Annotated[str, Option("its data hash")],
    min_metric: Annotated[float, Option("smallest f1_macro with none to meet", minimum=0, maximum=1)] = 0.4,
    min_gain: Annotated[float, Option("f1_macro must rise by more than this", minimum=0)] = 0.0,
    tolerance: Annotated[float, Option("how far below 0 the gain's interval may reach", minimum=0)] = 0.005,
    bucket: Annotated[str, Option("bucket of the evaluation", env="DATA_BUCKET")] = "data",
) -> Evaluated:
    """Chooses the candidate with the highest f1_macro and compares it with the champion on the test rows."""
    challenger = best(candidates, snapshot_sha256)
    with postgres.transaction(settings) as rows:
        champion = Decisions(rows, settings).champion()
    thresholds = Thresholds(min_metric, min_gain, tolerance)
    assessment = assess(settings, challenger, champion, snapshot_uri, thresholds)
    _logger.info("%s: %s", assessment.verdict, assessment.reason)
    uri = f"s3://{bucket}/forest/evaluation/{settings.run.key}/evaluation.json"
    ObjectStore().put(uri, assessment.to_json().encode(), "application/json")
    return Evaluated(
        evaluation_uri=uri,
        mlflow_run_id=challenger.mlflow_run_id,
        algorithm=challenger.algorithm,
        f1_macro=assessment.metrics["challenger"]["f1_macro"],
        champion_version=registry.of(settings, bucket).version(champion) if champion else None,
        verdict=assessment.verdict,
    )


def best(candidates: list[Any], data_sha256: str) -> Model:
    """Gives the candidate with the highest f1_macro, the first of equals.

    Raises:
        RefusedInput: there is none, or one is no result of train.
    """
    if not candidates:
        raise RefusedInput("--candidates (CANDIDATES) is empty: no model was trained")
    try:
        chosen = max(candidates, key=lambda candidate: float(candidate["f1_macro"]))
        return Model(chosen["algorithm"], chosen["mlflow_run_id"], chosen["bundle_digest"], data_sha256)
    except (KeyError, TypeError, ValueError) as error:
        raise RefusedInput(f"--candidates (CANDIDATES) holds what is no result of train: {error!r}") from None


if __name__ == "__main__":
    run(evaluate)
