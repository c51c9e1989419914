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
        coefficients = checked(arrays, "coefficients", (classes, columns))
        self._by_column = np.array(coefficients.T, dtype=np.float64, order="C")
        self._intercepts = np.array(checked(arrays, "intercepts", (classes,)), dtype=np.float64)

    def predict_proba(self, matrix: Matrix) -> Matrix:
        """Returns the softmax of the scores."""
        scores: Matrix = matrix @ self._by_column
        scores += self._intercepts
        # The ufuncs' own reductions: for one row, the arrays' methods around them take as long again.
        scores -= np.maximum.reduce(scores, axis=1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= np.add.reduce(scores, axis=1, keepdims=True)
        return scores
