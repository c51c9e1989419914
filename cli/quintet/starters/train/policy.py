"""How the models are judged: by accuracy on the test rows."""

from __future__ import annotations

from pathlib import Path

from bundle import Prediction
from bundle.exporter import columns_of
from stepkit.promotion.metrics import Accuracy, Labels
from stepkit.promotion.policy import Policy, TestRows
from weather.days import FEATURES, TARGET, Days


def _scores(true: Labels, answers: Prediction) -> dict[str, float]:
    return {"accuracy": float((answers.labels == true).mean())}


def _test_rows(days_uri: str, folder: Path, sha256: str) -> TestRows:
    days = Days.read(days_uri)
    columns = columns_of(days.test[list(FEATURES)])
    return TestRows(columns, days.test[TARGET].to_numpy(), days.parameters_sha256)


NAME = "weather"
POLICY = Policy(NAME, NAME, Accuracy(), _scores, _test_rows)
