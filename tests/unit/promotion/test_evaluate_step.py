"""What a step `evaluate` asks, writes and tells; no server asked."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from stepkit.promotion import evaluate_step
from stepkit.promotion.comparison import Thresholds
from stepkit.promotion.decisions import Model
from stepkit.promotion.evaluate_step import Evaluated, evaluate
from stepkit.settings import Run, Settings

OLD = Model("svc", "run of old", "digest of old", "rows of old")
NEW = Model("forest", "run of new", "digest of new", "rows of new")
SETTINGS = Settings(run=Run("training", "run 7"))
THRESHOLDS = Thresholds(0.5, 0.01)
POLICY: Any = SimpleNamespace(pipeline="toy", schema="toys")
EVALUATION: Any = SimpleNamespace(
    verdict="promote",
    reason="why",
    metrics={"champion": {"accuracy": 0.5}, "challenger": {"accuracy": 1.0}},
    to_json=lambda: "é",
)


@pytest.mark.parametrize(("champion", "version"), [(OLD, 5), (None, None)])
def test_an_evaluation_is_written_and_told(
    monkeypatch: pytest.MonkeyPatch, champion: Model | None, version: int | None
) -> None:
    asked: list[Any] = []
    written: list[Any] = []

    def record(*given: Any) -> Any:
        asked.append(given)
        return SimpleNamespace(champion=lambda: champion)

    def judge(*given: Any) -> Any:
        asked.append(given)
        return EVALUATION

    def shown(*given: Any) -> Any:
        asked.append(given)
        return SimpleNamespace(version=lambda model: asked.append(model) or 5)

    monkeypatch.setattr(
        evaluate_step.postgres, "transaction", lambda settings: nullcontext(f"rows of {settings.run.run_id}")
    )
    monkeypatch.setattr(evaluate_step, "Decisions", record)
    monkeypatch.setattr(evaluate_step, "score", judge)
    monkeypatch.setattr(
        evaluate_step.documents, "write", lambda *given: written.append(given) or "s3://bucket/e-1.json"
    )
    monkeypatch.setattr(evaluate_step.registry, "of", shown)
    given: dict[str, Any] = {"snapshot_uri": "s3://b/s.parquet", "thresholds": THRESHOLDS, "bucket": "bucket"}
    found = evaluate(SETTINGS, POLICY, NEW, **given)
    uri = "s3://bucket/e-1.json"
    assert found == Evaluated(uri, "run of new", "forest", {"accuracy": 1.0}, version, "promote", "why")
    assert written == [(f"s3://bucket/toy/evaluation/{SETTINGS.run.key}", "evaluation", "é".encode())]
    assert asked == [
        ("rows of run 7", SETTINGS, "toys"),
        (SETTINGS, POLICY, NEW, champion, "s3://b/s.parquet", THRESHOLDS),
        (SETTINGS, "bucket", "toy"),
        *([champion] if champion else []),
    ]
