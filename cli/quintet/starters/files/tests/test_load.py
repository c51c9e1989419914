"""A file is merged once and moved away; one that holds no readings is rejected, and no other waits for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stepkit import postgres
from stepkit.errors import InvalidInput, NothingToDo
from stepkit.s3 import ObjectStore
from stepkit.settings import Run, Settings
from weather.load import load
from weather.readings import read

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
SAMPLE = (Path(__file__).parents[1] / "samples" / "readings.csv").read_bytes()


def test_a_file_is_merged_once_whoever_else_is_rejected(
    make_database: Callable[[str], str], bucket: str
) -> None:
    database_url, store = make_database("weather"), ObjectStore()
    settings = Settings(Run("weather_files", "r1"), database_url)
    landing_zone = f"s3://{bucket}/weather/landing_zone"
    store.put(f"{landing_zone}/a.csv", b"no,header\n")
    for name in ("b.csv", "c.csv"):
        store.put(f"{landing_zone}/{name}", SAMPLE)
    with pytest.raises(InvalidInput, match=r"a\.csv: line 1 is 'no,header'"):
        load(settings, bucket=bucket)
    with postgres.transaction(settings) as rows:
        rows.execute("SELECT * FROM weather.readings ORDER BY station")
        assert rows.fetchall() == [("roof", NOON, 21.5), ("yard", NOON, -3.0)]
        rows.execute("SELECT file, rows_read FROM weather.load_audit")
        assert rows.fetchall() == [(f"{landing_zone}/b.csv", 2)]
    folder = f"s3://{bucket}/weather/"
    moved = [each.uri.removeprefix(folder) for each in store.listed(folder)]
    assert moved == ["archive/r1/b.csv", "archive/r1/c.csv", "rejected/r1/a.csv"]
    with pytest.raises(NothingToDo):
        load(settings, bucket=bucket)


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("roof,2026-01-31T12:00Z,warm", "degrees"),
        ("roof,yesterday,2", "observed_at"),
        (",2026-01-31,2", "station"),
    ],
)
def test_a_line_without_a_reading_is_refused(line: str, column: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"station,observed_at,degrees\n{line}\n")
    with pytest.raises(InvalidInput, match=rf"a\.csv: line 2 column {column}"):
        read(path)
