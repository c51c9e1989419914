"""Merges the files of the landing zone into the table, each once, and moves them away."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from stepkit import postgres
from stepkit.errors import InvalidInput, NothingToDo
from stepkit.options import Option
from stepkit.s3 import Listed, ObjectStore
from stepkit.settings import Settings
from stepkit.step import run
from weather.readings import read


@dataclass(frozen=True)
class Loaded:
    """What was merged."""

    table: str
    files: int
    rows: int


def load(
    settings: Settings,
    *,
    bucket: Annotated[str, Option("bucket of the landing zone", env="DATA_BUCKET")] = "data",
    landing_folder: Annotated[Path | None, Option("folder whose files are moved there first")] = None,
) -> Loaded:
    """Merges what is in the landing zone; a retry merges no file again that its first try has merged.

    Raises:
        InvalidInput: files were rejected, after all others are merged; names the first fault.
        NothingToDo: there is no file.
    """
    store, folder = ObjectStore(), f"s3://{bucket}/weather"
    for path in sorted(landing_folder.glob("*.csv")) if landing_folder else ():
        if store.upload_if_absent(path, f"{folder}/landing_zone/{path.name}", "text/csv"):
            path.unlink()
    landed = [each for each in store.listed(f"{folder}/landing_zone/") if each.uri.endswith(".csv")]
    if not landed:
        raise NothingToDo(f"no .csv file is in {folder}/landing_zone/: drop one by quintet land")
    rows, faults = 0, list[InvalidInput]()
    for file in landed:
        place, name = "archive", file.uri.rpartition("/")[2]
        try:
            rows += _merge(settings, store, file)
        except InvalidInput as fault:
            place = "rejected"
            faults.append(fault)
        store.move(file, f"{folder}/{place}/{settings.run.key}/{name}")
    if faults:
        raise faults[0]
    return Loaded("weather.readings", len(landed), rows)


def _merge(settings: Settings, store: ObjectStore, file: Listed) -> int:
    """Merges a file in one transaction with its audit row, and returns its rows: 0 where it is known."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, file.uri.rpartition("/")[2])
        sha256 = store.download(file.uri, path)
        readings = read(path)
    with postgres.transaction(settings) as rows:
        rows.execute(
            "INSERT INTO weather.load_audit (sha256, file, dag_id, run_id, rows_read)"
            " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [sha256, file.uri, settings.run.dag_id, settings.run.required_id, len(readings)],
        )
        if not rows.rowcount:
            return 0
        rows.executemany(
            "INSERT INTO weather.readings (station, observed_at, degrees)"
            " VALUES (%s, %s, %s) ON CONFLICT (station, observed_at)"
            " DO UPDATE SET degrees = excluded.degrees",
            readings,
        )
    return len(readings)


if __name__ == "__main__":
    run(load)
