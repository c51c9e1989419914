"""Figures of which more is better, each computed for many weightings of the same rows at once."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bundle import Prediction

Labels = NDArray[np.int64]
Numbers = NDArray[np.float64]
Weights = NDArray[np.int64]


class Metric(Protocol):
    """One figure. Weights say how often each row counts, shape (weightings, rows)."""

    @property
    def name(self) -> str:
        """The key of the figure among a model's scores."""
        ...

    def answers(self, prediction: Prediction) -> NDArray[Any]:
        """Returns the part of a prediction that the figure depends on, shape (rows,)."""
        ...

    def figures(self, true: Labels, answers: NDArray[Any], weights: Weights) -> Numbers:
        """Returns the figure for each weighting, shape (weightings,)."""
        ...


class Accuracy:
    """The share of rows with the right label."""

    name = "accuracy"

    def answers(self, prediction: Prediction) -> Labels:
        """Returns the labels."""
        return prediction.labels

    def figures(self, true: Labels, answers: Labels, weights: Weights) -> Numbers:
        """Returns the share for each weighting."""
        shares: Numbers = weights @ (true == answers) / weights.sum(axis=1)
        return shares


class F1Macro:
    """The unweighted mean of the classes' f1, over the classes that occur in truth or answers.

    Labels are whole numbers from 0.
    """

    name = "f1_macro"

    def answers(self, prediction: Prediction) -> Labels:
        """Returns the labels."""
        return prediction.labels

    def figures(self, true: Labels, answers: Labels, weights: Weights) -> Numbers:
        """Returns the mean for each weighting."""
        classes = int(max(true.max(initial=0), answers.max(initial=0))) + 1
        is_true = np.eye(classes)[true]
        is_predicted = np.eye(classes)[answers]
        hits = weights @ (is_true * is_predicted)
        occurrences = weights @ (is_true + is_predicted)
        occurs = occurrences > 0
        f1 = np.divide(2 * hits, occurrences, out=np.zeros_like(occurrences), where=occurs)
        macro: Numbers = f1.sum(axis=1) / occurs.sum(axis=1)
        return macro


class _OfProbability:
    """A figure of the order in which probabilities of the last of two labels, 0 and 1, put the rows."""

    def answers(self, prediction: Prediction) -> Numbers:
        """Returns the probability of the label 1."""
        return prediction.probabilities[:, 1]

    @staticmethod
    def _by_falling_probability(true: Labels, answers: Numbers, weights: Weights) -> tuple[Numbers, Numbers]:
        """Returns how many rows of label 1 and 0 have each distinct probability, the greatest first."""
        order = np.argsort(-answers, kind="stable")
        starts = np.flatnonzero(np.diff(answers[order], prepend=np.inf) != 0)
        sorted_weights, is_one = weights[:, order], true[order] == 1
        ones = np.add.reduceat(sorted_weights * is_one, starts, axis=1).astype(float)
        zeros = np.add.reduceat(sorted_weights * ~is_one, starts, axis=1).astype(float)
        return ones, zeros


class AveragePrecision(_OfProbability):
    """The area under the precision-recall curve, as scikit-learn's `average_precision_score`."""

    name = "average_precision"

    def figures(self, true: Labels, answers: Numbers, weights: Weights) -> Numbers:
        """Returns the area for each weighting; 0 where no row has the label 1."""
        ones, zeros = self._by_falling_probability(true, answers, weights)
        hits = ones.cumsum(axis=1)
        taken = hits + zeros.cumsum(axis=1)
        precision = np.divide(hits, taken, out=np.zeros_like(hits), where=taken > 0)
        all_ones = hits[:, -1]
        area = (ones * precision).sum(axis=1)
        figures: Numbers = np.divide(area, all_ones, out=np.zeros_like(area), where=all_ones > 0)
        return figures


class RocAuc(_OfProbability):
    """The area under the ROC curve, as scikit-learn's `roc_auc_score`."""

    name = "roc_auc"

    def figures(self, true: Labels, answers: Numbers, weights: Weights) -> Numbers:
        """Returns the area for each weighting; 0.5 where only one label occurs."""
        ones, zeros = self._by_falling_probability(true, answers, weights)
        all_zeros = zeros.sum(axis=1, keepdims=True)
        below = all_zeros - zeros.cumsum(axis=1) + zeros / 2
        pairs = ones.sum(axis=1) * all_zeros[:, 0]
        area = (ones * below).sum(axis=1)
        figures: Numbers = np.divide(area, pairs, out=np.full_like(area, 0.5), where=pairs > 0)
        return figures
