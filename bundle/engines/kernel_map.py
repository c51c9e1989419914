"""A kernel approximation before a linear model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bundle.engines.arrays import LARGEST, Arrays, Matrix, checked, length_of
from bundle.engines.linear import Linear
from bundle.errors import BundleError


class KernelMap:
    """A Nystroem map of the RBF kernel with parameter `gamma`, then `Linear`: a support vector classifier.

    Arrays: `landmarks` (components, columns), `normalization` (components, components), those of `Linear`.
    The probabilities rank the classes as the margins do; they are not calibrated.
    """

    def __init__(self, arrays: Arrays, parameters: Mapping[str, float], columns: int, classes: int) -> None:
        self._gamma = parameters.get("gamma", 0.0)
        if not 0 < self._gamma <= LARGEST:
            raise BundleError("contract.json: the engine kernel_map needs its parameter gamma, above 0")
        components = length_of(arrays, "landmarks")
        self._landmarks, self._normalization = (
            np.array(checked(arrays, name, shape), dtype=np.float64)
            for name, shape in (
                ("landmarks", (components, columns)),
                ("normalization", (components, components)),
            )
        )
        self._squares = np.einsum("ij,ij->i", self._landmarks, self._landmarks)
        self._linear = Linear(arrays, {}, components, classes)

    def predict_proba(self, matrix: Matrix) -> Matrix:
        """Returns the softmax of the margins."""
        distances = matrix @ self._landmarks.T
        distances *= -2
        distances += np.einsum("ij,ij->i", matrix, matrix)[:, np.newaxis]
        distances += self._squares
        np.maximum(distances, 0, out=distances)
        return self._linear.predict_proba(np.exp(-self._gamma * distances) @ self._normalization.T)
