"""A request's body: an object that holds one list, checked item by item, and refused for little."""

import json
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from pydantic_core import ErrorDetails, from_json, to_json

from bundle.engines.arrays import LARGEST

MAX_ERRORS = 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Some editors and Windows' own tools write it before UTF-8; RFC 8259 lets a reader leave it out."""
REFERENCE = "#/components/schemas/{model}"
CLOSED = with_config(
    ConfigDict(extra="allow", strict=True, json_schema_extra={"additionalProperties": False})
)
"""Other fields are refused by `Body` itself: pydantic would build an error for each of ten thousands."""
OPEN = with_config(
    ConfigDict(
        extra="allow",
        strict=True,
        json_schema_extra={
            "description": "Other fields are named in the answer's `unknown_fields`, or refused with"
            " `?strict=true`."
        },
    )
)
Items = list[dict[str, Any]]


class Body:
    """Checks bodies.

    A body at fault costs no more than one that is answered: the check ends at the first item at fault, and
    what is wrong with it and those after it is looked for until there are `MAX_ERRORS` errors.

    Args:
        request: The form of a body, which is `CLOSED`; its list is `FailFast`.
        name: The list's.
        item: The form of an item.
        called: What a refusal calls an item.
        known: The names of an item's fields.
        absent: What an object without the list asks for, where that is an answer.
    """

    def __init__(
        self, request: Any, name: str, item: Any, called: str, known: Collection[str], absent: str = ""
    ) -> None:
        self._name, self._called, self._known = name, called, frozenset(known)
        self._needed = f"an object with `{name}`{absent and f', or {{}} for {absent}'}"
        self._request: TypeAdapter[dict[str, Any]] = TypeAdapter(request)
        self._item: TypeAdapter[dict[str, Any]] = TypeAdapter(item)
        # The adapter's own method around it costs a single row a tenth more.
        self._validate = self._request.validator.validate_json

    def read(self, content: bytes, strict: bool) -> Items | None:
        """Returns the items of a body, or None where it has none and need not have any.

        Args:
            content: JSON.
            strict: Where an item is at fault, refuse its unknown fields too; `unknown` finds them elsewhere.

        Raises:
            RequestValidationError: The body is empty or not JSON, or an item is not what it must be; each
                error names the item and the field.
        """
        content = content.removeprefix(BYTE_ORDER_MARK)
        if not content:
            raise RequestValidationError(
                [{"type": "missing", "loc": ["body"], "msg": f"The body is empty: send {self._needed}"}]
            )
        try:
            request = self._validate(content)
        except ValidationError as error:
            raise RequestValidationError(self._explained(error, content, strict)) from None
        if len(request) > (self._name in request):
            others = (_unexpected(name) for name in request if name != self._name)
            raise RequestValidationError(_first(others))
        items: Items | None = request.get(self._name)
        return items

    def refuse_unknown(self, items: Items) -> None:
        """Refuses items that have unknown fields.

        Raises:
            RequestValidationError: Some have; the first errors name the item and the field.
        """
        errors = _first(error for at, item in enumerate(items) for error in self._unknown(at, item))
        if errors:
            raise RequestValidationError(errors)

    def json_schema(self) -> dict[str, Any]:
        """Describes a body for OpenAPI; definitions stand under `$defs`."""
        return self._request.json_schema(ref_template=REFERENCE)

    def _explained(self, error: ValidationError, content: bytes, strict: bool) -> list[dict[str, Any]]:
        """Returns FastAPI's form of errors; inputs are left out, since NaN cannot be written in JSON."""
        errors = error.errors(include_url=False, include_input=False)
        if errors[0]["type"] == "json_invalid" and (why := _no_utf8(content)):
            message = f"The body is not UTF-8 ({why}): send JSON in UTF-8"
            return [{"type": "json_invalid", "loc": ["body"], "msg": message}]
        location = errors[0]["loc"]
        if len(location) < 2 or location[0] != self._name:
            return [_of(each, each["loc"], "") for each in errors]
        first = int(location[1])
        return _first(self._faults(first, from_json(content)[self._name][first:], strict))

    def _faults(self, first: int, items: list[Any], strict: bool) -> Iterator[dict[str, Any]]:
        for at, item in enumerate(items, first):
            try:
                self._item.validator.validate_json(to_json(item, inf_nan_mode="constants"))
            except ValidationError as error:
                for each in error.errors(include_url=False, include_input=False):
                    yield _of(each, (self._name, at, *each["loc"]), self._called)
            if strict and isinstance(item, dict):
                yield from self._unknown(at, item)

    def _unknown(self, at: int, item: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if len(item) > len(self._known) or item.keys() - self._known:
            for name in item:
                if name not in self._known:
                    yield _unexpected(self._name, at, name, called=self._called)


def _first(errors: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the first errors, and one more that says that there are others."""
    found = list(islice(errors, MAX_ERRORS + 1))
    if len(found) > MAX_ERRORS:
        more = f"more errors than the {MAX_ERRORS} that are listed"
        found[MAX_ERRORS:] = [{"type": "too_many_errors", "loc": ["body"], "msg": more}]
    return found


def _no_utf8(content: bytes) -> str:
    """Returns what a body is written in where that is not UTF-8; nothing where it is."""
    encoding = json.detect_encoding(content)
    if not encoding.startswith("utf-8"):
        return encoding.upper()
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return f"its byte {error.start + 1} is 0x{content[error.start]:02x}"
    return ""


def _of(error: ErrorDetails, location: tuple[int | str, ...], called: str) -> dict[str, Any]:
    message = f"{_place(location, called)}{_message(error)}"
    return {"type": error["type"], "loc": ["body", *location], "msg": message}


def _unexpected(*location: int | str, called: str = "") -> dict[str, Any]:
    message = f"{_place(location, called)}Extra inputs are not permitted"
    return {"type": "extra_forbidden", "loc": ["body", *location], "msg": message}


def _message(error: ErrorDetails) -> str:
    """Returns what pydantic says, but for the bound of numbers, which it writes with a hundred zeros."""
    if error.get("ctx") in ({"ge": -LARGEST}, {"le": LARGEST}):
        return f"Input should be a number from {-LARGEST:g} to {LARGEST:g}"
    return error["msg"]


def _place(location: tuple[int | str, ...], called: str) -> str:
    if len(location) < 2:
        return ""
    return f"{called} {location[1]}{''.join(f', {part}' for part in location[2:])}: "
