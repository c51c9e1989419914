"""From the model's matrix to class probabilities, over plain arrays.

Each engine is made from its arrays and parameters, checks that they fit together, and then only computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bundle.errors import BundleError

Arrays = Mapping[str, NDArray[Any]]
Matrix = NDArray[np.float64]


class Engine(Protocol):
    """What `Bundle` asks of an engine."""

    def predict_proba(self, matrix: Matrix) -> Matrix:
        """Gives probabilities of shape (rows, classes) for a matrix of shape (rows, columns)."""
        ...


class Linear:
    """Softmax over linear scores: logistic regression.

    Arrays: `coefficients` (classes, columns) and `intercepts` (classes,).
    """

    def __init__(self, arrays: Arrays, parameters: Mapping[str, float], columns: int, classes: int) -> None:
        self._coefficients = _array(arrays, "coefficients", (classes, columns))
        self._intercepts = _array(arrays, "intercepts", (classes,))

    def predict_proba(self, matrix: Matrix) -> Matrix:
        """Gives the softmax of the scores."""
        scores: Matrix = matrix @ self._coefficients.T + self._intercepts
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=1, keepdims=True)
        return scores


class KernelMap:
    """A Nystroem map of the RBF kernel with parameter `gamma`, then `Linear`: a support vector classifier.

    Arrays: `landmarks` (components, columns), `normalization` (components, components), those of `Linear`.
    The probabilities rank the classes as the margins do; they are not calibrated.
    """

    def __init__(self, arrays: Arrays, parameters: Mapping[str, float], columns: int, classes: int) -> None:
        if "gamma" not in parameters:
            raise BundleError("contract.json: the engine kernel_map needs its parameter gamma")
        self._gamma = parameters["gamma"]
        components = len(arrays.get("landmarks", ()))
        self._landmarks = _array(arrays, "landmarks", (components, columns))
        self._normalization = _array(arrays, "normalization", (components, components))
        self._squares = np.einsum("ij,ij->i", self._landmarks, self._landmarks)
        self._linear = Linear(arrays, {}, components, classes)

    def predict_proba(self, matrix: Matrix) -> Matrix:
        """Gives the softmax of the margins."""
        distances = matrix @ self._landmarks.T
        distances *= -2
        distances += np.einsum("ij,ij->i", matrix, matrix)[:, np.newaxis]
        distances += self._squares
        np.maximum(distances, 0, out=distances)
        return self._linear.predict_proba(np.exp(-self._gamma * distances) @ self._normalization.T)


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
        self._feature = _array(arrays, "feature", (nodes,))
        self._threshold = _array(arrays, "threshold", (nodes,))
        self._left = _array(arrays, "left", (nodes,))
        self._right = _array(arrays, "right", (nodes,))
        self._roots = _array(arrays, "roots", (len(arrays.get("roots", ())),))
        self._distributions = _array(arrays, "distributions", (leaves, classes))
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


ENGINES: Mapping[str, type[Linear] | type[KernelMap] | type[Forest]] = {
    "linear": Linear,
    "kernel_map": KernelMap,
    "forest": Forest,
}


def _array(arrays: Arrays, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    if name not in arrays:
        raise BundleError(f"the bundle has no arrays/{name}.npy, which its engine needs")
    array = arrays[name]
    if array.shape != shape:
        raise BundleError(f"arrays/{name}.npy has shape {array.shape}; the contract asks for {shape}")
    return array
