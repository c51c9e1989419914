"""Keeps the readings of a run in S3, as they were given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from stepkit.options import Option
from stepkit.errors import NothingToDo
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings
from stepkit.step import run


@dataclass(frozen=True)
class Observed:
    """Where the readings are."""

    readings_uri: str


def observe(
    settings: Settings,
    *,
    readings: Annotated[str, Option("lines `station,degrees`, in degrees Celsius")] = "",
    bucket: Annotated[str, Option("bucket of the readings", env="DATA_BUCKET")] = "data",
) -> Observed:
    """Stores the readings once a run: a retry keeps what its first try has stored."""
    if not readings.strip():
        raise NothingToDo("nobody has given readings: start the run with --param readings=roof,21.5")
    uri = f"s3://{bucket}/weather/raw/{settings.run.key}/readings.csv"
    ObjectStore().put_if_absent(uri, readings.encode(), "text/csv")
    return Observed(uri)


if __name__ == "__main__":
    run(observe)
