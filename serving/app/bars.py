"""Predictions from bars: of a model whose contract names the transform `bars`."""

from datetime import UTC, datetime
from typing import Annotated, Any, NotRequired

from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from pydantic_core import to_json
from typing_extensions import TypedDict

import bundle
from app.newest import NewestBars, NewestUnavailableError
from app.registry import ModelVersion
from app.samples import REFERENCE, STRICT, explained
from bundle import BundleError
from bundle.engines.arrays import LARGEST
from bundle.transforms import transform_named

Price = Annotated[float, Field(gt=0, le=LARGEST, allow_inf_nan=False)]


@STRICT
class GivenBar(TypedDict):
    """One closed bar."""

    open_time: Annotated[int, Field(ge=0, description="Milliseconds since 1970.")]
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Annotated[float, Field(ge=0, le=LARGEST, allow_inf_nan=False)]


@STRICT
class BarsRequest(TypedDict):
    """The newest closed bars, the oldest first; without any, the newest that are stored."""

    bars: NotRequired[Annotated[list[GivenBar], Field(min_length=1)] | None]


class BarPrediction(BaseModel):
    """Where the price goes from the close of one bar."""

    direction: int = Field(description="The label of the more probable direction.")
    class_name: str
    probability: float = Field(description="Of that direction.")
    probabilities: dict[str, float] = Field(description="By class name.")
    open_time: datetime = Field(description="When the bar opened that the prediction stands on.")
    predicts_until: datetime = Field(description="The close that the direction is about.")
    symbol: str
    interval: str
    missing_bars: int = Field(description="Bars that are missing among those the features are made of.")
    stored: bool = Field(description="Whether the bars are the stored ones, not given ones.")


class BarPredictions(BaseModel):
    """The answer: one prediction, from one model version."""

    model: str
    version: str | None
    digest: str
    predictions: list[BarPrediction]


class BarsModel:
    """What a request needs of a model of bars.

    Args:
        version: What every answer names.
        loaded: The model.
        newest: Where the newest bars are stored, if they are.

    Raises:
        BundleError: The contract's transform is not what this code knows, or its library is absent.
    """

    def __init__(self, version: ModelVersion, loaded: bundle.Bundle, newest: NewestBars | None) -> None:
        transform = loaded.contract.transform
        if transform is None:
            raise BundleError("contract.json names no transform, and a model of bars needs one")
        self._made = transform_named(transform.type)
        try:
            given = transform.parameters
            self._symbol, self._interval = str(given["symbol"]), str(given["interval"])
            self._length, self._horizon = int(given["interval_ms"]), int(given["horizon"])
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                f"contract.json: the transform's parameters are not understood: {error!r}"
            ) from error
        self._version, self._bundle, self._newest = version, loaded, newest
        self._request: TypeAdapter[BarsRequest] = TypeAdapter(BarsRequest)

    def answer(self, body: bytes) -> tuple[bytes, int]:
        """Gives the answer to a request, as JSON, and the place of its label among the contract's.

        Raises:
            HTTPException: 503, when stored bars are asked for and there are none.
            RequestValidationError: 422, with the bar at fault.
        """
        try:
            given = self._request.validate_json(body or b"{}").get("bars")
        except ValidationError as error:
            raise RequestValidationError(explained(error, "bar")) from None
        rows: list[Any] = self._stored() if given is None else list(given)
        least = self._made.LEAST_BARS
        try:
            bars = self._made.bars_of(rows[-least:])
            missing = self._made.check(bars, self._length)
            columns = self._made.features(bars)
        except self._made.UnusableBars as error:
            if given is None:
                raise HTTPException(503, f"The stored bars cannot be used: {error}.") from None
            raise RequestValidationError(
                [{"type": "unusable_bars", "loc": ["body", "bars"], "msg": str(error)}]
            ) from None
        probabilities = self._bundle.predict(columns).probabilities[0].tolist()
        rank = max(range(len(probabilities)), key=lambda place: probabilities[place])
        labels = self._bundle.contract.labels
        opened = int(bars["open_time"][-1])
        prediction = BarPrediction(
            direction=labels[rank].value,
            class_name=labels[rank].name,
            probability=probabilities[rank],
            probabilities={label.name: share for label, share in zip(labels, probabilities, strict=True)},
            open_time=_moment(opened),
            predicts_until=_moment(opened + (self._horizon + 1) * self._length),
            symbol=self._symbol,
            interval=self._interval,
            missing_bars=missing,
            stored=given is None,
        )
        version = self._version
        answer = BarPredictions(
            model=version.name, version=version.version, digest=version.digest, predictions=[prediction]
        )
        return to_json(answer), rank

    def request_schema(self) -> dict[str, Any]:
        """Describes a request body for OpenAPI; definitions stand under `$defs`."""
        return self._request.json_schema(ref_template=REFERENCE)

    def _stored(self) -> list[Any]:
        if self._newest is None:
            least = self._made.LEAST_BARS
            raise HTTPException(503, f"No bars are stored for this model: give at least {least} in `bars`.")
        try:
            found = self._newest.get()
        except NewestUnavailableError as error:
            raise HTTPException(503, f"{error}.", {"Retry-After": "60"}) from None
        if (found.get("symbol"), found.get("interval")) != (self._symbol, self._interval):
            raise HTTPException(
                503,
                f"The stored bars are of {found.get('symbol')} {found.get('interval')}, the model is of"
                f" {self._symbol} {self._interval}.",
            )
        stored: list[Any] = found["bars"]
        return stored


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
