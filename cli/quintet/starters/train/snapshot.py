"""Takes the rows of the table that a training is about, so that they stay the same whatever comes in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import pandas as pd

from stepkit import postgres
from stepkit.errors import Code, InvalidInput
from stepkit.options import Option
from stepkit.promotion.decisions import parameters_hash
from stepkit.settings import Settings
from stepkit.step import run
from weather.days import FEATURES, KEY, TARGET, Days

FEWEST_ROWS = 30


@dataclass(frozen=True)
class Taken:
    """Where the rows are."""

    days_uri: str
    train_rows: int
    test_rows: int


def snapshot(
    settings: Settings,
    *,
    training_parameters: Annotated[dict[str, Any] | None, Option("what else decides the outcome")] = None,
    bucket: Annotated[str, Option("bucket of the rows", env="DATA_BUCKET")] = "data",
) -> Taken:
    """Writes the rows to S3; a repeat on the same table writes the same document."""
    with postgres.transaction(settings) as rows:
        rows.execute("""
            SELECT station, day::text, humidity, pressure, wind, rain::int
            FROM weather.days ORDER BY station, day
        """)
        found = pd.DataFrame(rows.fetchall(), columns=[*KEY, *FEATURES, TARGET])
    if len(found) < FEWEST_ROWS:
        raise InvalidInput(
            f"weather.days has {len(found)} rows, and {FEWEST_ROWS} are needed",
            Code.TOO_LITTLE_DATA,
        )
    days = Days(found, parameters_hash(training_parameters or {}))
    uri = days.write(f"s3://{bucket}/weather/days/{settings.run.key}")
    return Taken(uri, len(days.train), len(days.test))


if __name__ == "__main__":
    run(snapshot)
