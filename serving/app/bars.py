"""Request bodies of models that learn from price bars: the bars, of which the features are made here."""

import math
from typing import Annotated, Any

from fastapi.exceptions import RequestValidationError
from pydantic import Field
from typing_extensions import TypedDict

from app.samples import STRICT, Body
from bundle import BundleError, Contract


class BarsSchema:
    """Checks bodies with bars, and makes the features of the last of them."""

    def __init__(self, contract: Contract, max_samples: int) -> None:
        """Generates the checks.

        Args:
            contract: Its transform has the parameter `interval_ms`, the length of a bar.
            max_samples: The most bars that one request may hold; at least as many as the features need.

        Raises:
            BundleError: The library that computes the features is not installed, or a parameter is absent.
        """
        try:
            from bundle.transforms import bars
        except ImportError as error:
            raise BundleError(f"the transform bars needs a package that is absent: {error}") from error
        self._bars = bars
        self._imputed = {feature.name: float(feature.imputed) for feature in contract.features}
        parameters = contract.transform.parameters if contract.transform else {}
        if "interval_ms" not in parameters:
            raise BundleError("contract.json: the transform bars needs its parameter interval_ms")
        self._interval_ms = int(parameters["interval_ms"])
        number = Annotated[float, Field(allow_inf_nan=False)]
        time = Annotated[int, Field(description="Milliseconds since 1970.")]
        fields = {name: time if name == "open_time" else number for name in bars.FIELDS}
        least = bars.LEAST_BARS
        bar = STRICT(TypedDict("Bar", fields))  # type: ignore[operator]
        self._body = Body("bars", bar, least, max(least, max_samples))

    def read(self, body: bytes) -> list[dict[str, Any]]:
        """Gives the features of the last bar, as the only sample.

        Raises:
            RequestValidationError: The body is not JSON, or its bars are too few or no bars; the errors name
                the bar and the field.
        """
        rows = self._body.read(body)
        try:
            bars = self._bars.bars_of(rows)
            self._bars.check(bars, self._interval_ms)
            last = {name: values[-self._bars.LEAST_BARS :] for name, values in bars.items()}
            features = self._bars.features(last)
        except self._bars.UnusableBars as error:
            problem = {"type": "unusable_bars", "loc": ["body", "bars"], "msg": str(error)}
            raise RequestValidationError([problem]) from None
        sample = {name: float(values[-1]) for name, values in features.items()}
        for name, value in sample.items():
            if math.isnan(value):
                sample[name] = self._imputed[name]
        return [sample]

    def json_schema(self) -> dict[str, Any]:
        """Describes a request body for OpenAPI; definitions stand under `$defs`."""
        return self._body.json_schema()
