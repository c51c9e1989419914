"""Softmax over linear scores."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bundle.engines.arrays import Arrays, Matrix, checked


class Linear:
    """Softmax over linear scores: logistic regression.

    Arrays: `coefficients` (classes, columns) and `intercepts` (classes,).
    """

    def __init__(self, arrays: Arrays, parameters: Mapping[str, float], columns: int, classes: int) -> None:
        self._coefficients = checked(arrays, "coefficients", (classes, columns))
        self._intercepts = checked(arrays, "intercepts", (classes,))

    def predict_proba(self, matrix: Matrix) -> Matrix:
        """Gives the softmax of the scores."""
        scores: Matrix = matrix @ self._coefficients.T + self._intercepts
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=1, keepdims=True)
        return scores
