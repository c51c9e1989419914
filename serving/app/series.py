"""Predictions from a series: of a model whose transform makes the features of its last item."""

from typing import Annotated, Any, NotRequired

from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError
from pydantic import Field, TypeAdapter, ValidationError, create_model
from pydantic_core import to_json
from typing_extensions import TypedDict

import bundle
from app.newest import Newest, NewestUnavailableError
from app.registry import ModelVersion
from app.responses import Predictions
from app.samples import REFERENCE, STRICT, explained, field_of
from bundle.transforms import SeriesTransform, UnusableSeries


class SeriesModel:
    """What a request needs of a model of a series.

    Args:
        version: What every answer names.
        loaded: The model.
        transform: Its contract's.
        newest: Where the newest items are stored, if they are.
    """

    def __init__(
        self, version: ModelVersion, loaded: bundle.Bundle, transform: SeriesTransform, newest: Newest | None
    ) -> None:
        self._version, self._bundle, self._transform, self._newest = version, loaded, transform, newest
        title = transform.item.title()
        fields = {field.name: field_of(field) for field in transform.inputs}
        item = STRICT(TypedDict(f"Given{title}", fields))  # type: ignore[operator]
        description = f"The oldest {transform.item} first; null or left out: the newest that are stored."
        items = Annotated[list[item] | None, Field(min_length=1, description=description)]  # type: ignore[valid-type]
        request = STRICT(TypedDict("SeriesRequest", {transform.name: NotRequired[items]}))  # type: ignore[operator]
        self._request: TypeAdapter[dict[str, Any]] = TypeAdapter(request)
        self.form = _form(loaded.contract.target, transform)

    def answer(self, body: bytes) -> tuple[bytes, int]:
        """Returns the answer to a request, as JSON, and the place of its label among the contract's.

        Raises:
            HTTPException: 503, when stored items are asked for and there are none.
            RequestValidationError: 422, with the item at fault.
        """
        name = self._transform.name
        try:
            given = self._request.validate_json(body or b"{}").get(name)
        except ValidationError as error:
            raise RequestValidationError(explained(error, self._transform.item)) from None
        items: list[Any] = self._stored() if given is None else given
        try:
            made = self._transform.apply(items)
        except UnusableSeries as error:
            if given is None:
                raise HTTPException(503, f"The stored {name} cannot be used: {error}.") from None
            raise RequestValidationError(
                [{"type": f"unusable_{name}", "loc": ["body", name], "msg": str(error)}]
            ) from None
        shares = self._bundle.predict(made.columns).probabilities[0].tolist()
        rank = max(range(len(shares)), key=lambda place: shares[place])
        contract, version = self._bundle.contract, self._version
        prediction = {
            contract.target: contract.labels[rank].value,
            "class_name": contract.labels[rank].name,
            "probability": shares[rank],
            "probabilities": {
                label.name: share for label, share in zip(contract.labels, shares, strict=True)
            },
            **made.facts,
            "stored": given is None,
        }
        named = {"model": version.name, "version": version.version, "digest": version.digest}
        return to_json({**named, "predictions": [prediction]}), rank

    def json_schema(self) -> dict[str, Any]:
        """Describes a request body for OpenAPI; definitions stand under `$defs`."""
        return self._request.json_schema(ref_template=REFERENCE)

    def _stored(self) -> list[Any]:
        name = self._transform.name
        if self._newest is None:
            least = self._transform.least
            raise HTTPException(
                503, f"No {name} are stored for this model: give at least {least} in `{name}`."
            )
        try:
            found = self._newest.get(name)
        except NewestUnavailableError as error:
            raise HTTPException(503, f"{error}.", {"Retry-After": "60"}) from None
        if objection := self._transform.objection(found):
            raise HTTPException(503, objection)
        stored: list[Any] = found[name]
        return stored


def _form(target: str, transform: SeriesTransform) -> type[Predictions[Any]]:
    fields: dict[str, Any] = {
        target: (int, Field(description="The label of the most probable class.")),
        "class_name": (str, ...),
        "probability": (float, Field(description="Of that class.")),
        "probabilities": (dict[str, float], Field(description="By class name.")),
        **{name: (kind, Field(description=words or None)) for name, (kind, words) in transform.facts.items()},
        "stored": (bool, Field(description=f"Whether the {transform.name} are the stored ones.")),
    }
    prediction = create_model(
        f"{transform.item.title()}Prediction",
        __doc__=f"The answer that stands on one {transform.item}.",
        **fields,
    )
    return Predictions[prediction]  # type: ignore[valid-type]
