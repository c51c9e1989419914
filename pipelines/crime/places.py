"""Where a crime happened: its nearest police station, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyproj import Transformer

from crime.schema import DEGREES, HEADQUARTERS, LATITUDES, LONGITUDES, METRES
from stepkit.outcomes import RefusedInput

Numbers = NDArray[np.float64]
_TO_PLANE = Transformer.from_crs(DEGREES, METRES, always_xy=True)


@dataclass(frozen=True)
class Stations:
    """The stations of the districts: three-digit numbers, names, and points in metres."""

    districts: tuple[str, ...]
    names: tuple[str, ...]
    points: gpd.GeoSeries


@dataclass(frozen=True)
class Nearest:
    """For each place its nearest station: the place in `Stations`, -1 for none, and metres, NaN for none."""

    station: NDArray[np.int64]
    metres: Numbers


def stations_of(table: pd.DataFrame) -> Stations:
    """Gives the stations that people are sent out from: all but Headquarters, the districts in three digits.

    Args:
        table: the columns of `STATION_COLUMNS`, as texts.

    Raises:
        RefusedInput: there is none, or one is at no place in Chicago.
    """
    table = table[table["district"] != HEADQUARTERS]
    if table.empty:
        raise RefusedInput("police_stations.csv has no station of a district")
    districts = tuple(table["district"].str.strip().str.zfill(3))
    latitudes, longitudes = (
        pd.to_numeric(table[name], errors="coerce").to_numpy(float) for name in ("latitude", "longitude")
    )
    outside = ~in_chicago(latitudes, longitudes)
    if outside.any():
        raise RefusedInput(
            f"police_stations.csv: the station of district {districts[int(outside.argmax())]} has no latitude"
            " and longitude in Chicago"
        )
    names = table["district_name"].fillna(table["district"]).str.strip()
    return Stations(districts, tuple(names), projected(latitudes, longitudes))


def nearest(latitudes: Numbers, longitudes: Numbers, stations: Stations) -> Nearest:
    """Joins each place to its nearest station, on the ground; of two equally near, to the first.

    Args:
        latitudes: in degrees; NaN where the place is not known.
        longitudes: the same.
        stations: to join to.
    """
    known = np.flatnonzero(in_chicago(latitudes, longitudes))
    station = np.full(len(latitudes), -1, dtype=np.int64)
    metres = np.full(len(latitudes), np.nan)
    if known.size:
        points = projected(latitudes[known], longitudes[known])
        found, distances = stations.points.sindex.nearest(points, return_all=False, return_distance=True)
        station[known[found[0]]] = found[1]
        metres[known[found[0]]] = distances
    return Nearest(station, metres.round(1))


def in_chicago(latitudes: Numbers, longitudes: Numbers) -> NDArray[np.bool_]:
    """Says which places are known and in Chicago; zeros, which stand for no place, are not."""
    known: NDArray[np.bool_] = (
        (latitudes >= LATITUDES[0])
        & (latitudes <= LATITUDES[1])
        & (longitudes >= LONGITUDES[0])
        & (longitudes <= LONGITUDES[1])
    )
    return known


def projected(latitudes: Numbers, longitudes: Numbers) -> gpd.GeoSeries:
    """Gives places as points on a plane, in metres."""
    # Points that are made once, on the plane, take half the time of points that are moved there by `to_crs`.
    east, north = _TO_PLANE.transform(longitudes, latitudes)
    return gpd.GeoSeries(gpd.points_from_xy(east, north, crs=METRES))
