"""What a crime is: the columns that are taken, those that are added, and which of them a model may see."""

from __future__ import annotations

from zoneinfo import ZoneInfo

SCHEMA = "crime"
CHICAGO = ZoneInfo("America/Chicago")
TARGET = "arrest"
KEY = "id"
OCCURRED_AT = "occurred_at"
"""When, in UTC: no feature, but what the transform `times` makes some of."""
TEST_SHARE = 0.2

RAW_COLUMNS = (
    "id", "case_number", "date", "block", "iucr", "primary_type", "description", "location_description",
    "arrest", "domestic", "beat", "district", "ward", "community_area", "fbi_code", "x_coordinate",
    "y_coordinate", "year", "updated_on", "latitude", "longitude",
)  # fmt: skip
"""What is asked of the source: all but the computed regions and `location`, which repeats two others."""
REQUIRED_COLUMNS = ("id", "date", "primary_type", "arrest", "domestic", "updated_on")
PLACE_COLUMNS = ("latitude", "longitude")
STATION_COLUMNS = ("district", "district_name", "address", "zip", "latitude", "longitude")
ADDED_COLUMNS = (
    OCCURRED_AT, "season", "day_of_week", "day_time", "nearest_station", "nearest_station_district",
    "station_distance_m",
)  # fmt: skip
ENRICHED_COLUMNS = (*RAW_COLUMNS, *ADDED_COLUMNS)

NUMBERS = ("day_of_week", "latitude", "longitude", "station_distance_m")
CATEGORIES = (
    "primary_type", "location_description", "domestic", "district", "nearest_station", "season", "day_time",
)  # fmt: skip
FEATURES = (*NUMBERS, *CATEGORIES)
"""What a model may see: all of it is in the first report of a crime, or follows from it."""

LEFT_OUT = {
    "case_number": "a number of the file, given in the order of reports",
    "updated_on": "known only afterwards: a row is corrected when, among others, somebody is arrested",
    "iucr": "known only afterwards: the code is revised as the case is, and some codes stand for an arrest"
    " that has been made (warrants, possession found on an arrested person)",
    "description": "known only afterwards: the text of iucr",
    "fbi_code": "known only afterwards: derived from the iucr code for the FBI's statistics",
    "date": "is in season, day_of_week and day_time; by itself it would let a model tell months apart",
    OCCURRED_AT: "the same instant as date",
    "year": "is in date",
    "block": "the place, in thousands of distinct texts; latitude and longitude have it",
    "beat": "the place again, a part of district",
    "ward": "the place again, by another map",
    "community_area": "the place again, by another map",
    "x_coordinate": "the place again, in feet",
    "y_coordinate": "the place again, in feet",
    "nearest_station_district": "the number of nearest_station",
}
"""Columns that no model sees, and why."""

HEADQUARTERS = "Headquarters"
SEASONS = {
    "Winter": (12, 1, 2),
    "Spring": (3, 4, 5),
    "Summer": (6, 7, 8),
    "Fall": (9, 10, 11),
}
"""Months of each season, as meteorologists count."""
DAY_TIMES = ((0, "Night"), (6, "Morning"), (12, "Afternoon"), (18, "Evening"), (22, "Night"))
"""The hour, by Chicago's clocks, at which each part of the day begins."""
# `day_of_week` is 0 for Monday to 6 for Sunday.
LATITUDES = (41.5, 42.2)
LONGITUDES = (-88.1, -87.3)
"""A place outside these bounds is not in Chicago: it counts as none."""
