"""Whether what a contract says can be used: the types, bounds and names that the dataclasses only state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bundle.engines.arrays import LARGEST
from bundle.errors import BundleError
from stepkit.text import normalise

if TYPE_CHECKING:
    from bundle.contract import Contract, Feature, Split

_LABELS = 2**63
_LAST_MOMENT = 253_402_300_799_999
"""The end of the year 9999, in milliseconds since 1970: later moments have no date."""
_OTHER_FIELDS = {"class_name", "unknown_categories", "unknown_fields", "probabilities"}
"""What an answer holds beside the label."""


def alike(categories: Iterable[str]) -> tuple[str, str] | None:
    """Returns two categories that look the same but for case and outer blanks, if there are any."""
    met: dict[str, str] = {}
    for category in categories:
        if (other := met.setdefault(key(category), category)) is not category:
            return other, category
    return None


def key(category: str) -> str:
    """Returns what two spellings of a category have in common."""
    return normalise(category).strip().casefold()


def check(contract: Contract) -> None:
    """Checks a contract of JSON.

    Raises:
        BundleError: names the part at fault.
    """
    for name in ("model", "target", "data_sha256"):
        _text(getattr(contract, name), name)
    if contract.target in _OTHER_FIELDS:
        raise _refusal(f"the target {contract.target!r} is the name of another field of an answer")
    if not contract.features or not contract.labels:
        raise _refusal("it has no features or no labels")
    for feature in contract.features:
        _check_feature(feature)
    _no_twins([feature.name for feature in contract.features], "features")
    for label in contract.labels:
        _text(label.name, "the name of a label")
        if type(label.value) is not int or not -_LABELS <= label.value < _LABELS:
            raise _refusal(f"the label {label.name!r} has the value {label.value!r}: no integer of 64 bits")
    _no_twins([label.name for label in contract.labels], "labels")
    _no_twins([label.value for label in contract.labels], "labels")
    for weight in contract.class_weights or ():
        _number(weight, "one of class_weights")
        if not 1 / LARGEST <= weight <= LARGEST:
            raise _refusal(f"class_weights has {weight!r}, which leaves nothing of a probability")
    _text(contract.engine.type, "the engine")
    _numbers(contract.engine.parameters, "the engine's parameters")
    _numbers(contract.metrics, "metrics")
    _mapping(contract.versions, "versions")
    for name, version in contract.versions.items():
        _text(version, f"the version of {name}")
    for transform in contract.transforms:
        _text(transform.type, "the name of a transform")
        _mapping(transform.parameters, f"the parameters of the transform {transform.type}")
    _no_twins([transform.type for transform in contract.transforms], "transforms")
    if contract.split:
        _check_split(contract.split)


def _check_split(split: Split) -> None:
    if split.kind not in ("key", "time"):
        raise _refusal(f"the split has the kind {split.kind!r}: it must be key or time")
    if not split.key:
        raise _refusal("the split has no key: name the columns that a row's side depends on")
    for column in split.key:
        _text(column, "a column of the split's key")
    _no_twins(split.key, "columns of the split's key")
    _number(split.test_share, "the split's test_share")
    if not 0 < split.test_share < 1:
        raise _refusal(f"the split's test_share is {split.test_share!r}: it must be between 0 and 1")
    _text(split.salt, "the split's salt")
    after = split.judged_after
    if split.kind == "key" and after is not None:
        raise _refusal(f"a split by key has judged_after {after!r}: that is for splits by time")
    if split.kind == "time" and (type(after) is not int or not 0 <= after <= _LAST_MOMENT):
        raise _refusal(f"judged_after of a split by time is {after!r}: it must be milliseconds since 1970")


def _check_feature(feature: Feature) -> None:
    _text(feature.name, "the name of a feature")
    if not feature.name:
        raise _refusal("a feature has no name")
    name = feature.name
    if type(feature.log) is not bool or type(feature.nullable) is not bool:
        raise _refusal(f"{name}: log and nullable are true or false")
    if feature.type == "category":
        for category in (feature.imputed, *feature.categories):
            _text(category, f"a category of {name}")
        if twins := alike(feature.categories):
            raise _refusal(
                f"{name} has the categories {twins[0]!a} and {twins[1]!a}: neither case, outer blanks nor"
                " what nobody sees tells categories apart in a request, so write them alike before training"
            )
        return
    if feature.categories:
        raise _refusal(f"{name} is a number and has categories")
    for value in (feature.imputed, feature.mean, feature.scale):
        _number(value, f"a number of {name}")
    if feature.scale < 1 / LARGEST:
        raise _refusal(f"{name} has the scale {feature.scale!r}: it must be above 0")
    if feature.range is not None and len(feature.range) != 2:
        raise _refusal(f"{name}: a range has two ends")
    for ends in (feature.range or (None, None), (feature.low, feature.high)):
        for end in ends:
            if end is not None:
                _number(end, f"a bound of {name}")
        if None not in ends and ends[0] > ends[1]:  # type: ignore[operator]
            raise _refusal(f"{name}: the lower bound {ends[0]!r} is above the upper {ends[1]!r}")


def _text(value: Any, what: str) -> None:
    try:
        if isinstance(value, str):
            value.encode()
            return
    except UnicodeEncodeError:
        pass
    raise _refusal(f"{what} is {value!r}: it must be a text")


def _number(value: Any, what: str) -> None:
    # NaN is not within the bound either, nor a whole number that no float can hold.
    if type(value) not in (int, float) or not abs(value) <= LARGEST:
        raise _refusal(f"{what} is {value!s:.60}: it must be a number within {LARGEST:g}")


def _numbers(found: Any, what: str) -> None:
    _mapping(found, what)
    for name, value in found.items():
        _number(value, f"{what}: {name}")


def _mapping(found: Any, what: str) -> None:
    if not isinstance(found, Mapping):
        raise _refusal(f"{what}: it must be an object")
    for name in found:
        _text(name, f"a name of {what}")


def _no_twins(names: Sequence[Any], what: str) -> None:
    if len(set(names)) < len(names):
        raise _refusal(f"two of the {what} are called alike: {names!r}")


def _refusal(problem: str) -> BundleError:
    return BundleError(f"contract.json: {problem}")
