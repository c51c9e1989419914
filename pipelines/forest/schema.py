"""What a forest sample is: its columns, their limits, and the tables that hold them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from stepkit.errors import InvalidRow
from stepkit.text import normalise


@dataclass(frozen=True)
class Column:
    """One of the 13 fields of a sample; `low` and `high` bound a number, both inclusive."""

    source_name: str
    low: int | None = None
    high: int | None = None

    @property
    def name(self) -> str:
        """The name in our own tables."""
        return self.source_name.lower()


COLUMNS = (
    Column("Elevation", -500, 9_000),
    Column("Aspect", 0, 360),
    Column("Slope", 0, 90),
    Column("Horizontal_Distance_To_Hydrology", 0, 100_000),
    Column("Vertical_Distance_To_Hydrology", -9_000, 9_000),
    Column("Horizontal_Distance_To_Roadways", 0, 100_000),
    Column("Hillshade_9am", 0, 255),
    Column("Hillshade_Noon", 0, 255),
    Column("Hillshade_3pm", 0, 255),
    Column("Horizontal_Distance_To_Fire_Points", 0, 100_000),
    Column("Wilderness_Area"),
    Column("Soil_Type"),
    Column("Cover_Type", 0, 6),
)
SOURCE_NAMES = tuple(column.source_name for column in COLUMNS)
NAMES = tuple(column.name for column in COLUMNS)
WILDERNESS_AREAS = ("Rawah", "Neota", "Commanche", "Cache")
COVER_TYPES = (
    "Spruce/Fir",
    "Lodgepole Pine",
    "Ponderosa Pine",
    "Cottonwood/Willow",
    "Aspen",
    "Douglas-fir",
    "Krummholz",
)
MAX_CATEGORY_LENGTH = 40
SCHEMA = "forest"
"""Holds the record of trainings and promotions."""
Table = Literal[
    "forest.forest_cover_samples", "train_data.forest_cover_data", "forest_full.forest_cover_samples"
]
TABLES: dict[str, tuple[str, ...]] = {
    "forest.forest_cover_samples": NAMES,
    "train_data.forest_cover_data": SOURCE_NAMES,
    "forest_full.forest_cover_samples": NAMES,
}
"""Each table that may be loaded, and what it calls the 13 columns, in the order of `COLUMNS`."""

Value = int | str | None
Sample = tuple[Value, ...]


class _Parsed(dict[Any, Value]):
    """Values of one column by their text. A column has few distinct values, so most rows parse by look-up.

    Only text is kept: a dict takes `True` and `1.0` for the key `1`, and would answer for them.
    """

    def __init__(self, parse: Callable[[Any], Value]) -> None:
        super().__init__()
        self._parse = parse

    def __missing__(self, field: Any) -> Value:
        value = self._parse(field)
        if isinstance(field, str):
            self[field] = value
        return value


class SampleParser:
    """Turns the 13 fields of a row into typed values. It keeps what it has seen: use one a source."""

    def __init__(self) -> None:
        parsers = {"Wilderness_Area": _wilderness_area, "Soil_Type": _soil_type, "Cover_Type": _cover_type}
        self._columns = [_Parsed(parsers.get(each.source_name, _number(each))) for each in COLUMNS]

    def parse(self, fields: Any) -> Sample:
        """Returns the sample of a row.

        Args:
            fields: the 13 fields in the order of `COLUMNS`, each text or an integer; an empty one is missing.

        Raises:
            InvalidRow: a wrong number of fields, or a field that is not what its column holds.
        """
        if not isinstance(fields, list) or len(fields) != len(COLUMNS):
            found = (
                f"{len(fields)} fields"
                if isinstance(fields, list)
                else f"{type(fields).__name__}, not a list"
            )
            raise InvalidRow(f"has {found}; a sample has {len(COLUMNS)} fields")
        try:
            return tuple([parsed[field] for parsed, field in zip(self._columns, fields, strict=True)])
        except (ValueError, TypeError):
            raise self._first_fault(fields) from None

    def _first_fault(self, fields: list[Any]) -> InvalidRow:
        for column, parsed, field in zip(COLUMNS, self._columns, fields, strict=True):
            try:
                parsed[field]
            except ValueError as error:
                return InvalidRow(f"{field!r} {error}", column.source_name)
            except TypeError:
                return InvalidRow(f"{field!r} is not a single value", column.source_name)
        raise AssertionError("a row that failed to parse now parses")


def _number(column: Column) -> Callable[[Any], int | None]:
    def parse(field: Any) -> int | None:
        text = _text(field)
        if not text:
            return None
        if not (text.isascii() and text.removeprefix("-").isdigit()):
            raise ValueError("is not a whole number")
        number = int(text)
        if column.low is None or column.high is None or not column.low <= number <= column.high:
            raise ValueError(f"is not within {column.low} and {column.high}")
        return number

    return parse


def _cover_type(field: Any) -> int:
    number = _number(COLUMNS[-1])(field)
    if number is None:
        raise ValueError("is missing, and a sample needs its label")
    return number


def _wilderness_area(field: Any) -> str | None:
    text = _category(field)
    known = {name.casefold(): name for name in WILDERNESS_AREAS}
    return known.get(text.casefold(), text) or None


def _soil_type(field: Any) -> str | None:
    return _category(field).upper() or None


def _category(field: Any) -> str:
    text = _text(field)
    if len(text) > MAX_CATEGORY_LENGTH or not text.isprintable():
        raise ValueError(f"is not a category of at most {MAX_CATEGORY_LENGTH} printable characters")
    return text


def _text(field: Any) -> str:
    if field is None:
        return ""
    if isinstance(field, bool | float):
        raise ValueError("is neither text nor a whole number")
    return normalise(str(field)).strip()
