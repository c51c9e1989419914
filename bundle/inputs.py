"""From what a client sends to the features of one model, by the transforms that its contract names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.contract import Contract, Feature, Transform
from bundle.errors import BundleError
from bundle.preprocessing import Columns
from bundle.transforms import Input, RowTransform, SeriesTransform, made

CLOSE = 1e-6
"""How far a number that a transform makes may be from the one that training had: other libraries, other
processors. A metre's millionth, a thousandth of what any rounding leaves."""
_KINDS: dict[str, Any] = {"number": np.float64, "integer": np.float64, "text": object}


class Inputs:
    """What a client sends, and what is made of it.

    Attributes:
        fields: what the transforms of rows take, each once.
        features: those that a client sends itself, since no transform makes them.
        transforms: all that the contract names, by name.
        rows: those of rows.
        series: the transform of a series, if the contract names one.

    Raises:
        BundleError: a transform is not known, its parameters are not what it needs, or what it takes and
            makes does not fit the model's features.
    """

    def __init__(self, contract: Contract) -> None:
        found = {each.type: made(each.type, each.parameters) for each in contract.transforms}
        self.transforms: dict[str, RowTransform | SeriesTransform] = found
        self.rows = {name: each for name, each in found.items() if isinstance(each, RowTransform)}
        known = {feature.name: feature for feature in contract.features}
        self._maker: dict[str, str] = {}
        for name, transform in found.items():
            self._check_outputs(name, transform, known)
        self.features = tuple(each for each in contract.features if each.name not in self._maker)
        self.fields = self._fields()
        self.series: SeriesTransform | None = None
        for name, transform in found.items():
            if isinstance(transform, SeriesTransform):
                self.series = transform
                if len(found) > 1:
                    raise _refusal(name, "makes features of a series, and no other transform can beside it")
                if self.features:
                    rest = ", ".join(each.name for each in self.features)
                    raise _refusal(name, f"must make all features, and does not make {rest}")

    def maker(self, feature: str) -> str | None:
        """Returns the name of the transform that makes a feature; None where a client sends it."""
        return self._maker.get(feature)

    def apply(self, columns: Columns) -> dict[str, NDArray[Any]]:
        """Returns what the transforms of rows make.

        Args:
            columns: one array of equal length for each of `fields`; others are not looked at.

        Raises:
            UnusableInput: a value cannot be transformed.
            ValueError: a field's column is absent, or the columns differ in length.
        """
        absent = [field.name for field in self.fields if field.name not in columns]
        if absent:
            raise ValueError(f"the model's transforms also take {', '.join(absent)}")
        if len({len(columns[field.name]) for field in self.fields}) > 1:
            raise ValueError("the columns that the model's transforms take differ in length")
        return {name: values for each in self.rows.values() for name, values in each.apply(columns).items()}

    def complete(self, samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Returns samples with the features that the transforms of rows make, None where one is missing.

        Args:
            samples: a value of its type for each of `fields`, None where it is missing.

        Raises:
            UnusableInput: a value cannot be transformed; its row is the sample's place.
        """
        if not self.rows:
            return samples
        given = {
            field.name: np.array([sample[field.name] for sample in samples], dtype=_KINDS[field.type])
            for field in self.fields
        }
        columns = {name: values.tolist() for name, values in self.apply(given).items()}
        return [
            {**sample, **{name: _known(values[row]) for name, values in columns.items()}}
            for row, sample in enumerate(samples)
        ]

    def from_json(self, columns: Mapping[str, list[Any]]) -> dict[str, NDArray[Any]]:
        """Returns lists of numbers or texts, None where missing, as the columns that `apply` takes."""
        return {field.name: np.array(columns[field.name], dtype=_KINDS[field.type]) for field in self.fields}

    def difference(self, columns: Columns, features: Columns) -> tuple[int, str, Any, Any] | None:
        """Compares what the transforms make with what training had.

        Args:
            columns: as for `apply`.
            features: the columns that training had, of the same rows.

        Returns:
            Of the first difference its row, the feature, what the transform makes and what training had; None
            where numbers are within `CLOSE` and categories equal.
        """
        for name, values in self.apply(columns).items():
            had = features[name]
            if values.dtype == object:
                equal = [_known(one) == _known(other) for one, other in zip(values, had, strict=True)]
                different = np.flatnonzero(~np.array(equal, dtype=bool))
            else:
                had = np.asarray(had, dtype=np.float64)
                different = np.flatnonzero(~np.isclose(values, had, rtol=0, atol=CLOSE, equal_nan=True))
            if different.size:
                at = int(different[0])
                return at, name, *(np.asarray(each).tolist()[at] for each in (values, had))
        return None

    def _check_outputs(
        self, name: str, transform: RowTransform | SeriesTransform, known: Mapping[str, Feature]
    ) -> None:
        lacking = transform.lacking if isinstance(transform, RowTransform) else ()
        for output, kind in transform.outputs.items():
            if output not in known:
                raise _refusal(name, f"makes {output}, which is not a feature of the model")
            if known[output].type != kind:
                raise _refusal(name, f"makes {output} as a {kind}, the model takes a {known[output].type}")
            if output in self._maker:
                raise _refusal(name, f"makes {output}, as {self._maker[output]} does")
            if output in lacking and not known[output].nullable:
                raise _refusal(name, f"may leave {output} missing, which the model's feature may not be")
            self._maker[output] = name

    def _fields(self) -> tuple[Input, ...]:
        own = {feature.name for feature in self.features}
        fields: dict[str, Input] = {}
        for name, transform in self.rows.items():
            for field in transform.inputs:
                if field.name in own:
                    raise _refusal(name, f"takes {field.name}, which is a feature that no transform makes")
                if fields.setdefault(field.name, field) != field:
                    raise _refusal(name, f"takes another {field.name} than a transform before it")
        return tuple(fields.values())


def lacking(transforms: Iterable[Transform]) -> set[str]:
    """Returns the features that transforms may leave missing, whatever rows training has seen.

    Raises:
        BundleError: a transform is not known, or its parameters are not what it needs.
    """
    found = [made(each.type, each.parameters) for each in transforms]
    return {name for each in found if isinstance(each, RowTransform) for name in each.lacking}


def _known(value: Any) -> Any:
    return None if value != value else value  # NaN is not equal to itself


def _refusal(name: str, problem: str) -> BundleError:
    return BundleError(f"contract.json: the transform {name} {problem}")
