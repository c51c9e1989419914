"""What is learned on train rows: small numbers, as they pass from stage to stage and into the bundle."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crime.schema import CATEGORIES, NUMBERS

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Bounds:
    """What a number is held to: the value for missing ones, the bounds, and whether its logarithm counts."""

    imputed: float
    low: float
    high: float
    log: bool

    def apply(self, values: pd.Series) -> Matrix:
        """Returns the numbers as a model gets them, before they are scaled."""
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        held = np.clip(np.where(np.isnan(numbers), self.imputed, numbers), self.low, self.high)
        return np.log1p(held) if self.log else held

    def to_dict(self) -> dict[str, Any]:
        """Returns what `Bounds(**…)` reads."""
        return asdict(self)


@dataclass(frozen=True)
class Encoding:
    """The values of a category that have a column of their own, and the one that stands for missing ones."""

    imputed: str
    categories: list[str]

    def apply(self, name: str, values: pd.Series) -> dict[str, NDArray[np.int8]]:
        """Returns one 0/1 column for each category; a value that is not one of them is 0 in all."""
        filled = values.fillna(self.imputed)
        return {
            column_of(name, each): (filled == each).to_numpy(dtype=np.int8, na_value=0)
            for each in self.categories
        }

    def to_dict(self) -> dict[str, Any]:
        """Returns what `Encoding(**…)` reads."""
        return asdict(self)


@dataclass(frozen=True)
class Scale:
    """What is taken off a number, and what it is divided by after that."""

    mean: float
    scale: float

    def apply(self, values: pd.Series) -> Matrix:
        """Returns the scaled numbers."""
        scaled: Matrix = (values.to_numpy(dtype=np.float64) - self.mean) / self.scale
        return scaled

    def to_dict(self) -> dict[str, Any]:
        """Returns what `Scale(**…)` reads."""
        return asdict(self)


@dataclass(frozen=True)
class Fitted:
    """All that the stages have learned, in the order of the model's matrix: numbers, then categories.

    Attributes:
        bounds: by number.
        encodings: by category; only selected values have a column.
        scales: by number.
        class_weights: factors for the probabilities of no arrest and arrest, which undo the balance.
    """

    bounds: dict[str, Bounds]
    encodings: dict[str, Encoding]
    scales: dict[str, Scale]
    class_weights: tuple[float, float]

    @classmethod
    def of(cls, stages: dict[str, Any]) -> Fitted:
        """Gathers what the documents of the stages hold, for the columns that were selected."""
        selected = set(stages["selected"]["columns"])
        bounds = {name: Bounds(**stages["outliers"][name]) for name in NUMBERS if name in selected}
        encodings = {}
        for name in CATEGORIES:
            learned = Encoding(**stages["encoded"][name])
            kept = [each for each in learned.categories if column_of(name, each) in selected]
            if kept:
                encodings[name] = Encoding(learned.imputed, kept)
        return cls(
            bounds=bounds,
            encodings=encodings,
            scales={name: Scale(**stages["scaled"][name]) for name in bounds},
            class_weights=tuple(stages["balanced"]["class_weights"]),
        )

    @property
    def features(self) -> list[str]:
        """The columns of a crime that the model takes, in the matrix's order."""
        return [*self.bounds, *self.encodings]

    @property
    def columns(self) -> list[str]:
        """The columns of the matrix."""
        return [
            *self.bounds,
            *(column_of(name, each) for name, found in self.encodings.items() for each in found.categories),
        ]

    def matrix(self, rows: pd.DataFrame) -> Matrix:
        """Returns the model's matrix for crimes as `split_data` leaves them."""
        numbers = {
            name: self.scales[name].apply(pd.Series(found.apply(rows[name])))
            for name, found in self.bounds.items()
        }
        dummies = [found.apply(name, rows[name]) for name, found in self.encodings.items()]
        return np.column_stack([*numbers.values(), *(each for group in dummies for each in group.values())])


def column_of(name: str, category: str) -> str:
    """Returns the name of the 0/1 column of a category."""
    return f"{name}={category}"
