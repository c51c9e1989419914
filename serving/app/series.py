"""Predictions from a series: of a model whose transform makes the features of its last item."""

from typing import Annotated, Any, NotRequired

from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError
from pydantic import FailFast, Field, create_model
from pydantic_core import to_json
from typing_extensions import TypedDict

import bundle
from app.body import CLOSED, Body, Items
from app.latest_input import LatestInput, LatestInputUnavailableError
from app.registry import ModelVersion
from app.responses import Predictions
from app.samples import field_of
from bundle.transforms import SeriesTransform, UnusableSeries


class SeriesModel:
    """What a request needs of a model of a series.

    Args:
        version: What every answer names.
        loaded: The model.
        transform: Its contract's.
        latest: Where the latest items are stored, if they are.
    """

    def __init__(
        self,
        version: ModelVersion,
        loaded: bundle.Bundle,
        transform: SeriesTransform,
        latest: LatestInput | None,
    ) -> None:
        self._version, self._bundle, self._transform, self._latest = version, loaded, transform, latest
        title = transform.item.title()
        fields = {field.name: field_of(field) for field in transform.inputs}
        item = CLOSED(TypedDict(f"Given{title}", fields))  # type: ignore[operator]
        description = f"The oldest {transform.item} first; null or left out: the latest that are stored."
        items = Annotated[list[item] | None, FailFast(), Field(min_length=1, description=description)]  # type: ignore[valid-type]
        request = CLOSED(TypedDict("SeriesRequest", {transform.name: NotRequired[items]}))  # type: ignore[operator]
        absent = f"the latest {transform.name} that are stored"
        self._body = Body(request, transform.name, item, transform.item, fields, absent)
        self.json_schema = self._body.json_schema
        self.form = _form(loaded.contract.target, transform)

    def answer(self, body: bytes) -> tuple[bytes, int]:
        """Returns the answer to a request, as JSON, and the place of its label among the contract's.

        Raises:
            HTTPException: 503, when stored items are asked for and there are none.
            RequestValidationError: 422, with the item at fault.
        """
        name = self._transform.name
        given = self._body.read(body, strict=True)
        if given is not None:
            self._body.refuse_unknown(given)
        items = self._stored() if given is None else given
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

    def _stored(self) -> Items:
        name = self._transform.name
        if self._latest is None:
            least = self._transform.least
            raise HTTPException(
                503, f"No {name} are stored for this model: give at least {least} in `{name}`."
            )
        try:
            found = self._latest.get(name)
        except LatestInputUnavailableError as error:
            raise HTTPException(503, f"{error}.", {"Retry-After": "60"}) from None
        if objection := self._transform.objection(found):
            raise HTTPException(503, objection)
        # The same check as of what a client sends, of as many as count: a store may hold a year of them.
        last = {name: found[name][-self._transform.least :]}
        if not last[name]:
            return []
        try:
            return self._body.read(to_json(last, inf_nan_mode="constants"), strict=False) or []
        except (RequestValidationError, ValueError) as error:
            first = error.errors()[0]["msg"] if isinstance(error, RequestValidationError) else error
            raise HTTPException(503, f"The stored {name} cannot be used: {first}.") from None


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
