"""Scores the best candidate against the champion and writes the evaluation."""

from __future__ import annotations

from typing import Annotated, Any

from forest.policy import POLICY
from stepkit.options import Option
from stepkit.promotion import evaluate_step
from stepkit.promotion.comparison import Thresholds
from stepkit.promotion.evaluate_step import Evaluated, MinGain, WhenIncomparable, best
from stepkit.settings import Settings
from stepkit.step import run


def evaluate(
    settings: Settings,
    *,
    candidates: Annotated[list[Any], Option("the results of train")],
    snapshot_uri: Annotated[str, Option("S3 URI of their snapshot")],
    snapshot_sha256: Annotated[str, Option("its data hash")],
    min_metric: Annotated[float, Option("smallest f1_macro without a champion", minimum=0, maximum=1)] = 0.4,
    # Rare classes make the interval of f1_macro wide: with more to gain, it would hardly ever be shown.
    min_gain: MinGain = 0.001,
    incomparable: WhenIncomparable = "refuse",
    bucket: Annotated[str, Option("bucket of the evaluation", env="DATA_BUCKET")] = "data",
) -> Evaluated:
    """Chooses the candidate with the highest f1_macro and compares it with the champion on the test rows."""
    return evaluate_step.evaluate(
        settings,
        POLICY,
        best(candidates, POLICY.metric.name, snapshot_sha256),
        snapshot_uri=snapshot_uri,
        thresholds=Thresholds(min_metric, min_gain, incomparable),
        bucket=bucket,
    )


if __name__ == "__main__":
    run(evaluate)
