"""What naive guesses reach on the same bars, and what trading on a model would have earned after costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bitcoin.models import Probabilities, fit, scores, up
from bitcoin.snapshot import MOVE, TARGET, Series, walk_forward
from stepkit.promotion.comparison import compare
from stepkit.promotion.metrics import RocAuc

_METRIC = RocAuc()
_CONFIDENCE = 0.95
LAST_MOVE = "return_1"


def baselines(last_move: NDArray[np.float64]) -> dict[str, Probabilities]:
    """Returns the probability of up as one would guess it without a model.

    Args:
        last_move: the return of each bar.

    Returns:
        `majority`: every bar alike, as the more frequent direction. `persistence`: as the last move.
        `reversal`: against it.
    """
    rose = (last_move > 0).astype(np.float64)
    return {"majority": np.full(len(rose), 0.5), "persistence": rose, "reversal": 1 - rose}


@dataclass(frozen=True)
class Contrast:
    """A model against the best of the baselines, in the area under the ROC curve."""

    model: float
    baseline: float
    name: str
    """Of the baseline."""
    gain: float
    low: float
    high: float
    """The ends of the gain's interval, by a paired bootstrap."""

    @property
    def beaten(self) -> bool:
        """Whether the model is better beyond the chance of the draw."""
        return self.low > 0

    def sentence(self, where: str) -> str:
        """Returns the result as a sentence.

        Args:
            where: the rows, such as `on the held-out bars`.
        """
        verb = "beats" if self.beaten else "does not beat"
        return (
            f"the model {verb} the baseline {where}: roc_auc {self.model:.4f} against {self.baseline:.4f} of"
            f" {self.name}, a gain of {self.gain:+.4f}"
            f" ({_CONFIDENCE:.0%} between {self.low:+.4f} and {self.high:+.4f})"
        )


def contrast(
    true: NDArray[np.int64], probabilities: Probabilities, last_move: NDArray[np.float64]
) -> Contrast:
    """Compares probabilities of up with the best of the baselines on the same rows."""
    weights = np.ones((1, len(true)), dtype=np.int64)

    def area(answers: Probabilities) -> float:
        return float(_METRIC.figures(true, answers, weights)[0])

    guesses = baselines(last_move)
    areas = {name: area(answers) for name, answers in guesses.items()}
    name = max(areas, key=lambda each: areas[each])
    found = compare(_METRIC, true, probabilities, guesses[name], confidence=_CONFIDENCE)
    return Contrast(area(probabilities), areas[name], name, found.gain, found.low, found.high)


@dataclass(frozen=True)
class Earned:
    """What came of holding while up is likelier than down, and nothing else, in shares of the stake."""

    gross: float
    net: float
    """After the costs of each purchase and each sale."""
    trades: int
    held: float
    """What came of buying at the first bar and holding to the last."""


def earned(
    probabilities: Probabilities, moves: NDArray[np.float64], series: Series, cost_bps: float
) -> Earned:
    """Returns what trading would have earned: decided at a bar's close, held for the horizon, decided again.

    Args:
        probabilities: of up, one a bar.
        moves: the logarithm of the price's change until the horizon.
        series: the horizon.
        cost_bps: of each trade, in hundredths of a percent.
    """
    every = slice(None, None, series.horizon)
    long, moved = probabilities[every] > 0.5, moves[every]
    before = np.concatenate([[False], long])
    trades = int((np.concatenate([long, [False]]) != before).sum())
    gross = float((moved * long).sum())
    costs = trades * -np.log1p(-cost_bps / 10_000)
    return Earned(
        gross=float(np.expm1(gross)),
        net=float(np.expm1(gross - costs)),
        trades=trades,
        held=float(np.expm1(moved.sum())),
    )


@dataclass(frozen=True)
class Walk:
    """A walk through the held-out bars: a model is fitted before each stretch, on all that was known."""

    folds: int
    gap: int
    scores: dict[str, float]
    """Of all stretches together."""
    baselines: dict[str, dict[str, float]]
    """The same figures of each naive guess, on the same bars."""
    contrast: Contrast
    earned: Earned
    cost_bps: float
    areas: list[float]
    """Each stretch's area under the ROC curve."""


def walk(
    rows: pd.DataFrame,
    first: int,
    series: Series,
    parameters: Mapping[str, Any],
    *,
    folds: int,
    cost_bps: float,
    seed: int,
) -> Walk:
    """Walks forward through the latest rows.

    Args:
        rows: the whole snapshot, the oldest first.
        first: where the held-out rows begin.
        series: the gap and the horizon.
        parameters: of XGBoost; tuned on rows before `first` alone.
        folds: stretches of equal length.
        cost_bps: of each trade, in hundredths of a percent.
        seed: of everything random.
    """
    answers: list[Probabilities] = []
    areas: list[float] = []
    for before, stretch in walk_forward(len(rows), first, folds, series.gap):
        scored = rows[stretch]
        answers.append(up(fit(rows[before], parameters, seed), scored))
        areas.append(scores(scored[TARGET].to_numpy(), answers[-1])["roc_auc"])
    held_out = rows[first:]
    true, last = held_out[TARGET].to_numpy(), held_out[LAST_MOVE].to_numpy()
    probabilities = np.concatenate(answers)
    return Walk(
        folds=folds,
        gap=series.gap,
        scores=scores(true, probabilities),
        baselines={name: scores(true, _open(guess)) for name, guess in baselines(last).items()},
        contrast=contrast(true, probabilities, last),
        earned=earned(probabilities, held_out[MOVE].to_numpy(), series, cost_bps),
        cost_bps=cost_bps,
        areas=areas,
    )


def _open(guess: Probabilities) -> Probabilities:
    """Returns a guess that is never wholly sure: one wrong sure guess has an endless logarithmic loss."""
    return 0.5 + (guess - 0.5) * 0.1
