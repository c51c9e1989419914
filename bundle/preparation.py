"""Columns to the model's matrix, in float64 and from the contract alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.contract import Feature
from bundle.errors import BundleError

Columns = Mapping[str, NDArray[Any]]
"""One array of equal length for each feature: floats (NaN = missing) or strings (None or NaN = missing)."""

_UNKNOWN = -1


def normalise_category(value: str, categories: Iterable[str]) -> str:
    """Gives the known category that equals `value` but for case and outer blanks, else `value` itself."""
    key = _key(value)
    return next((category for category in categories if _key(category) == key), value)


def _key(category: str) -> str:
    return category.strip().casefold()


class Preparation:
    """The preprocessing of one contract, ready to be applied many times.

    Raises:
        BundleError: a category feature is imputed by something that is not one of its categories, or a number
            may be too small for its logarithm.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self._features = features
        self._width = sum(feature.width for feature in features)
        self._codes = {
            feature.name: {_key(category): code for code, category in enumerate(feature.categories)}
            for feature in features
            if feature.type == "category"
        }
        for feature in features:
            if feature.type == "category" and _key(str(feature.imputed)) not in self._codes[feature.name]:
                raise BundleError(
                    f"contract.json: {feature.name} has no category {feature.imputed!r} to impute"
                )
            if feature.log and (feature.low is None or feature.low <= -1):
                raise BundleError(f"contract.json: {feature.name} has a logarithm and no bound above -1")

    def apply(self, columns: Columns) -> tuple[NDArray[np.float64], dict[str, NDArray[np.bool_]]]:
        """Gives the matrix, shape (rows, width), and for each category feature which rows are new to it.

        Raises:
            ValueError: a feature's column is absent, or the columns differ in length.
        """
        absent = [feature.name for feature in self._features if feature.name not in columns]
        if absent:
            raise ValueError(f"the model also takes {', '.join(absent)}")
        rows = len(columns[self._features[0].name])
        matrix = np.zeros((rows, self._width))
        unknown = {}
        at = 0
        for feature in self._features:
            values = columns[feature.name]
            if len(values) != rows:
                raise ValueError(f"{feature.name} has {len(values)} values, the first column has {rows}")
            if feature.type == "number":
                matrix[:, at] = _scaled(values, feature)
            else:
                codes = self._encoded(values, feature)
                unknown[feature.name] = codes == _UNKNOWN
                known = np.flatnonzero(codes != _UNKNOWN)
                matrix[known, at + codes[known]] = 1.0
            at += feature.width
        return matrix, unknown

    def _encoded(self, values: NDArray[Any], feature: Feature) -> NDArray[np.intp]:
        codes = self._codes[feature.name]
        imputed = codes[_key(str(feature.imputed))]
        return np.fromiter(
            (codes.get(_key(value), _UNKNOWN) if isinstance(value, str) else imputed for value in values),
            dtype=np.intp,
            count=len(values),
        )


def _scaled(values: NDArray[Any], feature: Feature) -> NDArray[np.float64]:
    numbers = np.asarray(values, dtype=np.float64)
    numbers = np.where(np.isnan(numbers), float(feature.imputed), numbers)
    if feature.low is not None or feature.high is not None:
        numbers = np.clip(numbers, feature.low, feature.high)
    if feature.log:
        numbers = np.log1p(numbers)
    return (numbers - feature.mean) / feature.scale
