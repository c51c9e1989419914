"""Challenger against champion, on rows that neither was fitted on. Answers in, a verdict out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Verdict = Literal["promote", "refuse"]

CONFIDENCE = 0.95
RESAMPLES = 1000


@dataclass(frozen=True)
class Thresholds:
    """What a challenger has to show."""

    min_metric: float
    """Smallest f1_macro of a first champion, and of one that follows a champion that cannot answer."""
    min_gain: float
    """The gain in f1_macro over the champion must be greater."""
    tolerance: float
    """How far below no gain the lower end of the gain's interval may reach, exclusive."""


@dataclass(frozen=True)
class Comparison:
    """The challenger's gain in f1_macro over the champion, with its bootstrap interval."""

    gain: float
    low: float
    high: float


def compare(true: Labels, challenger: Labels, champion: Labels, *, seed: int = 0) -> Comparison:
    """Estimates the gain by resampling rows, each with both models' answers (a paired bootstrap).

    Rows matter only through (true, challenger, champion), so a resample of rows is one multinomial draw over
    the combinations that occur: its cost does not grow with the rows.

    Args:
        true: the rows' classes, whole numbers from 0; so are the answers.
        challenger: the challenger's answers.
        champion: the champion's answers.
        seed: of the resamples.
    """
    classes = int(max(labels.max(initial=0) for labels in (true, challenger, champion))) + 1
    combinations, counts = np.unique(np.stack([true, challenger, champion]), axis=1, return_counts=True)
    draws = np.random.default_rng(seed).multinomial(len(true), counts / len(true), size=RESAMPLES)

    def gains(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        truth, one, other = combinations
        return _f1_macro(truth, one, weights, classes) - _f1_macro(truth, other, weights, classes)

    low, high = np.quantile(gains(draws), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Comparison(float(gains(counts[np.newaxis])[0]), float(low), float(high))


def decide(
    f1_macro: float, comparison: Comparison | None, thresholds: Thresholds, fault: str | None = None
) -> tuple[Verdict, str]:
    """Gives the verdict on a challenger and its reason in one sentence.

    Args:
        f1_macro: the challenger's.
        comparison: with the champion; None when there is no champion yet, or it cannot answer.
        thresholds: what the challenger has to show.
        fault: why the champion cannot answer, if it cannot.
    """
    if comparison is None:
        cause, place = "there is no champion yet", "the first"
        if fault is not None:
            cause, place = f"the champion cannot answer ({fault})", "its successor"
        found = f"{cause}, and f1_macro {f1_macro:.4f}"
        if f1_macro < thresholds.min_metric:
            return "refuse", f"{found} is below {thresholds.min_metric:g}, which {place} needs"
        return "promote", f"{found} suffices for {place}"
    interval = f"{CONFIDENCE:.0%} between {comparison.low:+.4f} and {comparison.high:+.4f}"
    found = f"the gain in f1_macro is {comparison.gain:+.4f} ({interval})"
    if comparison.gain <= thresholds.min_gain:
        return "refuse", f"{found}; it must be greater than {thresholds.min_gain:g}"
    if comparison.low <= -thresholds.tolerance:
        return "refuse", f"{found}; its lower end must be above {-thresholds.tolerance:g}"
    return "promote", found


def _f1_macro(
    true: Labels, predicted: Labels, weights: NDArray[np.int64], classes: int
) -> NDArray[np.float64]:
    """Gives f1_macro for each row of weights, over the classes that occur in truth or answers.

    Args:
        true: shape (combinations,).
        predicted: shape (combinations,).
        weights: how often each combination occurs, shape (resamples, combinations).
        classes: how many classes there are.
    """
    is_true = np.eye(classes)[true]
    is_predicted = np.eye(classes)[predicted]
    hits = weights @ (is_true * is_predicted)
    occurrences = weights @ (is_true + is_predicted)
    occurs = occurrences > 0
    f1 = np.divide(2 * hits, occurrences, out=np.zeros_like(occurrences), where=occurs)
    macro: NDArray[np.float64] = f1.sum(axis=1) / occurs.sum(axis=1)
    return macro
