"""Decision trees walked over flat arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bundle.engines.arrays import Arrays, Matrix, checked
from bundle.errors import BundleError


class Forest:
    """The mean of decision trees.

    Only inner nodes are stored, those of all trees one after the other, each parent before its children:
    `feature`, `threshold` (float64), `left` and `right`, all of shape (nodes,). A child >= 0 is a node,
    one < 0 is a leaf: `~child` is its row in `distributions` (distinct leaves, classes). `roots` (trees,)
    holds children as well, so that a tree may be one leaf. As in scikit-learn, a row goes left where its
    value, rounded to float32, is at most the threshold.
    """

    _WALKS_AT_ONCE = 1 << 18  # rows x trees; keeps the working arrays within the processor's cache

    def __init__(self, arrays: Arrays, parameters: Mapping[str, float], columns: int, classes: int) -> None:
        nodes, leaves = len(arrays.get("feature", ())), len(arrays.get("distributions", ()))
        self._feature = checked(arrays, "feature", (nodes,))
        self._threshold = checked(arrays, "threshold", (nodes,))
        self._left = checked(arrays, "left", (nodes,))
        self._right = checked(arrays, "right", (nodes,))
        self._roots = checked(arrays, "roots", (len(arrays.get("roots", ())),))
        self._distributions = checked(arrays, "distributions", (leaves, classes))
        if nodes and int(self._feature.max()) >= columns:
            raise BundleError("arrays/feature.npy names a column that the model does not have")
        order = np.arange(nodes)
        for name, children, parents in (
            ("left", self._left, order),
            ("right", self._right, order),
            ("roots", self._roots, -1),
        ):
            outside = (children >= nodes) | (children < -leaves)
            if (outside | (children >= 0) & (children <= parents)).any():
                raise BundleError(f"arrays/{name}.npy does not describe trees: a child is out of place")

    def predict_proba(self, matrix: Matrix) -> Matrix:
        """Gives the mean of the trees' leaves, summed in the order of the trees as scikit-learn does."""
        inputs = matrix.astype(np.float32)
        step = max(1, self._WALKS_AT_ONCE // len(self._roots))
        probabilities = np.empty((len(inputs), self._distributions.shape[1]))
        for start in range(0, len(inputs), step):
            leaves = self._walk(inputs[start : start + step])
            # Reducing the outermost axis adds tree after tree, which keeps the sum equal to the last bit.
            probabilities[start : start + step] = self._distributions[leaves].sum(axis=0)
        return probabilities / len(self._roots)

    def _walk(self, inputs: NDArray[np.float32]) -> NDArray[np.intp]:
        """Gives the leaf that each row reaches in each tree, shape (trees, rows)."""
        rows = len(inputs)
        reached = np.repeat(self._roots, rows).astype(np.intp)
        walking = np.flatnonzero(reached >= 0)
        while walking.size:
            node = reached[walking]
            goes_left = inputs[walking % rows, self._feature[node]] <= self._threshold[node]
            child = np.where(goes_left, self._left[node], self._right[node])
            reached[walking] = child
            walking = walking[child >= 0]
        return (~reached).reshape(len(self._roots), rows)
