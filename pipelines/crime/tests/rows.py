"""Enriched crimes as `split_data` reads them, made at random; who is arrested follows from kind and hour."""

from __future__ import annotations

import numpy as np
import pandas as pd

KINDS = {"THEFT": 0.06, "BATTERY": 0.18, "NARCOTICS": 0.9, "ARSON": 0.05}


def enriched(rows: int, seed: int = 0) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    kinds = draw.choice(list(KINDS), rows, p=[0.6, 0.3, 0.08, 0.02])
    places = draw.choice(["STREET", "APARTMENT", "RESIDENCE", "ALLEY"], rows).astype(object)
    places[draw.random(rows) < 0.01] = None
    distances = draw.lognormal(7, 0.8, rows).round(1)
    distances[draw.random(rows) < 0.01] = np.nan
    instants = pd.Timestamp("2025-07-01") + pd.to_timedelta(draw.integers(0, 365 * 24 * 60, rows), "min")
    return pd.DataFrame(
        {
            "id": np.arange(rows) * 3 + 13_000_000,
            "day_of_week": draw.integers(0, 7, rows),
            "latitude": draw.normal(41.85, 0.08, rows),
            "longitude": draw.normal(-87.65, 0.05, rows),
            "station_distance_m": distances,
            "primary_type": pd.Series(kinds, dtype="str"),
            "location_description": pd.Series(places, dtype="str"),
            "domestic": pd.Series(draw.choice(["true", "false"], rows, p=[0.2, 0.8]), dtype="str"),
            "district": pd.Series(draw.choice(["001", "002", "018"], rows), dtype="str"),
            "nearest_station": pd.Series(draw.choice(["Central", "Wentworth"], rows), dtype="str"),
            "season": pd.Series(draw.choice(["Winter", "Spring", "Summer", "Fall"], rows), dtype="str"),
            "day_time": pd.Series(draw.choice(["Night", "Morning", "Afternoon"], rows), dtype="str"),
            "arrest": (draw.random(rows) < [KINDS[kind] for kind in kinds]).astype("int64"),
            "occurred_at": pd.Series(instants.strftime("%Y-%m-%dT%H:%M:%SZ"), dtype="str"),
        }
    )
