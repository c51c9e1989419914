"""A run makes a champion, a second one on the same rows keeps it; a row's side is its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from uuid import uuid4

from stepkit.promotion.promote_step import Promoted
from stepkit.settings import Run, Settings
from weather.days import Days
from weather.evaluate import evaluate
from weather.promote import promote
from weather.snapshot import snapshot
from weather.train import train


def run(settings: Settings, bucket: str) -> Promoted:
    uri = snapshot(settings, bucket=bucket).days_uri
    trained = asdict(train(settings, days_uri=uri))
    evaluated = evaluate(settings, trained=trained, days_uri=uri, bucket=bucket)
    role, url = "weather", settings.database_url
    promoting = replace(settings, database_url=url.replace(f"//{role}@", f"//{role}_promotion@"))
    return promote(promoting, evaluation_uri=evaluated.evaluation_uri, bucket=bucket)


def test_the_first_model_is_champion_and_an_equal_one_is_not(
    make_database: Callable[[str], str], bucket: str, mlflow_url: str
) -> None:
    url = make_database("weather")
    name = f"weather-{uuid4().hex[:8]}"

    def settings(run_id: str) -> Settings:
        return Settings(Run("weather_training", run_id), url, mlflow_url, name, name)

    assert run(settings("r1"), bucket).verdict == "promoted"
    assert run(settings("r2"), bucket).verdict == "refused"


def test_a_side_depends_on_the_row_alone(make_database: Callable[[str], str], bucket: str) -> None:
    database_url = make_database("weather")
    settings = Settings(Run("weather_training", "r1"), database_url)
    days = Days.read(snapshot(settings, bucket=bucket).days_uri)
    part = Days(days.rows.iloc[::-3], "")
    assert 0.2 < len(days.test) / len(days.rows) < 0.3
    assert set(part.test.index) == set(days.test.index) & set(part.rows.index)
