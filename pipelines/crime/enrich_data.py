"""Adds to each crime the nearest police station, its distance, and the time in a model's words."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import pyarrow as pa

from bundle.transforms import UnusableInput
from bundle.transforms.place import Nearest
from crime import crimes_file, places, times
from crime.layout import Layout, day
from crime.schema import ENRICHED_COLUMNS, PLACE_COLUMNS, STATION_COLUMNS
from crime.stage import fetch
from stepkit import csv_tables
from stepkit.errors import InvalidRow
from stepkit.options import Option
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings
from stepkit.step import run

_SPELLED = ("primary_type", "location_description")


@dataclass(frozen=True)
class Enriched:
    """The enriched crimes, and how many are at no known place."""

    enriched_uri: str
    enriched_sha256: str
    transforms_uri: str
    """What added the columns, as a contract names it."""
    transforms_sha256: str
    rows: int
    without_place: int


def enrich_data(
    settings: Settings,
    *,
    window_date: Annotated[str, Option("last day of the window, which names its files")],
    crimes_uri: Annotated[str, Option("S3 URI of download_data's crimes")],
    crimes_sha256: Annotated[str, Option("sha256 of that file")],
    stations_uri: Annotated[str, Option("S3 URI of download_data's police stations")],
    stations_sha256: Annotated[str, Option("sha256 of that file")],
    bucket: Annotated[str, Option("bucket of the pipeline", env="DATA_REPO_BUCKET_NAME")] = "data",
) -> Enriched:
    """Writes the crimes of the window with the columns that are added to them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        crimes = crimes_file.read(fetch(crimes_uri, crimes_sha256, folder / "crimes.csv"))
        stations = crimes_file.read(
            fetch(stations_uri, stations_sha256, folder / "stations.csv"), STATION_COLUMNS
        )
        known = places.stations_of(stations.to_pandas())
        enriched = enrich(crimes.to_pandas(), known)
        path = folder / "enriched.csv"
        csv_tables.write(pa.Table.from_pandas(enriched, preserve_index=False), path)
        layout, store = Layout(bucket, day(window_date)), ObjectStore()
        told_by = [
            {"type": "place", "parameters": known.parameters},
            {"type": "times", "parameters": times.PARAMETERS},
        ]
        return Enriched(
            enriched_uri=layout.enriched,
            enriched_sha256=store.upload(path, layout.enriched),
            transforms_uri=layout.transforms,
            transforms_sha256=store.put(
                layout.transforms, json.dumps(told_by, indent=1).encode(), "application/json"
            ),
            rows=len(enriched),
            without_place=int(enriched["nearest_station"].isna().sum()),
        )


def enrich(crimes: pd.DataFrame, stations: places.Stations) -> pd.DataFrame:
    """Returns crimes with the columns of `ENRICHED_COLUMNS`.

    A crime at no known place in Chicago keeps its row, without place and station. Names are spelled in one
    way: without outer blanks and in capitals; districts have three digits.

    Args:
        crimes: the columns of `RAW_COLUMNS`, as texts.
        stations: of the districts.
    """
    enriched = crimes.copy()
    for name in _SPELLED:
        enriched[name] = enriched[name].str.strip().str.upper()
    enriched["district"] = enriched["district"].str.strip().str.zfill(3)
    latitudes, longitudes = (_number(crimes[name]) for name in PLACE_COLUMNS)
    place = stations.place
    found = place.nearest(latitudes.to_numpy(), longitudes.to_numpy())
    known = found.station >= 0
    enriched["latitude"], enriched["longitude"] = latitudes.where(known), longitudes.where(known)
    moments = _moments(crimes["date"])
    told = times.TIMES.told(moments)
    added = {
        "occurred_at": [f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for moment in moments],
        "season": told["season"],
        "day_of_week": told["day_of_week"].astype("int64"),
        "day_time": told["day_time"],
        "nearest_station": _of_station(found, place.stations),
        "nearest_station_district": _of_station(found, stations.districts),
        "station_distance_m": found.metres,
    }
    return enriched.assign(**added)[list(ENRICHED_COLUMNS)]


def _moments(texts: pd.Series) -> list[datetime]:
    try:
        return times.TIMES.instants(texts.tolist())
    except UnusableInput as error:
        raise InvalidRow(error.problem, str(texts.name)).at("crimes", error.row + 1) from error


def _number(texts: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(texts, errors="coerce")
    wrong = texts.notna() & numbers.isna()
    if wrong.any():
        at = int(wrong.to_numpy().argmax())
        raise InvalidRow(f"{texts.iloc[at]!r} is not a number", str(texts.name)).at("crimes", at + 1)
    return numbers.astype("float64")


def _of_station(found: Nearest, values: tuple[str, ...]) -> pd.Series:
    choices = np.array([*values, None], dtype=object)  # -1, no station, is the last
    return pd.Series(choices[found.station], dtype="str")


if __name__ == "__main__":
    run(enrich_data)
