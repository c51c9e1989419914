"""Scores the new model against the champion on the test rows, and writes the evaluation."""

from __future__ import annotations

from typing import Annotated, Any

from stepkit.options import Option
from stepkit.promotion import evaluate_step
from stepkit.promotion.comparison import MIN_GAIN, Thresholds
from stepkit.promotion.evaluate_step import Evaluated, MinGain, WhenIncomparable, best
from stepkit.settings import Settings
from stepkit.step import run
from weather.days import sha256_of
from weather.policy import POLICY


def evaluate(
    settings: Settings,
    *,
    trained: Annotated[dict[str, Any], Option("the result of train")],
    days_uri: Annotated[str, Option("S3 URI of its rows")],
    min_metric: Annotated[float, Option("smallest accuracy without a champion", minimum=0, maximum=1)] = 0.7,
    min_gain: MinGain = MIN_GAIN,
    incomparable: WhenIncomparable = "refuse",
    bucket: Annotated[str, Option("bucket of the evaluation", env="DATA_BUCKET")] = "data",
) -> Evaluated:
    """Compares the model's accuracy with the champion's on the test rows, which neither was fitted on."""
    return evaluate_step.evaluate(
        settings,
        POLICY,
        best([trained], POLICY.metric.name, sha256_of(days_uri)),
        snapshot_uri=days_uri,
        thresholds=Thresholds(min_metric, min_gain, incomparable),
        bucket=bucket,
    )


if __name__ == "__main__":
    run(evaluate)
