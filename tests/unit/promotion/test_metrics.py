"""Each figure is scikit-learn's, with rows weighted, answers tied and labels that do not occur."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, roc_auc_score

from bundle import Prediction
from stepkit.promotion.comparison import compare
from stepkit.promotion.metrics import Accuracy, AveragePrecision, F1Macro, Metric, RocAuc

OF_LABELS: list[tuple[Metric, Callable[..., float]]] = [
    (Accuracy(), accuracy_score),
    (F1Macro(), lambda true, answers, **more: f1_score(true, answers, average="macro", **more)),
]
OF_PROBABILITIES: list[tuple[Metric, Callable[..., float]]] = [
    (AveragePrecision(), average_precision_score),
    (RocAuc(), roc_auc_score),
]
CASES = OF_LABELS + OF_PROBABILITIES


def name_of(case: Any) -> str | None:
    return getattr(case, "name", None)


@pytest.fixture
def true() -> NDArray[np.int64]:
    return np.random.default_rng(7).choice(2, size=800, p=[0.8, 0.2])


@pytest.fixture
def prediction(true: NDArray[np.int64]) -> Prediction:
    """Better than chance; one decimal, so that many probabilities are equal."""
    noise = np.random.default_rng(8).normal(0, 0.3, len(true))
    positive = np.clip(0.3 + 0.3 * true + noise, 0, 1).round(1)
    return Prediction((positive > 0.5).astype(np.int64), np.stack([1 - positive, positive], axis=1), {})


@pytest.mark.parametrize(("metric", "expected"), CASES, ids=name_of)
def test_a_figure_is_scikit_learns(
    metric: Metric, expected: Callable[..., float], true: NDArray[np.int64], prediction: Prediction
) -> None:
    answers = metric.answers(prediction)
    weights = np.random.default_rng(9).integers(0, 4, (3, len(true)))
    found = metric.figures(true, answers, weights)
    wanted = [expected(true, answers, sample_weight=row) for row in weights]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("metric", "expected"), CASES, ids=name_of)
def test_the_gain_is_the_difference_of_the_figures(
    metric: Metric, expected: Callable[..., float], true: NDArray[np.int64], prediction: Prediction
) -> None:
    better, worse = metric.answers(prediction), np.roll(metric.answers(prediction), 1)
    gain = compare(metric, true, better, worse).gain
    assert gain == pytest.approx(expected(true, better) - expected(true, worse), abs=1e-12)


@pytest.mark.parametrize(("metric", "value"), [(AveragePrecision(), 0.0), (RocAuc(), 0.5)], ids=name_of)
def test_a_figure_of_the_order_needs_both_labels(metric: Metric, value: float) -> None:
    nobody = np.zeros(5, dtype=np.int64)
    assert metric.figures(nobody, np.linspace(0, 1, 5), np.ones((1, 5), dtype=np.int64)).tolist() == [value]
