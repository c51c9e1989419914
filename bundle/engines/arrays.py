"""The arrays that an engine is made from, and the check that they are what the contract says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bundle.errors import BundleError

Arrays = Mapping[str, NDArray[Any]]
Matrix = NDArray[np.float64]

BOOSTER = "model.ubj"
"""XGBoost's own file in a bundle, and the name of its bytes (uint8) among the arrays."""


LARGEST = 1e100
"""No number of a model is larger, so that products of a few of them are finite."""

_TYPES = {
    "numbers": (np.dtype(np.float32), np.dtype(np.float64)),
    "indices": tuple(np.dtype(f"{kind}{size}") for kind in "iu" for size in (1, 2, 4, 8)),
}


def length_of(arrays: Arrays, name: str) -> int:
    """Returns how many entries an array has along its first axis, 0 where it is absent or has no axis."""
    return arrays[name].shape[0] if name in arrays and arrays[name].ndim else 0


def checked(
    arrays: Arrays, name: str, shape: tuple[int, ...], kind: Literal["numbers", "indices"] = "numbers"
) -> NDArray[Any]:
    """Returns an array of that name and shape, of floats or of integers, all of which are finite.

    Raises:
        BundleError: it is absent, of another shape or type, or holds what is not a number.
    """
    if name not in arrays:
        raise BundleError(f"the bundle has no arrays/{name}.npy, which its engine needs")
    array = arrays[name]
    if array.shape != shape:
        raise BundleError(f"arrays/{name}.npy has shape {array.shape}; the contract asks for {shape}")
    if array.dtype not in _TYPES[kind]:
        wanted = " or ".join(map(str, _TYPES[kind]))
        raise BundleError(f"arrays/{name}.npy holds {array.dtype}; its engine needs {wanted}")
    if kind == "numbers" and array.size and not _bounded(array):
        raise BundleError(f"arrays/{name}.npy holds what is not finite, or is beyond {LARGEST:g}")
    return array


def _bounded(array: NDArray[Any]) -> bool:
    """Returns whether no number is NaN, infinite or too large; of NaN among them, numpy's bounds are NaN."""
    return -LARGEST <= float(array.min()) <= float(array.max()) <= LARGEST
