"""When a crime happened, by Chicago's clocks: what the transform `times` is told."""

from __future__ import annotations

from typing import Any

from bundle.transforms.times import Times
from crime.schema import CHICAGO, DAY_TIMES, SEASONS

PARAMETERS: dict[str, Any] = {
    "zone": CHICAGO.key,
    "seasons": {season: list(months) for season, months in SEASONS.items()},
    "day_times": [list(each) for each in DAY_TIMES],
}
TIMES = Times(PARAMETERS)
