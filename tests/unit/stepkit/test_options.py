"""Options by their properties: a value survives its text, and any other text is refused by name."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepkit.errors import Code, InvalidInput
from stepkit.options import Option, parse_options

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
JSON = SCALARS | st.lists(SCALARS, max_size=3)
WRITTEN = {
    "whole": (st.integers(), str),
    "number": (st.floats(allow_nan=False, allow_infinity=False), repr),
    "said": (st.booleans(), str),
    "day": (st.dates(), str),
    "time": (st.datetimes(timezones=ZONES), lambda time: time.isoformat()),
    "members": (st.dictionaries(st.text(), JSON, max_size=3), json.dumps),
    "items": (st.lists(JSON, max_size=3), json.dumps),
    "kind": (st.sampled_from(["one", "two"]), str),
    "text": (st.text(min_size=1), str),
}
"""By the option: values, and how each is written."""
LOW, HIGH = 1, 9
EARLIEST = datetime.min.replace(tzinfo=UTC)


def step(
    *,
    whole: int = 0,
    number: float = 0.0,
    said: bool = False,
    day: date = date.min,
    time: datetime = EARLIEST,
    members: dict[str, Any] | None = None,
    items: list[Any] | None = None,
    kind: Literal["one", "two"] = "one",
    text: str = "",
    bounded: Annotated[int, Option("some", minimum=LOW, maximum=HIGH)] = LOW,
) -> None:
    """A step with an option of each type."""


@pytest.mark.parametrize("name", WRITTEN)
@given(data=st.data())
def test_a_value_survives_its_text(name: str, data: st.DataObject) -> None:
    values, write = WRITTEN[name]
    value = data.draw(values)
    found = parse_options(step, [f"--{name}={write(value)}"], {})[name]
    assert (type(found), found) == (type(value), value)
    assert parse_options(step, [], {name.upper(): write(value)})[name] == value


@pytest.mark.parametrize("name", WRITTEN)
@given(text=st.text(min_size=1) | st.sampled_from(["1.5", "nan", "-inf", "2026-01-31", "1e999", "[]", "{}"]))
def test_any_text_is_a_value_of_the_type_or_refused_by_name(name: str, text: str) -> None:
    try:
        found = parse_options(step, [f"--{name}={text}"], {})[name]
    except InvalidInput as refusal:
        assert f"--{name} ({name.upper()}) got {text!r}: " in str(refusal)  # noqa: PT017 - it may not be refused
    else:
        default = step.__kwdefaults__[name]
        assert type(found) is type(default if default is not None else {"members": {}, "items": []}[name])
        assert not isinstance(found, float) or math.isfinite(found)
        assert not isinstance(found, datetime) or found.tzinfo


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("items", "{}", "it must be a JSON list"),
        ("items", "[1", "it must be a JSON list (Expecting ',' delimiter: line 1 column 3 (char 2))"),
        ("members", "[]", "it must be a JSON object"),
        ("kind", "three", "choose one of one, two"),
        ("time", "2026-01-31T12:00:00", "write a time with its zone, as 2026-01-31T12:00:00Z"),
    ],
)
def test_a_refusal_says_what_an_option_takes(name: str, text: str, problem: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_options(step, [f"--{name}={text}"], {})
    assert str(refused.value) == f"--{name} ({name.upper()}) got {text!r}: {problem}"
    assert refused.value.code == Code.INVALID_SETTING


@given(number=st.integers(LOW - 20, HIGH + 20))
def test_a_range_holds_both_its_ends(number: int) -> None:
    try:
        assert LOW <= parse_options(step, [f"--bounded={number}"], {})["bounded"] <= HIGH
    except InvalidInput as refusal:
        assert not LOW <= number <= HIGH
        assert f"it must be at least {LOW} and at most {HIGH}" in str(refusal)  # noqa: PT017
