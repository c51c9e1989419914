"""How often the default rule promotes a challenger that is not better, and one that is better by 0.01."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from stepkit.promotion.comparison import MIN_GAIN, Thresholds, compare, decide
from stepkit.promotion.metrics import Accuracy, F1Macro, Labels, Metric

COMPARISONS, ROWS, CLASSES = 100, 5000, 4
HARD = 0.05
"""The share of rows that a fit is unsure of."""
RIGHT, SCATTER = 0.65, 0.02
"""The chance that a fit is right about such a row: its mean over fits, and how far fits differ truly."""
DEFAULTS = Thresholds(min_metric=0.0, min_gain=MIN_GAIN)
Challenge = Callable[[np.random.Generator, Labels, NDArray[np.bool_], Labels], Labels]


def fit(generator: np.random.Generator, true: Labels, hard: NDArray[np.bool_]) -> Labels:
    """Answers as one of many fits by the same way of training: each is wrong about hard rows of its own."""
    wrong = hard & (generator.random(ROWS) > generator.normal(RIGHT, SCATTER))
    return np.where(wrong, (true + 1) % CLASSES, true)


def refit(generator: np.random.Generator, true: Labels, hard: NDArray[np.bool_], champion: Labels) -> Labels:
    return fit(generator, true, hard)


def corrected(
    generator: np.random.Generator, true: Labels, hard: NDArray[np.bool_], champion: Labels
) -> Labels:
    """Answers as the champion does, but for errors that are 0.01 of all rows on average."""
    mended = generator.random(ROWS) < 0.01 / (HARD * (1 - RIGHT))
    return np.where(mended, true, champion)


def promoted(metric: Metric, challenge: Challenge) -> float:
    """Returns the share of challengers that the defaults promote; each meets a champion on its own rows."""
    generator = np.random.default_rng(12)
    verdicts = []
    for _ in range(COMPARISONS):
        true = generator.choice(CLASSES, ROWS, p=[0.4, 0.3, 0.2, 0.1])
        hard = generator.random(ROWS) < HARD
        champion = fit(generator, true, hard)
        found = compare(metric, true, challenge(generator, true, hard, champion), champion)
        verdicts.append(decide(metric.name, 1.0, found, DEFAULTS)[0])
    return verdicts.count("promote") / COMPARISONS


@pytest.mark.parametrize("metric", [Accuracy(), F1Macro()], ids=lambda metric: str(metric.name))
def test_a_challenger_that_is_no_better_is_promoted_in_at_most_two_of_a_hundred(metric: Metric) -> None:
    assert promoted(metric, refit) <= 0.02


@pytest.mark.parametrize("metric", [Accuracy(), F1Macro()], ids=lambda metric: str(metric.name))
def test_a_challenger_that_is_better_by_a_hundredth_is_promoted_in_at_least_four_of_five(
    metric: Metric,
) -> None:
    assert promoted(metric, corrected) >= 0.8
