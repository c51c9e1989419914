"""What a request must hold, generated from the model's contract."""

from typing import Annotated, Any

from fastapi.exceptions import RequestValidationError
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from bundle import Contract, Feature

MAX_ERRORS = 20
REFERENCE = "#/components/schemas/{model}"
STRICT = with_config(ConfigDict(extra="forbid", strict=True))


class SampleSchema:
    """Checks request bodies that hold the features themselves."""

    def __init__(self, contract: Contract, max_samples: int) -> None:
        """Generates the checks.

        Args:
            contract: The model's features.
            max_samples: The most samples that one request may hold.
        """
        fields = {feature.name: _field(feature) for feature in contract.features}
        self._body = Body("samples", STRICT(TypedDict("Sample", fields)), 1, max_samples)  # type: ignore[operator]

    def read(self, body: bytes) -> list[dict[str, Any]]:
        """Gives the samples of a body, each with a finite number or a string for every feature.

        Raises:
            RequestValidationError: The body is not JSON, or a sample is not what the contract asks for; each
                error names the sample and the field.
        """
        return self._body.read(body)

    def json_schema(self) -> dict[str, Any]:
        """Describes a request body for OpenAPI; definitions stand under `$defs`."""
        return self._body.json_schema()


class Body:
    """A JSON object with one field: a list of objects of one form."""

    def __init__(self, name: str, item: Any, least: int, most: int) -> None:
        """Generates the checks.

        Args:
            name: The field's.
            item: The form of the list's objects.
            least: The fewest objects.
            most: The most objects.
        """
        self._name = name
        items = Annotated[list[item], Field(min_length=least, max_length=most)]
        request = STRICT(TypedDict("PredictRequest", {name: items}))  # type: ignore[operator]
        self._request: TypeAdapter[dict[str, Any]] = TypeAdapter(request)

    def read(self, body: bytes) -> list[dict[str, Any]]:
        """Gives the objects.

        Raises:
            RequestValidationError: The body has another form.
        """
        try:
            items: list[dict[str, Any]] = self._request.validate_json(body)[self._name]
        except ValidationError as error:
            raise RequestValidationError(_explained(error, self._name.removesuffix("s"))) from None
        return items

    def json_schema(self) -> dict[str, Any]:
        """Describes the object for OpenAPI; definitions stand under `$defs`."""
        return self._request.json_schema(ref_template=REFERENCE)


def _field(feature: Feature) -> Any:
    if feature.type == "category":
        known = f"One of {', '.join(feature.categories)}; another is answered too, and flagged."
        return Annotated[str, Field(description=known, examples=[feature.imputed])]
    seen = f"{feature.range[0]:g} to {feature.range[1]:g} in training." if feature.range else None
    return Annotated[float, Field(allow_inf_nan=False, description=seen, examples=[feature.imputed])]


def _explained(error: ValidationError, item: str) -> list[dict[str, Any]]:
    """Gives FastAPI's form of errors; inputs are left out, since NaN cannot be written in JSON."""
    errors = error.errors(include_url=False, include_input=False, include_context=False)
    explained = [
        {
            "type": each["type"],
            "loc": ["body", *each["loc"]],
            "msg": f"{_place(item, each['loc'])}{each['msg']}",
        }
        for each in errors[:MAX_ERRORS]
    ]
    if len(errors) > MAX_ERRORS:
        explained.append(
            {"type": "too_many_errors", "loc": ["body"], "msg": f"{len(errors) - MAX_ERRORS} more errors"}
        )
    return explained


def _place(item: str, location: tuple[int | str, ...]) -> str:
    if len(location) < 2:
        return ""
    return f"{item} {location[1]}{''.join(f', {part}' for part in location[2:])}: "
