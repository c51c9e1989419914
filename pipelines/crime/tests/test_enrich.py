"""Places and times: distances, padded districts, rows without a place, the hour that comes twice."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyproj import Geod

from bundle.transforms.place import projected
from crime import places
from crime.enrich_data import enrich
from crime.schema import ENRICHED_COLUMNS, RAW_COLUMNS
from stepkit.errors import InvalidInput

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
    found_east, found_north = projected(
        *(rows[name].astype(float).to_numpy() for name in ("latitude", "longitude"))
    )
    feet_to_metres = 1200 / 3937
    east = rows["x_coordinate"].astype(float).to_numpy() * feet_to_metres
    north = rows["y_coordinate"].astype(float).to_numpy() * feet_to_metres
    assert np.abs(found_east - east).max() < 1
    assert np.abs(found_north - north).max() < 1


def test_the_nearest_station_is_nearest_on_the_globe_too(real: pd.DataFrame, stations: pd.DataFrame) -> None:
    rows = real.dropna(subset=["latitude"]).head(300)
    latitudes, longitudes = (rows[name].astype(float).to_numpy() for name in ("latitude", "longitude"))
    known = places.stations_of(stations)
    assert known.districts == ("001", "002", "018")
    assert known.place.stations == ("Central", "Wentworth", "Near North")
    found = known.place.nearest(latitudes, longitudes)
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
        ({"latitude": "north"}, "row 1 column latitude: 'north' is not a number"),
        ({"date": "yesterday"}, "row 1 column date: 'yesterday' is not a time"),
    ],
)
def test_what_is_no_number_or_time_is_refused(
    stations: pd.DataFrame, change: dict[str, str], sentence: str
) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        enrich(one(**change), places.stations_of(stations))


def test_a_station_at_no_place_is_refused(stations: pd.DataFrame) -> None:
    with pytest.raises(InvalidInput, match="district 018 has no latitude"):
        places.stations_of(stations.assign(latitude=[*stations["latitude"][:3], None]))
    with pytest.raises(InvalidInput, match="no station of a district"):
        places.stations_of(stations.head(1))


def test_times_are_told_by_chicagos_clocks(stations: pd.DataFrame) -> None:
    row = enrich(one(date="2026-11-01T01:30:00.000"), places.stations_of(stations)).iloc[0]
    told = row[["occurred_at", "season", "day_of_week", "day_time"]]
    assert told.tolist() == ["2026-11-01T06:30:00Z", "Fall", 6, "Night"], "the first of both hours"
