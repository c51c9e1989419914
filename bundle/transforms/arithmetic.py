"""From numbers that a client has to numbers that are made of two of them, such as a ratio."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.engines.arrays import LARGEST
from bundle.transforms import Input, RowTransform, given, refused_parameter

OPERATIONS: dict[str, Callable[..., Any]] = {
    "sum": np.add,
    "difference": np.subtract,
    "product": np.multiply,
    "ratio": np.divide,
    "hypotenuse": np.hypot,
}
"""What is made of a first and a second number, by the names that contracts have for it."""


class Arithmetic(RowTransform):
    """Makes a number of two fields, which stay features of their own.

    It is missing where one of the two is, where it is divided by zero, and where it is beyond what a bundle
    can hold: see `bundle.engines.arrays.LARGEST`.

    Args:
        parameters: `features`, by name an operation of `OPERATIONS` and the names of two fields; and
            `nullable`, the fields that a client may not know.
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        features, nullable = given("arithmetic", parameters, ("features", "nullable"))
        if not isinstance(features, Mapping) or not features:
            raise refused_parameter("arithmetic", "features", features, "at least one, by name")
        for name, made in features.items():
            if not (_texts(made) and len(made) == 3 and made[0] in OPERATIONS):
                needed = f"one of {', '.join(OPERATIONS)}, and two fields"
                raise refused_parameter("arithmetic", name, made, needed)
        self._made = {name: tuple(made) for name, made in features.items()}
        fields = dict.fromkeys(field for _, *pair in self._made.values() for field in pair)
        if both := fields.keys() & self._made.keys():
            raise refused_parameter("arithmetic", min(both), features[min(both)], "made of fields alone")
        if not _texts(nullable) or set(nullable) - fields.keys():
            raise refused_parameter("arithmetic", "nullable", nullable, f"some of {', '.join(fields)}")
        self.inputs = tuple(
            Input(name, "number", self._use(name), nullable=name in nullable) for name in fields
        )
        self.outputs = dict.fromkeys((*fields, *self._made), "number")
        self.lacking = frozenset((*nullable, *self._made))

    def apply(self, columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Makes the numbers, and returns the fields with them."""
        fields = {each.name: np.asarray(columns[each.name], dtype=np.float64) for each in self.inputs}
        with np.errstate(all="ignore"):
            made = {
                name: OPERATIONS[operation](fields[first], fields[second])
                for name, (operation, first, second) in self._made.items()
            }
            within = {name: np.where(np.abs(found) <= LARGEST, found, np.nan) for name, found in made.items()}
        return fields | within

    def _use(self, field: str) -> str:
        made = [f"{name} ({operation})" for name, (operation, *pair) in self._made.items() if field in pair]
        return f"Also a part of {', '.join(made)}."


def _texts(found: Any) -> bool:
    return isinstance(found, list | tuple) and all(isinstance(each, str) for each in found)


TRANSFORM = Arithmetic
