"""A small model of places and times, which its transforms tell of coordinates and time stamps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bundle import Contract, Engine, Feature, Label, Transform, write
from bundle.inputs import Inputs

PLACE: dict[str, Any] = {
    "projection": "EPSG:26971",
    "stations": [["Central", 41.85837259, -87.62735617], ["Wentworth", 41.80181109, -87.63056018]],
    "latitudes": [41.5, 42.2],
    "longitudes": [-88.1, -87.3],
}
TIMES: dict[str, Any] = {
    "zone": "America/Chicago",
    "seasons": {"Winter": [12, 1, 2], "Spring": [3, 4, 5], "Summer": [6, 7, 8], "Fall": [9, 10, 11]},
    "day_times": [[0, "Night"], [6, "Morning"], [12, "Afternoon"], [18, "Evening"], [22, "Night"]],
}
NUMBERS = {"day_of_week": False, "latitude": True, "longitude": True, "station_distance_m": True}
CATEGORIES: dict[str, tuple[str, ...]] = {
    "nearest_station": ("Central", "Wentworth"),
    "season": ("Fall", "Spring", "Summer", "Winter"),
    "day_time": ("Afternoon", "Evening", "Morning", "Night"),
    "kind": ("BATTERY", "THEFT"),
}
WIDTH = len(NUMBERS) + sum(map(len, CATEGORIES.values()))
ARRAYS = {
    "coefficients": np.stack([np.zeros(WIDTH), np.random.default_rng(0).normal(0, 0.3, WIDTH)]),
    "intercepts": np.zeros(2),
}


def contract(transforms: tuple[Transform, ...] | None = None, **change: Feature) -> Contract:
    """A contract of both transforms, or of others; some features may be other ones."""
    numbers = [Feature(name, "number", imputed=1.0, nullable=lack) for name, lack in NUMBERS.items()]
    categories = [
        Feature(name, "category", imputed=known[0], categories=known, nullable=name == "nearest_station")
        for name, known in CATEGORIES.items()
    ]
    if transforms is None:
        transforms = (Transform("place", PLACE), Transform("times", TIMES))
    return Contract(
        model="forest",
        target="arrest",
        engine=Engine("linear", {}),
        features=tuple(change.get(each.name, each) for each in (*numbers, *categories)),
        labels=(Label(0, "no"), Label(1, "yes")),
        metrics={},
        data_sha256="d" * 64,
        versions={},
        transforms=transforms,
    )


def rows(count: int = 40) -> pd.DataFrame:
    """What clients know, one place in ten unknown, and the features that training has of it."""
    draw = np.random.default_rng(1)
    moments = pd.Timestamp("2026-01-01") + pd.to_timedelta(draw.integers(0, 365 * 24 * 60, count), "min")
    known = {
        "occurred_at": moments.strftime("%Y-%m-%dT%H:%M:%S").to_numpy(dtype=object),
        "latitude": np.where(np.arange(count) % 10 == 9, np.nan, draw.uniform(41.6, 42.0, count)),
        "longitude": draw.uniform(-87.8, -87.5, count),
    }
    kinds = draw.choice(CATEGORIES["kind"], count)
    return pd.DataFrame({**known, **Inputs(contract()).apply(known), "kind": kinds})


def samples_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """What clients send of rows: a place that is not known is left out."""
    fields = ["occurred_at", "latitude", "longitude", "kind"]
    sent: list[Mapping[str, Any]] = frame[fields].to_dict("records")
    return [{name: value for name, value in each.items() if value == value} for each in sent]


def written(path: Path, **more: Any) -> Path:
    """Writes the bundle."""
    write(path, contract(**more), ARRAYS, rows())
    return path


def sign(folder: Path) -> None:
    """Writes the right digests of a bundle that was changed."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "digests.json")
    digests = {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    (folder / "digests.json").write_text(json.dumps(digests))
