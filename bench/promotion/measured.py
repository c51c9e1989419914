"""What comes of one pipeline's models: how often equal ones are promoted, and better ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bench.promotion.comparisons import (
    BETTER,
    Promoted,
    better_pairs,
    default_min_gain,
    equal_pairs,
    figure,
    mended_pairs,
    promoted,
)
from bench.promotion.refits import fitted

ROWS = 5000
EQUAL, EQUAL_ON_ALL, BETTERS = 1000, 200, 100
"""Comparisons of equal models, of such on as many rows as there are, and of better ones."""
POWER = 0.8
_ONE_SIDED = 2.326348  # the normal quantile of (1 + CONFIDENCE) / 2
_OF_POWER = 0.841621  # that of POWER


@dataclass(frozen=True)
class Measured:
    """What came of one model."""

    name: str
    metric: str
    figure: float
    scatter: float
    """Standard deviation of what two refits differ by on all rows."""
    rows: int
    """All rows that no refit was fitted on."""
    min_gain: float
    without: Promoted
    """Equal challengers, if an interval above 0 sufficed."""
    equal: Promoted
    equal_on_all: Promoted
    mended: Promoted
    better: Promoted

    @property
    def rows_for_power(self) -> int:
        """The rows on which 80 of 100 better refits would be promoted, as intervals shrink with √rows."""
        errors = (BETTER - self.min_gain) / (_ONE_SIDED + _OF_POWER)
        return math.ceil(ROWS * (self.better.deviation / errors) ** 2 / 1000) * 1000


def measure(name: str) -> Measured:
    """Fits a pipeline's model if that has not been done, and compares."""
    refits = fitted(name)
    figures = [figure(refits.metric, refits.true, answers) for answers in refits.answers]
    min_gain, rows = default_min_gain(name), len(refits.true)
    equal = equal_pairs(refits)
    return Measured(
        name=name,
        metric=refits.metric.name,
        figure=float(np.mean(figures)),
        scatter=float(np.std(figures, ddof=1)) * math.sqrt(2),
        rows=rows,
        min_gain=min_gain,
        without=promoted(refits, equal, ROWS, EQUAL_ON_ALL, 0.0),
        equal=promoted(refits, equal, ROWS, EQUAL, min_gain),
        equal_on_all=promoted(refits, equal, rows, EQUAL_ON_ALL, min_gain),
        mended=promoted(refits, mended_pairs(refits), ROWS, BETTERS, min_gain),
        better=promoted(refits, better_pairs(refits), ROWS, BETTERS, min_gain),
    )
