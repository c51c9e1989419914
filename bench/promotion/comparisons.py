"""Champions and challengers of which it is known how much better one is, and how often the rule promotes."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.promotion.refits import Refits
from stepkit.promotion.comparison import Thresholds, compare, decide
from stepkit.promotion.metrics import Labels, Metric

BETTER = 0.01
"""How much a better challenger is better by, on all rows together."""
_HALVINGS = 20


@dataclass(frozen=True)
class Promoted:
    """What came of many comparisons.

    Attributes:
        share: of the challengers, which were promoted.
        deviation: standard deviation of their measured gains.
    """

    share: float
    deviation: float


@dataclass(frozen=True)
class Pair:
    """The answers of a champion and a challenger to the same rows."""

    champion: NDArray[Any]
    challenger: NDArray[Any]


def default_min_gain(name: str) -> float:
    """Returns what a pipeline's step that judges takes for `min_gain` when nobody says otherwise."""
    from bitcoin.evaluate import evaluate as of_bitcoin
    from crime.evaluate import evaluate as of_crime
    from forest.evaluate import evaluate as of_forest
    from penguins.validate import validate as of_penguins

    steps: dict[str, Callable[..., Any]] = {
        "forest": of_forest,
        "crime": of_crime,
        "bitcoin": of_bitcoin,
        "penguins": of_penguins,
    }
    found: float = inspect.signature(steps[name]).parameters["min_gain"].default
    return found


def promoted(
    refits: Refits, pairs: list[Pair], rows: int, comparisons: int, min_gain: float, seed: int = 0
) -> Promoted:
    """Compares pairs drawn at random, each on rows drawn at random with replacement.

    Args:
        refits: the metric and the labels.
        pairs: what is drawn from.
        rows: of a comparison.
        comparisons: how many.
        min_gain: what the lower end of the gain's interval must be above.
        seed: of the draws.
    """
    generator = np.random.default_rng(seed)
    thresholds = Thresholds(min_metric=0.0, min_gain=min_gain)
    gains = []
    count = 0
    for _ in range(comparisons):
        pair = pairs[generator.integers(len(pairs))]
        drawn = generator.integers(0, len(refits.true), rows)
        true, challenger, champion = refits.true[drawn], pair.challenger[drawn], pair.champion[drawn]
        gain = figure(refits.metric, true, challenger) - figure(refits.metric, true, champion)
        gains.append(gain)
        # No interval lies above its own gain, and most of the time goes into intervals.
        if gain > min_gain:
            found = compare(refits.metric, true, challenger, champion)
            count += decide(refits.metric.name, 1.0, found, thresholds)[0] == "promote"
    return Promoted(count / comparisons, float(np.std(gains)))


def figure(metric: Metric, true: Labels, answers: NDArray[Any]) -> float:
    """Returns the metric of some rows, each counted once."""
    return float(metric.figures(true, answers, np.ones((1, len(true)), dtype=np.int64))[0])


def equal_pairs(refits: Refits) -> list[Pair]:
    """Returns every two refits: the same training with two seeds."""
    return [
        Pair(champion, challenger)
        for one, champion in enumerate(refits.answers)
        for other, challenger in enumerate(refits.answers)
        if one != other
    ]


def mended_pairs(refits: Refits) -> list[Pair]:
    """Returns each refit beside itself with so many errors mended that it is better by `BETTER`."""
    generator = np.random.default_rng(1)
    return [
        Pair(answers, mended(refits, answers, worth + BETTER, generator))
        for answers, worth in zip(refits.answers, _worth(refits), strict=True)
    ]


def better_pairs(refits: Refits) -> list[Pair]:
    """Returns pairs of refits, one after the other in merit, the lesser mended to be better by `BETTER`."""
    generator = np.random.default_rng(1)
    worth = _worth(refits)
    order = np.argsort(worth)
    return [
        Pair(
            refits.answers[champion],
            mended(refits, refits.answers[lesser], worth[champion] + BETTER, generator),
        )
        for lesser, champion in itertools.pairwise(order)
    ]


def mended(
    refits: Refits, answers: NDArray[Any], target: float, generator: np.random.Generator
) -> NDArray[Any]:
    """Returns answers with the smallest mend that brings the metric of all rows to a figure.

    Of labels, errors in random order become the truth, as many as it takes. Probabilities all move towards
    the truth by the same share of their distance to it.

    Args:
        refits: the metric and the truth.
        answers: what is mended.
        target: the figure; above that of `answers`.
        generator: of the order of the errors.
    """
    if answers.dtype.kind == "f":

        def mend(share: float) -> NDArray[Any]:
            moved: NDArray[np.float64] = answers + share * (refits.true - answers)
            return moved

    else:
        wrong = generator.permutation(np.flatnonzero(answers != refits.true))

        def mend(share: float) -> NDArray[Any]:
            right = wrong[: round(share * len(wrong))]
            changed = answers.copy()
            changed[right] = refits.true[right]
            return changed

    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if figure(refits.metric, refits.true, mend(middle)) >= target:
            high = middle
        else:
            low = middle
    return mend(high)


def _worth(refits: Refits) -> list[float]:
    return [figure(refits.metric, refits.true, answers) for answers in refits.answers]
