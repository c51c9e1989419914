"""Decision trees walked over flat arrays, in C."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.engines import native
from bundle.engines.arrays import Arrays, Matrix, checked, length_of
from bundle.errors import BundleError

_NODE = np.dtype([("threshold", np.float32), ("feature", np.int32), ("left", np.int32), ("right", np.int32)])
_MOST = 2**31 - 1  # what an index of 32 bits can name
_ROUNDING = 1e-6


class Forest:
    """The mean of decision trees.

    Only inner nodes are stored, those of all trees one after the other, each parent before its children:
    `feature`, `threshold` (float64), `left` and `right`, all of shape (nodes,). A child >= 0 is a node,
    one < 0 is a leaf: `~child` is its row in `distributions` (distinct leaves, classes). `roots` (trees,)
    holds children as well, so that a tree may be one leaf. As in scikit-learn, a row goes left where its
    value, rounded to float32, is at most the threshold.

    The arrays are copied node by node, so that a step of a walk reads one place in memory: 16 bytes a node.
    """

    _WALKS_AT_ONCE = 1 << 16  # rows x trees; keeps the working arrays within the processor's cache
    _SHORT_WALKS = 1 << 10  # some hundred microseconds

    def __init__(self, arrays: Arrays, parameters: Mapping[str, float], columns: int, classes: int) -> None:
        nodes, leaves = length_of(arrays, "feature"), length_of(arrays, "distributions")
        if not length_of(arrays, "roots") or max(nodes, leaves) > _MOST:
            raise BundleError(f"arrays/roots.npy names no tree, or there are more than {_MOST} nodes")
        feature, left, right = (
            checked(arrays, name, (nodes,), "indices") for name in ("feature", "left", "right")
        )
        roots = checked(arrays, "roots", (length_of(arrays, "roots"),), "indices")
        threshold = checked(arrays, "threshold", (nodes,))
        distributions = checked(arrays, "distributions", (leaves, classes))
        if leaves and (distributions.min() < 0 or abs(distributions.sum(axis=1) - 1).max() > _ROUNDING):
            raise BundleError("arrays/distributions.npy: the shares of a leaf are not 0 or more, 1 in all")
        if nodes and not 0 <= int(feature.min()) <= int(feature.max()) < columns:
            raise BundleError("arrays/feature.npy names a column that the model does not have")
        order = np.arange(nodes, dtype=np.int32)
        for name, children, parents in (("left", left, order), ("right", right, order), ("roots", roots, -1)):
            outside = (children >= nodes) | (children < -leaves)
            if (outside | (children >= 0) & (children <= parents)).any():
                raise BundleError(f"arrays/{name}.npy does not describe trees: a child is out of place")
        self._columns = columns
        self._nodes = np.empty(nodes, _NODE)
        self._nodes["threshold"] = _rounded_down(threshold)
        self._nodes["feature"], self._nodes["left"], self._nodes["right"] = feature, left, right
        self._roots = np.array(roots, dtype=np.int32)
        self._distributions = np.array(distributions, dtype=np.float64, order="C")
        self._trees = self._nodes.ctypes.data, self._roots.ctypes.data, len(self._roots)
        self._leaves = self._distributions.ctypes.data, classes
        self._walk, self._short_walk = (native.forest_walk(keep_gil=keep) for keep in (False, True))

    def predict_proba(self, matrix: Matrix) -> Matrix:
        """Returns the mean of the trees' leaves, summed in the order of the trees as scikit-learn does.

        Raises:
            ValueError: the matrix has another number of columns than the model.
        """
        matrix = np.ascontiguousarray(matrix, dtype=np.float64)
        rows, columns = matrix.shape
        if columns != self._columns:
            raise ValueError(f"the matrix has {columns} columns, the model {self._columns}")
        trees = len(self._roots)
        probabilities = np.empty((rows, self._leaves[1]))
        if not rows:
            return probabilities  # the C code begins a walk before it compares their numbers
        if rows * trees <= self._SHORT_WALKS:
            self._block(self._short_walk, matrix, probabilities)
            return probabilities
        step = max(1, self._WALKS_AT_ONCE // trees)
        for start in range(0, rows, step):
            self._block(self._walk, matrix[start : start + step], probabilities[start : start + step])
        return probabilities

    def _block(self, walk: Any, matrix: Matrix, probabilities: Matrix) -> None:
        source, target = _address(matrix), _address(probabilities)
        if walk(*self._trees, source, len(matrix), self._columns, *self._leaves, target):
            raise MemoryError


def _address(array: Matrix) -> int:
    if array.size and array.flags.writeable:
        # In a fifth of the time of the attribute `ctypes`, which takes longer than all else around a call.
        return ctypes.addressof(ctypes.c_byte.from_buffer(array))  # type: ignore[arg-type]
    return array.ctypes.data


def _rounded_down(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """Returns the greatest float32 at or below each threshold: float32 values compare with both alike."""
    with np.errstate(over="ignore"):
        rounded = threshold.astype(np.float32)
    above = np.flatnonzero(rounded > threshold)
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    return rounded
