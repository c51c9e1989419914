"""Holds extreme numbers within bounds, and takes logarithms of skewed ones; both learned on train rows."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd

from crime import stage
from crime.fitted import Bounds
from crime.schema import NUMBERS
from crime.stage import Rows, Staged
from stepkit.errors import Code, InvalidInput
from stepkit.options import Option
from stepkit.settings import Settings
from stepkit.step import run

STAGE = "outliers"
_MAX_SKEW = 1.0


def process_outliers(
    settings: Settings,
    *,
    document_uri: Annotated[str, Option("S3 URI of split_data's document")],
    fence: Annotated[float, Option("quartile ranges beyond the quartiles that are kept", minimum=0)] = 3.0,
) -> Staged:
    """Fills, bounds and straightens the numbers of both sides."""
    with stage.after(settings, document_uri) as step:
        bounds = {name: learn(step.rows.train[name], fence) for name in NUMBERS}
        rows = Rows(*(bounded(side, bounds) for side in (step.rows.train, step.rows.test)))
        return step.write(STAGE, rows, {name: found.to_dict() for name, found in bounds.items()})


def learn(values: pd.Series, fence: float) -> Bounds:
    """Learns what one number is held to.

    Bounds are Tukey's fences within the smallest and largest value. A number whose quartiles are equal has
    no spread to measure by, and keeps its whole range. What stays skewed to the right gets a logarithm.

    Raises:
        InvalidInput: no row has a value.
    """
    known = values.dropna().to_numpy(dtype=np.float64)
    if not known.size:
        raise InvalidInput(
            f"column {values.name} is missing in every train row: it cannot be learned",
            Code.TOO_LITTLE_DATA,
            column=str(values.name),
        )
    low, high = float(known.min()), float(known.max())
    first, third = np.quantile(known, [0.25, 0.75])
    if third > first:
        low = max(low, float(first - fence * (third - first)))
        high = min(high, float(third + fence * (third - first)))
    kept = np.clip(known, low, high)
    spread = kept.std()
    skew = float(((kept - kept.mean()) ** 3).mean() / spread**3) if spread else 0.0
    return Bounds(float(np.median(known)), low, high, log=low >= 0 and skew > _MAX_SKEW)


def bounded(rows: pd.DataFrame, bounds: dict[str, Bounds]) -> pd.DataFrame:
    """Returns rows with the median in place of what is missing, within bounds, and with logarithms."""
    return rows.assign(**{name: found.apply(rows[name]) for name, found in bounds.items()})


if __name__ == "__main__":
    run(process_outliers)
