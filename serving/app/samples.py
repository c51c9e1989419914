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
    """Checks request bodies."""

    def __init__(self, contract: Contract, max_samples: int) -> None:
        """Generates the checks.

        Args:
            contract: The model's features.
            max_samples: The most samples that one request may hold.
        """
        fields = {feature.name: _field(feature) for feature in contract.features}
        sample = STRICT(TypedDict("Sample", fields))  # type: ignore[operator]
        samples = Annotated[list[sample], Field(min_length=1, max_length=max_samples)]  # type: ignore[valid-type]
        request = STRICT(TypedDict("PredictRequest", {"samples": samples}))  # type: ignore[operator]
        self._request: TypeAdapter[dict[str, Any]] = TypeAdapter(request)

    def read(self, body: bytes) -> list[dict[str, Any]]:
        """Gives the samples of a body, each with a finite number or a string for every feature, or None.

        Raises:
            RequestValidationError: The body is not JSON, or a sample is not what the contract asks for; each
                error names the sample and the field.
        """
        try:
            samples: list[dict[str, Any]] = self._request.validate_json(body)["samples"]
        except ValidationError as error:
            raise RequestValidationError(explained(error, "sample")) from None
        return samples

    def json_schema(self) -> dict[str, Any]:
        """Describes a request body for OpenAPI; definitions stand under `$defs`."""
        return self._request.json_schema(ref_template=REFERENCE)


def _field(feature: Feature) -> Any:
    words = []
    if feature.type == "category":
        kind: Any = str
        words.append(f"One of {', '.join(feature.categories)}; another is answered too, and flagged.")
    else:
        kind = Annotated[float, Field(allow_inf_nan=False)]
        if feature.range:
            words.append(f"{feature.range[0]:g} to {feature.range[1]:g} in training.")
    if feature.nullable:
        kind = kind | None
        words.append(f"null where it is not known: as in training, {feature.imputed} stands for it.")
    return Annotated[kind, Field(description=" ".join(words) or None, examples=[feature.imputed])]


def explained(error: ValidationError, item: str) -> list[dict[str, Any]]:
    """Gives FastAPI's form of errors; inputs are left out, since NaN cannot be written in JSON.

    Args:
        error: What pydantic found.
        item: What one of the request's list is called.
    """
    errors = error.errors(include_url=False, include_input=False, include_context=False)
    found = [
        {
            "type": each["type"],
            "loc": ["body", *each["loc"]],
            "msg": f"{_place(each['loc'], item)}{each['msg']}",
        }
        for each in errors[:MAX_ERRORS]
    ]
    if len(errors) > MAX_ERRORS:
        found.append(
            {"type": "too_many_errors", "loc": ["body"], "msg": f"{len(errors) - MAX_ERRORS} more errors"}
        )
    return found


def _place(location: tuple[int | str, ...], item: str) -> str:
    if len(location) < 2:
        return ""
    return f"{item} {location[1]}{''.join(f', {part}' for part in location[2:])}: "
