"""Places and times: distances, padded districts, rows without a place, the hour that comes twice."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from pyproj import Geod
from shapely import Point

from crime import places, times
from crime.enrich_data import enrich
from crime.schema import DAY_TIMES, ENRICHED_COLUMNS, RAW_COLUMNS
from stepkit.outcomes import RefusedInput

REAL = Path(__file__).resolve().parents[3] / "sources/socrata/data/crimes.csv.gz"


@pytest.fixture(scope="module")
def real() -> pd.DataFrame:
    with gzip.open(REAL, "rt", encoding="utf-8", newline="") as file:
        rows = [{name: row[name] or None for name in RAW_COLUMNS} for row in csv.DictReader(file)]
    return pd.DataFrame(rows, dtype="str")


def one(**change: Any) -> pd.DataFrame:
    row: dict[str, Any] = {
        "id": "7",
        "date": "2026-07-04T12:30:00.000",
        "primary_type": " theft ",
        "location_description": "STREET",
        "district": "1",
        "latitude": "41.85",
        "longitude": "-87.63",
    }
    return pd.DataFrame([dict.fromkeys(RAW_COLUMNS) | row | change], dtype="str")


def test_our_plane_agrees_with_the_citys_own_coordinates(real: pd.DataFrame) -> None:
    """The portal gives each place twice: in degrees, and in feet of the same projection's other unit."""
    rows = real.dropna(subset=["latitude"])
    points = places.projected(
        rows["latitude"].astype(float).to_numpy(), rows["longitude"].astype(float).to_numpy()
    )
    feet_to_metres = 1200 / 3937
    east = rows["x_coordinate"].astype(float).to_numpy() * feet_to_metres
    north = rows["y_coordinate"].astype(float).to_numpy() * feet_to_metres
    assert np.abs(points.x - east).max() < 1
    assert np.abs(points.y - north).max() < 1


def test_the_nearest_station_is_nearest_on_the_globe_too(real: pd.DataFrame, stations: pd.DataFrame) -> None:
    rows = real.dropna(subset=["latitude"]).head(300)
    latitudes, longitudes = (rows[name].astype(float).to_numpy() for name in ("latitude", "longitude"))
    known = places.stations_of(stations)
    assert (known.districts, known.names) == (
        ("001", "002", "018"),
        ("Central", "Wentworth", "Near North"),
    )
    found = places.nearest(latitudes, longitudes, known)
    globe, targets = Geod(ellps="GRS80"), stations[stations["district"] != "Headquarters"]
    metres = np.array(
        [
            globe.inv(np.full(len(rows), lon), np.full(len(rows), lat), longitudes, latitudes)[2]
            for lat, lon in zip(
                targets["latitude"].astype(float), targets["longitude"].astype(float), strict=True
            )
        ]
    )
    assert (found.station == metres.argmin(axis=0)).all()
    assert np.abs(found.metres / metres.min(axis=0) - 1).max() < 1e-3


@pytest.mark.parametrize(
    ("latitude", "longitude"), [(None, None), ("0", "0"), ("36.619446395", "-91.686565684"), ("41.8", None)]
)
def test_a_crime_at_no_known_place_keeps_its_row(
    stations: pd.DataFrame, latitude: str | None, longitude: str | None
) -> None:
    row = enrich(one(latitude=latitude, longitude=longitude), places.stations_of(stations)).iloc[0]
    assert pd.isna(row["nearest_station"])
    assert pd.isna(row["station_distance_m"])
    assert pd.isna(row["latitude"])
    assert row["season"] == "Summer"


def test_names_are_spelled_in_one_way(stations: pd.DataFrame) -> None:
    enriched = enrich(one(), places.stations_of(stations))
    assert tuple(enriched.columns) == ENRICHED_COLUMNS
    row = enriched.iloc[0]
    assert (row["primary_type"], row["district"], row["nearest_station"]) == ("THEFT", "001", "Central")
    assert row["nearest_station_district"] == "001"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"latitude": "north"}, "row 1: column latitude: 'north' is no number"),
        ({"date": "yesterday"}, "row 1: column date: 'yesterday' is no time"),
    ],
)
def test_what_is_no_number_or_time_is_refused(
    stations: pd.DataFrame, change: dict[str, str], sentence: str
) -> None:
    with pytest.raises(RefusedInput, match=sentence):
        enrich(one(**change), places.stations_of(stations))


def test_a_station_at_no_place_is_refused(stations: pd.DataFrame) -> None:
    with pytest.raises(RefusedInput, match="district 018 has no latitude"):
        places.stations_of(stations.assign(latitude=[*stations["latitude"][:3], None]))
    with pytest.raises(RefusedInput, match="no station of a district"):
        places.stations_of(stations.head(1))


def test_places_are_points_of_illinois_east_in_metres() -> None:
    (point,) = places.projected(np.array([41.85]), np.array([-87.63]))
    metres = gpd.GeoSeries([Point(-87.63, 41.85)], crs="EPSG:4326").to_crs("EPSG:26971")[0]
    assert point.distance(metres) == 0


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-15T12:00:00.000", "2026-01-15T18:00:00Z"),
        ("2026-07-15T12:00:00.000", "2026-07-15T17:00:00Z"),
        ("2026-11-01T01:30:00.000", "2026-11-01T06:30:00Z"),
        ("2026-03-08T02:30:00.000", "2026-03-08T08:00:00Z"),
        ("2026-07-15T17:00:00.000Z", "2026-07-15T17:00:00Z"),
        ("2026-07-15T12:00:00-05:00", "2026-07-15T17:00:00Z"),
    ],
    ids=["winter", "summer", "the hour that comes twice", "the hour that is jumped over", "utc", "an offset"],
)
def test_a_time_without_a_zone_is_chicagos(text: str, utc: str) -> None:
    told = times.told(times.in_chicago(pd.Series([text, "2026-07-15T12:00:00.000"], dtype="str")))
    assert told["occurred_at"].tolist() == [utc, "2026-07-15T17:00:00Z"]


@pytest.mark.parametrize(
    ("text", "season", "day", "part"),
    [
        ("2026-03-01T05:59:59.000", "Spring", 6, "Night"),
        ("2026-02-28T06:00:00.000", "Winter", 5, "Morning"),
        ("2026-06-01T12:00:00.000", "Summer", 0, "Afternoon"),
        ("2026-11-30T18:00:00.000", "Fall", 0, "Evening"),
        ("2026-12-01T22:00:00.000", "Winter", 1, "Night"),
        ("2026-07-06T03:00:00.000Z", "Summer", 6, "Night"),
    ],
)
def test_times_are_told_by_chicagos_clocks(text: str, season: str, day: int, part: str) -> None:
    row = times.told(times.in_chicago(pd.Series([text], dtype="str"))).iloc[0]
    assert (row["season"], row["day_of_week"], row["day_time"]) == (season, day, part)


def test_the_parts_of_the_day_cover_it() -> None:
    assert DAY_TIMES[0][0] == 0
    assert [hour for hour, _ in DAY_TIMES] == sorted({hour for hour, _ in DAY_TIMES})
