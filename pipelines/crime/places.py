"""Which places count, and which police stations they are joined to: what the transform `place` is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from bundle.transforms.place import PROJECTION, Place, within
from crime.schema import HEADQUARTERS, LATITUDES, LONGITUDES
from stepkit.errors import Code, InvalidInput

FILE = "police_stations.csv"


@dataclass(frozen=True)
class Stations:
    """The stations of the districts.

    Attributes:
        districts: their three-digit numbers.
        parameters: of the transform `place`, which has the stations in the same order.
    """

    districts: tuple[str, ...]
    parameters: dict[str, Any]

    @property
    def place(self) -> Place:
        """What joins places to them."""
        return Place(self.parameters)


def stations_of(table: pd.DataFrame) -> Stations:
    """Returns the stations that people are sent from: all but Headquarters, the districts in three digits.

    Args:
        table: the columns of `STATION_COLUMNS`, as texts.

    Raises:
        InvalidInput: there is none, or one is at no place in Chicago.
    """
    table = table[table["district"] != HEADQUARTERS]
    if table.empty:
        raise InvalidInput(f"{FILE} has no station of a district", Code.EMPTY_INPUT, file=FILE)
    districts = tuple(table["district"].str.strip().str.zfill(3))
    latitudes, longitudes = (
        pd.to_numeric(table[name], errors="coerce").to_numpy(float) for name in ("latitude", "longitude")
    )
    outside = ~(within(latitudes, LATITUDES) & within(longitudes, LONGITUDES))
    if outside.any():
        raise InvalidInput(
            f"{FILE}: the station of district {districts[int(outside.argmax())]} has no latitude"
            " and longitude in Chicago",
            Code.INVALID_ROW,
            file=FILE,
            column="latitude",
        )
    names = table["district_name"].fillna(table["district"]).str.strip()
    stations = [list(each) for each in zip(names, latitudes.tolist(), longitudes.tolist(), strict=True)]
    bounds = {"latitudes": list(LATITUDES), "longitudes": list(LONGITUDES)}
    return Stations(districts, {"projection": PROJECTION, "stations": stations, **bounds})
