"""Times: what the clocks of a zone show, with and without an offset, in both nights when they change."""

from __future__ import annotations

import re
from datetime import UTC
from typing import Any

import pytest

from bundle import BundleError
from bundle.transforms import UnusableInput
from bundle.transforms.times import Times

PARAMETERS: dict[str, Any] = {
    "zone": "America/Chicago",
    "seasons": {"Winter": [12, 1, 2], "Spring": [3, 4, 5], "Summer": [6, 7, 8], "Fall": [9, 10, 11]},
    "day_times": [[0, "Night"], [6, "Morning"], [12, "Afternoon"], [18, "Evening"], [22, "Night"]],
}


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-15T12:00:00.000", "2026-01-15T18:00:00"),
        ("2026-07-15 12:00", "2026-07-15T17:00:00"),
        ("2026-11-01T01:30:00.000", "2026-11-01T06:30:00"),
        ("2026-11-01T01:30:00-06:00", "2026-11-01T07:30:00"),
        ("2026-03-08T02:30:00.000", "2026-03-08T08:30:00"),
        ("2026-07-15T17:00:00.000Z", "2026-07-15T17:00:00"),
        ("2026-07-15T12:00:00-0500", "2026-07-15T17:00:00"),
        ("2026\u201307\u201315\u00a012:00:00\u221205:00\u200b", "2026-07-15T17:00:00"),
    ],
    ids=["winter", "summer", "twice", "the second of both", "jumped over", "utc", "an offset", "as typeset"],
)
def test_a_time_without_an_offset_is_the_zones(text: str, utc: str) -> None:
    first, second = Times(PARAMETERS).instants([text, "2026-07-15T12:00:00"])
    assert first.astimezone(UTC).isoformat() == f"{utc}+00:00"
    assert second.astimezone(UTC).isoformat() == "2026-07-15T17:00:00+00:00"


@pytest.mark.parametrize(
    ("text", "season", "day", "part"),
    [
        ("2026-03-01T05:59:59.000", "Spring", 6, "Night"),
        ("2026-02-28T06:00:00.000", "Winter", 5, "Morning"),
        ("2026-06-01T12:00:00.000", "Summer", 0, "Afternoon"),
        ("2026-11-30T18:00:00.000", "Fall", 0, "Evening"),
        ("2026-12-01T22:00:00.000", "Winter", 1, "Night"),
        ("2026-07-06T03:00:00.000Z", "Summer", 6, "Night"),
        ("2026-03-08T02:30:00.000", "Spring", 6, "Night"),
    ],
)
def test_times_are_told_by_the_zones_clocks(text: str, season: str, day: int, part: str) -> None:
    made = Times(PARAMETERS).apply({"occurred_at": [text]})  # type: ignore[dict-item]
    assert {name: values.tolist() for name, values in made.items()} == {
        "day_of_week": [day],
        "season": [season],
        "day_time": [part],
    }
    assert {name: values.dtype.str for name, values in made.items()} == {
        name: "<f8" if kind == "number" else "|O" for name, kind in Times.outputs.items()
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("yesterday", "'yesterday' is not a time: write 2026-06-26T19:30:00"),
        (None, "None is not a time"),
        (7, "7 is not a time"),
        ("2026-13-01T00:00:00", "'2026-13-01T00:00:00' is not a time"),
        ("0001-01-01T00:00:00+14:00", "'0001-01-01T00:00:00+14:00' is not a time"),
        ("9999-12-31T23:59:59-12:00", "'9999-12-31T23:59:59-12:00' is not a time"),
        ("2026-06-26", "'2026-06-26' has no time of day: write 2026-06-26T19:30:00"),
    ],
)
def test_what_is_no_time_is_refused_with_its_row(text: Any, problem: str) -> None:
    with pytest.raises(UnusableInput, match=re.escape(f"row 1, occurred_at: {problem}")) as caught:
        Times(PARAMETERS).instants(["2026-06-26T19:30:00", text])
    assert (caught.value.row, caught.value.field) == (1, "occurred_at")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"zone": "America/Chikago"}, "zone is 'America/Chikago': it must be a zone of the database"),
        ({"zone": "../etc/passwd"}, "zone is '../etc/passwd'"),
        ({"zone": 6}, "zone is 6"),
        ({"seasons": {"Always": list(range(1, 12))}}, "it must be names with the months 1 to 12, each once"),
        ({"seasons": {"Always": list(range(1, 13)), "May": [5]}}, "each once"),
        ({"seasons": [1]}, "seasons is [1]"),
        ({"day_times": [[6, "Day"]]}, "day_times is [[6, 'Day']]: it must be hours from 0 on that rise"),
        ({"day_times": [[0, "Night"], [6, "Day"], [6, "Noon"]]}, "hours from 0 on that rise"),
        ({"day_times": [[0, "Night"], [24, "Day"]]}, "hours from 0 on that rise"),
        ({"day_times": [[0, 1]]}, "hours from 0 on that rise"),
        ({"day_times": []}, "day_times is []"),
        ({"hours": 12}, "it must have ['day_times', 'seasons', 'zone']"),
    ],
)
def test_parameters_that_are_none_are_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BundleError, match=re.escape(sentence)) as refused:
        Times({**PARAMETERS, **change})
    assert re.match("contract.json: the transform times(:| has the parameters) ", str(refused.value))
