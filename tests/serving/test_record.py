"""The record of promotions, read from a real Postgres."""

from __future__ import annotations

from app.record import Promoted, Record
from app.settings import Settings
from stepkit import postgres
from stepkit.promotion.decisions import Decision, Decisions, Model
from stepkit.settings import Run
from stepkit.settings import Settings as StepSettings
from tests.pooler import pooler
from tests.roles import as_promotion, as_serving


def test_it_is_read_through_a_pooler_that_takes_no_options(forest_database: str) -> None:
    promotion = StepSettings(Run("training", "run 1"), as_promotion(forest_database), model_name="forest")
    with postgres.transaction(promotion) as rows:
        decision = Decision("promoted", "a test", Model("svc", "run1", "a" * 64, "d"), None)
        Decisions(rows, promotion, "forest").record(decision)
    with pooler(as_serving(forest_database)) as url:
        settings = Settings(
            mlflow_model_name="forest", mlflow_tracking_uri="http://mlflow", promotion_record_url=url
        )
        record = Record(settings)
        assert record.champion() == Promoted("run1", "a" * 64)
