"""The arrays that an engine is made from, and the check that they are what the contract says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.errors import BundleError

Arrays = Mapping[str, NDArray[Any]]
Matrix = NDArray[np.float64]

BOOSTER = "model.ubj"
"""XGBoost's own file in a bundle, and the name of its bytes (uint8) among the arrays."""


def checked(arrays: Arrays, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Gives an array of that name and shape.

    Raises:
        BundleError: it is absent, or of another shape.
    """
    if name not in arrays:
        raise BundleError(f"the bundle has no arrays/{name}.npy, which its engine needs")
    array = arrays[name]
    if array.shape != shape:
        raise BundleError(f"arrays/{name}.npy has shape {array.shape}; the contract asks for {shape}")
    return array
