"""Lets the best candidate meet the champion, and writes what came of it."""

from __future__ import annotations

from typing import Annotated, Any

from crime.contest import CONTEST
from stepkit.options import Option
from stepkit.promotion import evaluation
from stepkit.promotion.comparison import MIN_GAIN, Thresholds
from stepkit.promotion.evaluation import Evaluated, MinGain, WhenIncomparable, best
from stepkit.settings import Settings
from stepkit.step import run


def evaluate(
    settings: Settings,
    *,
    candidates: Annotated[list[Any], Option("the results of train")],
    snapshot_uri: Annotated[str, Option("S3 URI of their snapshot")],
    snapshot_sha256: Annotated[str, Option("its data hash")],
    min_metric: Annotated[float, Option("smallest figure with none to meet", minimum=0, maximum=1)] = 0.3,
    min_gain: MinGain = MIN_GAIN,
    incomparable: WhenIncomparable = "refuse",
    bucket: Annotated[str, Option("bucket of the evaluation", env="DATA_REPO_BUCKET_NAME")] = "data",
) -> Evaluated:
    """Chooses the candidate with the highest average precision; it meets the champion on the test rows."""
    return evaluation.evaluate(
        settings,
        CONTEST,
        best(candidates, CONTEST.metric.name, snapshot_sha256),
        snapshot_uri=snapshot_uri,
        thresholds=Thresholds(min_metric, min_gain, incomparable),
        bucket=bucket,
    )


if __name__ == "__main__":
    run(evaluate)
