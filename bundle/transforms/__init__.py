"""What makes a model's features from what a client has, one module each, used by training and by serving.

A contract names transforms, and `transform_named` imports the module of one when it is asked for: the
libraries that one stands on are not everywhere. Each module has `TRANSFORM`, the class that is made of the
parameters in the contract.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bundle.errors import BundleError

MODULES = {
    "arithmetic": "bundle.transforms.arithmetic",
    "bars": "bundle.transforms.bars",
    "place": "bundle.transforms.place",
    "times": "bundle.transforms.times",
}
"""The module of each transform, by the name that contracts have for it."""

Kind = Literal["number", "category"]
"""What a feature is, see `bundle.Feature.type`."""


@dataclass(frozen=True)
class Input:
    """One field that a client sends for a transform."""

    name: str
    type: Literal["number", "integer", "text"]
    description: str
    example: Any = None
    nullable: bool = False
    """Whether a client may not know it: it is null or absent then."""
    at_least: float | None = None
    """The smallest number that is one; None: any is."""
    above: float | None = None
    """The same, but a number has to exceed it."""
    at_most: float | None = None


class UnusableInput(ValueError):
    """What a client sent cannot be transformed.

    Args:
        row: of the value at fault, from 0.
        field: that holds it.
        problem: what is wrong with it and what it must be, without the place.
    """

    def __init__(self, row: int, field: str, problem: str) -> None:
        super().__init__(f"row {row}, {field}: {problem}")
        self.row, self.field, self.problem = row, field, problem


class RowTransform(ABC):
    """Makes features of the fields of one row, for many rows at once."""

    inputs: tuple[Input, ...]
    outputs: Mapping[str, Kind]
    """The features that it makes, and what each is."""
    lacking: frozenset[str] = frozenset()
    """Those that it leaves missing where an input is missing or says nothing."""

    @abstractmethod
    def __init__(self, parameters: Mapping[str, Any]) -> None:
        """Takes the parameters of a contract.

        Raises:
            BundleError: they are not what the transform needs.
        """

    @abstractmethod
    def apply(self, columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Makes the columns of `outputs`.

        Args:
            columns: one array of equal length for each of `inputs`: numbers as float64, NaN where missing;
                texts as objects, None where missing. Others are not looked at.

        Raises:
            UnusableInput: a value cannot be transformed; names the first.
        """


class UnusableSeries(ValueError):
    """A series is too short, out of order, or holds an invalid item; the sentence names the item, from 0."""


class OfSeries(NamedTuple):
    """What is made of a series: the features of its last item."""

    columns: dict[str, NDArray[np.float64]]
    """One array of length 1 for each feature."""
    facts: dict[str, Any]
    """What an answer says of the item, by the names of `SeriesTransform.facts`."""


class SeriesTransform(ABC):
    """Makes the features of one row of a series that ends with it."""

    name: ClassVar[str]
    """What a request and a stored document call the series."""
    item: ClassVar[str]
    inputs: ClassVar[tuple[Input, ...]]
    """The fields of an item."""
    outputs: ClassVar[Mapping[str, Kind]]
    least: ClassVar[int]
    """Fewest items that features can be made of."""
    facts: ClassVar[Mapping[str, tuple[type, str]]]
    """What an answer says of the last item beside the prediction: by name the type and what it means."""

    @abstractmethod
    def __init__(self, parameters: Mapping[str, Any]) -> None:
        """Takes the parameters of a contract; raises as `RowTransform` does."""

    @abstractmethod
    def apply(self, items: Sequence[Mapping[str, Any]]) -> OfSeries:
        """Makes the columns of `outputs` for the last item.

        Args:
            items: in their order, the oldest first.

        Raises:
            UnusableSeries: they are not such series.
        """

    @abstractmethod
    def objection(self, stored: Mapping[str, Any]) -> str | None:
        """Returns why a stored document is not a series of this model, as a sentence; None where it is."""


def made(name: str, parameters: Mapping[str, Any]) -> RowTransform | SeriesTransform:
    """Makes the transform that a contract names, of the parameters that it has there.

    Raises:
        BundleError: there is no such transform, or its parameters are not what it needs.
    """
    transform: RowTransform | SeriesTransform = transform_named(name).TRANSFORM(parameters)
    return transform


def transform_named(name: str) -> ModuleType:
    """Imports the transform that a contract names.

    Raises:
        BundleError: there is no such transform, or a package that it needs is absent.
    """
    if name not in MODULES:
        raise BundleError(
            f"contract.json asks for the transform {name!r}; this code knows {', '.join(sorted(MODULES))}"
        )
    try:
        return import_module(MODULES[name])
    except ImportError as error:
        raise BundleError(f"the transform {name} needs a package that is absent: {error}") from error


def refused_parameter(transform: str, name: str, value: object, needed: str) -> BundleError:
    """Returns the error that a parameter in a contract cannot be used.

    Args:
        transform: its name in contracts.
        name: of the parameter.
        value: that it has.
        needed: what it must be.
    """
    return BundleError(
        f"contract.json: the transform {transform}: {name} is {value!r:.80}: it must be {needed}"
    )


def given(transform: str, parameters: Mapping[str, Any], names: Sequence[str]) -> list[Any]:
    """Returns the values of all parameters that a transform has, in the order of `names`.

    Raises:
        BundleError: one is absent, or there is another.
    """
    if set(parameters) != set(names):
        raise BundleError(
            f"contract.json: the transform {transform} has the parameters {sorted(parameters)}: it must have"
            f" {sorted(names)}"
        )
    return [parameters[name] for name in names]
