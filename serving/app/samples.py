"""What a request must hold, generated from what the model takes."""

from typing import Annotated, Any

from fastapi.exceptions import RequestValidationError
from pydantic import FailFast, Field
from typing_extensions import TypedDict

from app.body import CLOSED, OPEN, Body
from bundle import Feature
from bundle.engines.arrays import LARGEST
from bundle.inputs import Inputs
from bundle.transforms import Input, UnusableInput

Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
"""What the engines compute from larger ones could be infinite."""
Samples = list[dict[str, Any]]
"""Each has a finite number or a string for every feature, or None; unknown fields stand beside them."""
UnknownFields = dict[int, list[str]]
"""The names of the fields that are not features, by the position of their sample."""


class SampleSchema:
    """Checks request bodies."""

    def __init__(self, inputs: Inputs, max_samples: int) -> None:
        """Generates the checks.

        Args:
            inputs: What a client sends, and what is made of it.
            max_samples: The most samples that one request may hold.
        """
        fields = {field.name: field_of(field) for field in inputs.fields}
        fields |= {feature.name: _field(feature) for feature in inputs.features}
        self._inputs = inputs
        self._known, self._count = frozenset(fields), len(fields)
        sample = OPEN(TypedDict("Sample", fields))  # type: ignore[operator]
        samples = Annotated[list[sample], FailFast(), Field(min_length=1, max_length=max_samples)]  # type: ignore[valid-type]
        request = CLOSED(TypedDict("PredictRequest", {"samples": samples}))  # type: ignore[operator]
        self._body = Body(request, "samples", sample, "sample", self._known)
        self.json_schema = self._body.json_schema

    def read(self, content: bytes, strict: bool = False) -> tuple[Samples, UnknownFields]:
        """Returns the samples of a body, in which what is not known is None, and their unknown fields.

        Args:
            content: JSON.
            strict: Refuse fields that are not features.

        Raises:
            RequestValidationError: The body is not JSON, or a sample is not what the model takes; each error
                names the sample and the field.
        """
        samples: Samples = self._body.read(content, strict)  # type: ignore[assignment]  # it must have them
        count, unknown = self._count, {}
        for sample in samples:  # which has every field by now
            if len(sample) > count:
                if strict:
                    self._body.refuse_unknown(samples)
                unknown = self._unknown(samples)
                break
        return self._complete(samples) if self._inputs.rows else samples, unknown

    def _unknown(self, samples: Samples) -> UnknownFields:
        known = self._known
        found = {at: [name for name in sample if name not in known] for at, sample in enumerate(samples)}
        return {at: names for at, names in found.items() if names}

    def _complete(self, samples: Samples) -> Samples:
        try:
            return self._inputs.complete(samples)
        except UnusableInput as error:
            at, field = error.row, error.field
            message = f"sample {at}, {field}: {error.problem}"
            raise RequestValidationError(
                [{"type": "unusable_input", "loc": ["body", "samples", at, field], "msg": message}]
            ) from None


def field_of(field: Input) -> Any:
    """Returns the type, as pydantic has it, of what a client sends for a transform."""
    described: dict[str, Any] = {} if field.example is None else {"examples": [field.example]}
    kind: Any = str
    if field.type != "text":
        stated = {"gt": field.above, "ge": field.at_least, "le": field.at_most}
        bounds: dict[str, Any] = {name: bound for name, bound in stated.items() if bound is not None}
        kind = int
        if field.type == "number":
            kind = float
            bounds = {"le": LARGEST, "allow_inf_nan": False, **bounds}
            bounds |= {} if {"gt", "ge"} & bounds.keys() else {"ge": -LARGEST}
        kind = Annotated[kind, Field(**bounds)]
    if field.nullable:
        kind, described["default"] = kind | None, None
    return Annotated[kind, Field(description=field.description or None, **described)]


def _field(feature: Feature) -> Any:
    words = []
    if feature.type == "category":
        kind: Any = str
        words.append(f"One of {', '.join(feature.categories)}; another is answered too, and flagged.")
    else:
        kind = Number
        if feature.range:
            words.append(f"{feature.range[0]:g} to {feature.range[1]:g} in training.")
    described: dict[str, Any] = {"examples": [feature.imputed]}
    if feature.nullable:
        kind = kind | None
        described["default"] = None
        words.append(
            f"null or left out where it is not known: as in training, {feature.imputed} stands for it."
        )
    return Annotated[kind, Field(description=" ".join(words) or None, **described)]
