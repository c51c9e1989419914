"""Columns to the model's matrix, in float64 and from the contract alone."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.claims import key
from bundle.contract import Feature
from bundle.errors import BundleError

Columns = Mapping[str, NDArray[Any]]
"""One array of equal length for each feature: floats (NaN = missing) or strings (None or NaN = missing)."""


def normalise_category(value: str, categories: Iterable[str]) -> str:
    """Returns the known category that looks like `value` but for case and outer blanks, or `value` itself."""
    wanted = key(value)
    return next((category for category in categories if key(category) == wanted), value)


class Preprocessing:
    """The preprocessing of one contract, ready to be applied many times.

    Raises:
        BundleError: a category feature is imputed by something that is not one of its categories, or a number
            may be too small for its logarithm.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self._features = features
        ends = np.cumsum([feature.width for feature in features])
        self._width = int(ends[-1])
        starts = (ends - [feature.width for feature in features]).tolist()
        placed = list(zip(starts, features, strict=True))
        self._numbers = _Numbers(placed, self._width)
        self._categories = [_Category(at, feature) for at, feature in placed if feature.type == "category"]

    def apply(self, columns: Columns) -> tuple[NDArray[np.float64], dict[str, NDArray[np.bool_]]]:
        """Returns the matrix, shape (rows, width), and for each category feature which rows are new to it.

        Raises:
            ValueError: a feature's column is absent, or the columns differ in length.
        """
        absent = [feature.name for feature in self._features if feature.name not in columns]
        if absent:
            raise ValueError(f"the model also takes {', '.join(absent)}")
        rows = len(columns[self._features[0].name])
        for feature in self._features:
            if (given := len(columns[feature.name])) != rows:
                raise ValueError(f"{feature.name} has {given} values, the first column has {rows}")
        matrix = np.zeros((rows, self._width))
        self._numbers.fill(matrix, self._numbers.imputed(columns))
        unknown = {}
        for category in self._categories:
            new = category.fill(matrix, columns[category.name])
            unknown[category.name] = np.isin(np.arange(rows), new)
        return matrix, unknown

    def apply_to_samples(
        self, samples: Sequence[Mapping[str, Any]]
    ) -> tuple[NDArray[np.float64], dict[str, list[int]]]:
        """Returns the same matrix for samples, and the rows that are new to a feature.

        Args:
            samples: one finite number or string for each feature, by its name; None where it is missing,
                which only a nullable feature may be.

        Returns:
            The matrix, and those rows' positions by the feature's name; features without any are left out.
        """
        matrix = self._numbers.taken(samples)
        unknown = {}
        for category in self._categories:
            name = category.name
            if new := category.fill(matrix, [sample[name] for sample in samples]):
                unknown[name] = new
        return matrix, unknown


class _Numbers:
    """The number features: each row's numbers side by side, then scaled all at once."""

    def __init__(self, placed: Sequence[tuple[int, Feature]], width: int) -> None:
        """Prepares.

        Args:
            placed: all features, each with its first column of the matrix.
            width: of the matrix.
        """
        self._features = features = [feature for _, feature in placed if feature.type == "number"]
        self._width = width
        # A row of the matrix in memory: zeros where the categories' columns are.
        self._row = struct.Struct(
            "=" + "".join("d" if each.type == "number" else f"{8 * each.width}x" for _, each in placed)
        )
        for feature in features:
            if feature.log and (feature.low is None or feature.low <= -1):
                raise BundleError(f"contract.json: {feature.name} has a logarithm and no bound above -1")
        self._names = [feature.name for feature in features]
        self._nullable = {feature.name: float(feature.imputed) for feature in features if feature.nullable}
        self._take = _taker(self._names)
        places = [at for at, feature in placed if feature.type == "number"]
        side_by_side = places == list(range(len(places)))
        self._places: slice | list[int] = slice(len(places)) if side_by_side else places
        self._low = np.array([-np.inf if feature.low is None else float(feature.low) for feature in features])
        self._high = np.array(
            [np.inf if feature.high is None else float(feature.high) for feature in features]
        )
        self._bounded = bool(np.isfinite([self._low, self._high]).any())
        self._logs = np.array([feature.log for feature in features], dtype=bool)
        self._logged = bool(self._logs.any())
        self._means = np.array([feature.mean for feature in features], dtype=np.float64)
        self._scales = np.array([feature.scale for feature in features], dtype=np.float64)
        self._scaled = bool(self._means.any() or (self._scales != 1).any())
        # The same for a whole row, which leave the categories' columns as they are.
        self._row_means, self._row_scales = np.zeros(width), np.ones(width)
        self._row_means[places], self._row_scales[places] = self._means, self._scales

    def imputed(self, columns: Columns) -> NDArray[np.float64]:
        """Returns columns side by side, with what training put where one is missing."""
        numbers = np.empty((len(columns[self._names[0]]) if self._names else 0, len(self._names)))
        for at, feature in enumerate(self._features):
            values = np.asarray(columns[feature.name], dtype=np.float64)
            numbers[:, at] = np.where(np.isnan(values), float(feature.imputed), values)
        return numbers

    def taken(self, samples: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """Returns the matrix of samples, with zeros in the categories' columns.

        A single sample is the usual case: written as bytes it costs a third of what numpy's functions take.
        """
        pack, take = self._row.pack, self._take
        if self._nullable:
            samples = [self._without_holes(sample) for sample in samples]
        rows = bytearray().join([pack(*take(sample)) for sample in samples])
        matrix = np.ndarray((len(samples), self._width), np.float64, rows)
        if self._bounded or self._logged:
            self.fill(matrix, matrix[:, self._places])
        elif self._scaled:
            matrix -= self._row_means
            matrix /= self._row_scales
        return matrix

    def _without_holes(self, sample: Mapping[str, Any]) -> Mapping[str, Any]:
        imputed = {name: value for name, value in self._nullable.items() if sample[name] is None}
        return {**sample, **imputed} if imputed else sample

    def fill(self, matrix: NDArray[np.float64], numbers: NDArray[np.float64]) -> None:
        """Writes numbers, one column a feature, to their columns of the matrix."""
        if not self._names:
            return
        if self._bounded:
            numbers = np.clip(numbers, self._low, self._high)
        if self._logged:
            numbers[:, self._logs] = np.log1p(numbers[:, self._logs])
        if self._scaled:
            numbers = (numbers - self._means) / self._scales
        matrix[:, self._places] = numbers


def _taker(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Returns what takes the values of some names, in their order, from a sample."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda sample: tuple(sample[name] for name in names)


class _Category:
    """A category feature: the column of the matrix for each spelling of a category."""

    def __init__(self, at: int, feature: Feature) -> None:
        self.name = feature.name
        self._columns = {key(category): at + code for code, category in enumerate(feature.categories)}
        if key(str(feature.imputed)) not in self._columns:
            raise BundleError(f"contract.json: {feature.name} has no category {feature.imputed!r} to impute")
        self._imputed = self._columns[key(str(feature.imputed))]
        self._as_written = {
            category: self._columns[key(category)] for category in feature.categories
        }  # most clients write a category as training did

    def fill(self, matrix: NDArray[np.float64], values: Iterable[Any]) -> list[int]:
        """Writes a 1 to each row's column; returns the rows whose category training did not see."""
        new = []
        for row, value in enumerate(values):
            if not isinstance(value, str):
                matrix[row, self._imputed] = 1.0
                continue
            column = self._as_written.get(value)
            if column is None:
                column = self._columns.get(key(value))
            if column is None:
                new.append(row)
            else:
                matrix[row, column] = 1.0
        return new
