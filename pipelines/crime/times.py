"""When a crime happened, by Chicago's clocks: season, day of the week, part of the day."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crime.schema import CHICAGO, DAY_TIMES, SEASONS
from stepkit.outcomes import RefusedInput

_HOURS = np.array([hour for hour, _ in DAY_TIMES])
_PARTS = np.array([part for _, part in DAY_TIMES])
_SEASONS = np.array(
    [next(season for season, months in SEASONS.items() if month in months) for month in range(1, 13)]
)


def in_chicago(texts: pd.Series) -> pd.Series:
    """Gives instants in Chicago's time zone.

    A time without a zone, as the portal gives, is what Chicago's clocks showed: in the hour that comes twice
    in autumn the first one, and a time that they jumped over in spring is as much later. A time with a zone
    is turned into Chicago's.

    Raises:
        RefusedInput: a text is no time; names the row, counted from 1.
    """
    zoned = texts.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$", regex=True)
    moments = pd.Series(pd.NaT, index=texts.index, dtype=f"datetime64[us, {CHICAGO}]")
    if not zoned.all():
        local = pd.to_datetime(texts[~zoned], format="ISO8601", errors="coerce").astype("datetime64[us]")
        first = np.ones(len(local), dtype=bool)
        moments[~zoned] = local.dt.tz_localize(CHICAGO, ambiguous=first, nonexistent="shift_forward")
    if zoned.any():
        instants = pd.to_datetime(texts[zoned], format="ISO8601", errors="coerce", utc=True)
        moments[zoned] = instants.astype("datetime64[us, UTC]").dt.tz_convert(CHICAGO)
    if moments.isna().any():
        at = int(moments.isna().to_numpy().argmax())
        raise RefusedInput(f"crimes: row {at + 1}: column date: {texts.iloc[at]!r} is no time")
    return moments


def told(moments: pd.Series) -> pd.DataFrame:
    """Tells instants in Chicago's time zone in a model's words.

    Returns:
        `occurred_at` in UTC, `season`, `day_of_week` from 0 for Monday to 6, and `day_time`.
    """
    local = moments.dt
    return pd.DataFrame(
        {
            "occurred_at": local.tz_convert("UTC").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "season": _SEASONS[local.month.to_numpy() - 1],
            "day_of_week": local.day_of_week.astype("int64"),
            "day_time": _PARTS[np.searchsorted(_HOURS, local.hour.to_numpy(), side="right") - 1],
        },
        index=moments.index,
    )
