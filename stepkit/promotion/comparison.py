"""Challenger against champion, on rows that neither was fitted on. Answers in, a verdict out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stepkit.promotion.metrics import Labels, Metric, Numbers, Weights

Verdict = Literal["promote", "refuse"]
Incomparable = Literal["refuse", "min-metric"]

CONFIDENCE = 0.98
"""Of the interval that a gain is judged by: one in a hundred lies wholly above the true gain."""
MIN_GAIN = 0.005
"""The default of `Thresholds.min_gain`: above what two fits with other seeds differ by in truth."""
RESAMPLES = 1000
# Resamples x combinations: as many as a processor's cache holds.
_DRAWN_AT_ONCE = 1 << 18


@dataclass(frozen=True)
class Thresholds:
    """What a challenger has to show."""

    min_metric: float
    """Smallest figure of a first champion, and of one that follows a champion that cannot be compared."""
    min_gain: float
    """The lower end of the interval of the gain over the champion must be greater."""
    incomparable: Incomparable = "refuse"
    """What a champion that may have seen the test rows means: a refusal, or that `min_metric` decides."""


@dataclass(frozen=True)
class Comparison:
    """The challenger's gain over the champion, with its bootstrap interval."""

    gain: float
    low: float
    high: float


def compare(
    metric: Metric,
    true: Labels,
    challenger: NDArray[Any],
    champion: NDArray[Any],
    *,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Comparison:
    """Estimates the gain by resampling rows, each with both models' answers (a paired bootstrap).

    Rows matter only through (true, challenger, champion), so a resample of rows is one multinomial draw over
    the combinations that occur: where answers are labels, its cost does not grow with the rows.

    Args:
        metric: what is gained.
        true: the rows' labels.
        challenger: the challenger's answers, as `metric.answers` returns them.
        champion: the champion's answers.
        confidence: of the interval.
        seed: of the resamples.
    """
    combinations, counts = np.unique(np.stack([true, challenger, champion]), axis=1, return_counts=True)
    truth = combinations[0].astype(true.dtype)
    one, other = (
        row.astype(answers.dtype)
        for row, answers in zip(combinations[1:], (challenger, champion), strict=True)
    )

    def gains(weights: Weights) -> Numbers:
        return metric.figures(truth, one, weights) - metric.figures(truth, other, weights)

    generator = np.random.default_rng(seed)
    shares = counts / len(true)
    at_once = max(1, _DRAWN_AT_ONCE // len(counts))
    drawn = [
        gains(generator.multinomial(len(true), shares, size=min(at_once, RESAMPLES - start)))
        for start in range(0, RESAMPLES, at_once)
    ]
    low, high = np.quantile(np.concatenate(drawn), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Comparison(float(gains(counts[np.newaxis])[0]), float(low), float(high))


def decide(
    metric: str,
    figure: float,
    comparison: Comparison | None,
    thresholds: Thresholds,
    *,
    fault: str | None = None,
    difference: str | None = None,
    rows: str = "",
    objection: str | None = None,
) -> tuple[Verdict, str]:
    """Returns the verdict on a challenger and its reason in one sentence.

    Args:
        metric: the figure's name.
        figure: the challenger's.
        comparison: with the champion; None when there is no champion yet, or it cannot be compared.
        thresholds: what the challenger has to show.
        fault: why the champion cannot answer, if it cannot.
        difference: why the champion may have seen the test rows, if it may.
        rows: on which rows the two were compared, where not on all.
        objection: what stands against the challenger whatever it gains.
    """
    if objection is not None:
        return "refuse", objection
    if difference is not None and thresholds.incomparable == "refuse":
        return "refuse", (
            f"the champion is not comparable: {difference}; to let min_metric decide instead, set"
            " --incomparable=min-metric (INCOMPARABLE)"
        )
    if comparison is None:
        cause, place = "there is no champion yet", "the first"
        if fault is not None:
            cause, place = f"the champion cannot answer ({fault})", "its successor"
        elif difference is not None:
            cause, place = f"the champion is not comparable ({difference})", "its successor"
        found = f"{cause}, and {metric} {figure:.4f}"
        if figure < thresholds.min_metric:
            return "refuse", f"{found} is below {thresholds.min_metric:g}, which {place} needs"
        return "promote", f"{found} suffices for {place}"
    interval = f"{CONFIDENCE:.0%} between {comparison.low:+.4f} and {comparison.high:+.4f}"
    found = f"the gain in {metric}{rows and f' on {rows}'} is {comparison.gain:+.4f} ({interval})"
    if comparison.low <= thresholds.min_gain:
        return "refuse", f"{found}; its lower end must be above {thresholds.min_gain:g}"
    return "promote", found
