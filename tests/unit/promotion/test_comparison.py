"""Who is better, and is it sure: the bootstrap and the verdict."""

from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn.metrics import f1_score

from stepkit.errors import Code, InvalidInput
from stepkit.promotion import comparison
from stepkit.promotion.comparison import Comparison, Thresholds, compare, decide
from stepkit.promotion.decisions import Model
from stepkit.promotion.evaluate_step import best
from stepkit.promotion.metrics import Accuracy, F1Macro

THRESHOLDS = Thresholds(min_metric=0.5, min_gain=0.01)


@pytest.mark.parametrize(
    ("f1_macro", "comparison", "verdict", "reason"),
    [
        (0.50, None, "promote", "no champion yet"),
        (0.49, None, "refuse", "f1_macro 0.4900 is below 0.5"),
        (
            0.30,
            Comparison(0.05, 0.03, 0.07),
            "promote",
            r"gain in f1_macro is \+0.0500 \(98% between \+0.0300",
        ),
        (0.90, Comparison(0.0, 0.0, 0.0), "refuse", "its lower end must be above 0.01"),
        (0.90, Comparison(-0.02, -0.03, -0.01), "refuse", "its lower end must be above 0.01"),
        (0.90, Comparison(0.02, 0.0, 0.03), "refuse", "its lower end must be above 0.01"),
        (0.90, Comparison(0.02, 0.01, 0.03), "refuse", "its lower end must be above 0.01"),
        (0.90, Comparison(0.02, 0.0101, 0.03), "promote", "gain in f1_macro is"),
    ],
)
def test_verdicts(f1_macro: float, comparison: Comparison | None, verdict: str, reason: str) -> None:
    found, sentence = decide("f1_macro", f1_macro, comparison, THRESHOLDS)
    assert found == verdict
    assert re.search(reason, sentence)


@pytest.mark.parametrize(
    ("f1_macro", "verdict", "reason"),
    [
        (
            0.5,
            "promote",
            "the champion cannot answer (it is gone), and f1_macro 0.5000 suffices for its successor",
        ),
        (
            0.4,
            "refuse",
            "the champion cannot answer (it is gone), and f1_macro 0.4000 is below 0.5, which its",
        ),
    ],
)
def test_after_a_champion_that_cannot_answer_the_first_threshold_counts(
    f1_macro: float, verdict: str, reason: str
) -> None:
    found, sentence = decide("f1_macro", f1_macro, None, THRESHOLDS, fault="it is gone")
    assert found == verdict
    assert sentence.startswith(reason)


def test_an_objection_refuses_whatever_is_gained() -> None:
    gained = Comparison(0.5, 0.4, 0.6)
    sentence = "it does not beat the baseline"
    assert decide("accuracy", 0.9, gained, THRESHOLDS, objection=sentence) == ("refuse", sentence)


@pytest.fixture
def answers() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, a good model's answers and a worse one's; the last class is rare."""
    generator = np.random.default_rng(7)
    true = generator.choice(4, size=3000, p=[0.5, 0.3, 0.19, 0.01])

    def disturbed(share: float) -> np.ndarray:
        return np.where(generator.random(len(true)) < share, generator.integers(0, 4, len(true)), true)

    return true, disturbed(0.2), disturbed(0.3)


def test_the_interval_is_that_of_resampled_rows(answers: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    true, good, worse = answers
    generator = np.random.default_rng(1)
    gains = []
    for _ in range(300):
        rows = generator.integers(0, len(true), len(true))
        one, other = (f1_score(true[rows], labels[rows], average="macro") for labels in (good, worse))
        gains.append(one - other)
    found = compare(F1Macro(), true, good, worse)
    assert found.low == pytest.approx(np.quantile(gains, 0.01), abs=0.01)
    assert found.high == pytest.approx(np.quantile(gains, 0.99), abs=0.01)


def test_the_interval_is_the_same_every_time(answers: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    assert compare(F1Macro(), *answers) == compare(F1Macro(), *answers)


@pytest.mark.parametrize("at_once", [1, 70_000, 10**9])
def test_the_interval_does_not_depend_on_how_many_are_drawn_at_once(
    answers: tuple[np.ndarray, np.ndarray, np.ndarray], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = compare(F1Macro(), *answers)
    monkeypatch.setattr(comparison, "_DRAWN_AT_ONCE", at_once)
    found = compare(F1Macro(), *answers)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_the_interval_is_of_so_many_resamples_that_its_ends_stand_still(
    answers: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Of a thousand draws from a normal distribution, the 1 % quantile scatters by 0.12 of its deviation."""
    true, one, other = answers
    gains = (true == one).astype(int) - (true == other).astype(int)
    error = gains.std() / np.sqrt(len(gains))
    found = [compare(Accuracy(), *answers, seed=seed) for seed in range(60)]
    for ends in ([each.low for each in found], [each.high for each in found]):
        assert 0.08 * error < np.std(ends) < 0.17 * error
    narrow = compare(Accuracy(), *answers, confidence=0.5)
    assert narrow.low > max(each.low for each in found)
    assert narrow.high < min(each.high for each in found)


def test_a_model_against_itself_gains_nothing(answers: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    true, good, _ = answers
    assert compare(F1Macro(), true, good, good) == Comparison(0.0, 0.0, 0.0)


def test_the_best_candidate_is_the_first_of_the_highest() -> None:
    candidates = [
        {"algorithm": name, "f1_macro": f1}
        for name, f1 in (("svc", 0.5), ("random_forest", 0.7), ("logistic_regression", 0.7))
    ]
    for each in candidates:
        each |= {"mlflow_run_id": f"run of {each['algorithm']}", "bundle_digest": f"of {each['algorithm']}"}
    chosen = best(candidates, "f1_macro", "d")
    assert chosen == Model("random_forest", "run of random_forest", "of random_forest", "d")


@pytest.mark.parametrize("candidates", [[{"algorithm": "svc"}], ["svc"], [{"f1_macro": None}]])
def test_candidates_that_are_none_are_refused(candidates: list[object]) -> None:
    with pytest.raises(
        InvalidInput, match=r"^--candidates \(CANDIDATES\) holds what is not a result"
    ) as refused:
        best(candidates, "f1_macro", "d")
    assert refused.value.code == Code.INVALID_SETTING


def test_without_candidates_nobody_is_best() -> None:
    with pytest.raises(InvalidInput) as refused:
        best([], "f1_macro", "d")
    assert str(refused.value) == "--candidates (CANDIDATES) is empty: no model was trained"
    assert refused.value.code == Code.EMPTY_INPUT
