"""What a model takes and gives, as written in `contract.json`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from bundle.claims import check
from bundle.errors import BundleError

FORMATS = (1, 2)
"""Those that this code reads. 2 names transforms, without which code that reads only 1 would take features
from clients that do not have them; 1 named at most one, of bars."""


@dataclass(frozen=True)
class Feature:
    """One column that the model takes, and how it becomes numbers.

    A number is imputed where missing, kept within `low` and `high`, turned into `log(1 + value)` where
    `log` says so, then `(value - mean) / scale`. A category is imputed where missing, then one-hot: one 0/1
    column for each of `categories`, all 0 for a category that training did not see.
    """

    name: str
    type: Literal["number", "category"]
    imputed: float | str
    range: tuple[float, float] | None = None
    """Smallest and largest value seen in training (numbers only); others are answered too."""
    mean: float = 0.0
    scale: float = 1.0
    categories: tuple[str, ...] = ()
    low: float | None = None
    """The bounds outside which training held values for outliers (numbers only); None: no bound."""
    high: float | None = None
    log: bool = False
    nullable: bool = False
    """Whether it may be missing: training saw rows without it, and a request may lack it too, by null or by
    leaving it out; or a transform makes it of what may be missing."""

    @property
    def width(self) -> int:
        """How many columns of the model's matrix this feature fills."""
        return len(self.categories) if self.type == "category" else 1


@dataclass(frozen=True)
class Label:
    """One class: the value that a prediction gives, and its name for people."""

    value: int
    name: str


@dataclass(frozen=True)
class Engine:
    """Which code of `bundle.engines` turns the matrix into probabilities, with its scalar parameters."""

    type: str
    parameters: dict[str, float]


@dataclass(frozen=True)
class Transform:
    """Which code of `bundle.transforms` makes features from what a client sends, with its parameters."""

    type: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Split:
    """How rows were put aside for testing: decides whether another model's test rows can judge this one."""

    kind: Literal["key", "time"]
    """key: a row's side is a hash of its `key`, the same in every snapshot; time: the newest rows
    are for testing."""
    key: tuple[str, ...]
    """The columns that the side depends on, in the hash's order; of a split by time, the time's column."""
    test_share: float
    """About this share of the rows is for testing."""
    salt: str = ""
    """What is hashed with the key, if anything is."""
    judged_after: int | None = None
    """Of a split by time, the last moment that training has looked at, in milliseconds since 1970 UTC: only
    later rows can judge the model. None for a split by key."""


@dataclass(frozen=True)
class Contract:
    """A model's features in its matrix's order, its labels in its probabilities' order, and its origin."""

    model: str
    target: str
    """The name of what is predicted: the field of an answer that holds the label."""
    engine: Engine
    features: tuple[Feature, ...]
    labels: tuple[Label, ...]
    metrics: dict[str, float]
    data_sha256: str
    versions: dict[str, str]
    class_weights: tuple[float, ...] | None = None
    """One factor a label, by which probabilities are multiplied before they are made to sum to 1 again: takes
    back the share of each class that training was balanced to. None: they stand as the engine gives them."""
    transforms: tuple[Transform, ...] = ()
    """A client sends what they take, and itself the features that none of them makes."""
    split: Split | None = None
    """None: the bundle does not say."""

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Reads a contract.

        Raises:
            BundleError: it is not JSON, of another format, lacks a field, or states what cannot be used.
        """
        try:
            fields = json.loads(text)
            if fields["format"] not in FORMATS:
                known = " and ".join(map(str, FORMATS))
                raise BundleError(f"contract.json has format {fields['format']!r}; this code reads {known}")
            contract = cls(
                model=fields["model"],
                target=_target(fields),
                engine=Engine(**fields["engine"]),
                features=tuple(_feature(feature) for feature in fields["features"]),
                labels=tuple(Label(**label) for label in fields["labels"]),
                metrics=fields["metrics"],
                data_sha256=fields["data_sha256"],
                versions=fields["versions"],
                class_weights=_class_weights(fields),
                transforms=_transforms(fields),
                split=_split(fields.get("split")),
            )
            check(contract)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise BundleError(f"contract.json cannot be understood: {error!r}") from error
        return contract

    def to_json(self) -> str:
        """Writes the contract; `from_json` gives it back."""
        kind = FORMATS[1] if self.transforms else FORMATS[0]
        return json.dumps({"format": kind, **asdict(self)}, indent=1, allow_nan=False)


def _target(fields: Mapping[str, Any]) -> str:
    # A bundle that does not say was made when there was one model.
    target: str = fields.get("target", "cover_type")
    if not target.isidentifier() or target.startswith("_"):
        raise BundleError(
            f"contract.json: the target {target!r} cannot name a field: use letters, digits and _"
        )
    return target


def _transforms(fields: Mapping[str, Any]) -> tuple[Transform, ...]:
    if fields["format"] == 1:
        return (Transform(**fields["transform"]),) if fields.get("transform") else ()
    return tuple(Transform(**transform) for transform in fields["transforms"])


def _split(fields: Mapping[str, Any] | None) -> Split | None:
    if fields is None:
        return None
    if not isinstance(fields["key"], list):
        raise BundleError(
            f"contract.json: the split's key is {fields['key']!r}: it must be a list of columns"
        )
    return Split(**{**fields, "key": tuple(fields["key"])})


def _class_weights(fields: Mapping[str, Any]) -> tuple[float, ...] | None:
    weights = fields.get("class_weights")
    if weights is None:
        return None
    if len(weights) != len(fields["labels"]) or not all(0 < weight < math.inf for weight in weights):
        raise BundleError(f"contract.json: class_weights is {weights!r}: one positive number a label")
    return tuple(float(weight) for weight in weights)


def _feature(fields: Mapping[str, Any]) -> Feature:
    if fields["type"] not in ("number", "category"):
        raise BundleError(f"contract.json: {fields['name']!r} has the unknown type {fields['type']!r}")
    span = fields["range"]
    return Feature(**{**fields, "range": span and tuple(span), "categories": tuple(fields["categories"])})
