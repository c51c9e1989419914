"""Readings are merged once, however often their steps are tried; a line that holds none is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from stepkit import postgres
from stepkit.errors import InvalidInput
from stepkit.settings import Run, Settings
from weather.load import load, parse
from weather.observe import observe

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_a_repeat_leaves_the_same_rows(make_database: Callable[[str], str], bucket: str) -> None:
    database_url = make_database("weather")
    settings = Settings(Run("weather_observations", "r1"), database_url)
    for readings in ("roof,21.5\nyard,-3", "roof,30"):
        uri = observe(settings, readings=readings, bucket=bucket).readings_uri
        assert load(settings, readings_uri=uri, observed_at=NOON).rows == 2
        with postgres.transaction(settings) as rows:
            rows.execute("SELECT * FROM weather.readings ORDER BY station")
            assert rows.fetchall() == [("roof", NOON, 21.5), ("yard", NOON, -3.0)]
            rows.execute("SELECT run_id, rows_read FROM weather.load_audit")
            assert rows.fetchall() == [("r1", 2)]


@pytest.mark.parametrize("line", ["roof,warm", "roof", "roof,nan"])
def test_a_line_without_a_reading_is_refused(line: str) -> None:
    with pytest.raises(InvalidInput, match=r"a\.csv: line 2 column degrees"):
        parse(f"yard,2\n{line}", "a.csv")
