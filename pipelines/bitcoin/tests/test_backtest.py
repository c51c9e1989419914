"""Naive guesses and what trading earns, on numbers that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bitcoin.backtest import baselines, contrast, earned
from bitcoin.snapshot import Series

SERIES = Series("BTCUSDT", "1h", horizon=1, min_move=0.0, gap=1)


def test_the_naive_guesses() -> None:
    guesses = baselines(np.array([0.1, -0.2, 0.0]))
    assert {name: guess.tolist() for name, guess in guesses.items()} == {
        "majority": [0.5, 0.5, 0.5],
        "persistence": [1, 0, 0],
        "reversal": [0, 1, 1],
    }


def test_each_purchase_and_each_sale_costs() -> None:
    found = earned(np.array([0.6, 0.6, 0.4, 0.9]), np.log([1.1, 1.2, 0.5, 1.3]), SERIES, cost_bps=100)
    assert found.gross == pytest.approx(1.1 * 1.2 * 1.3 - 1)
    assert found.trades == 4  # bought, sold, bought, and sold at the end
    assert found.net == pytest.approx(1.1 * 1.2 * 1.3 * 0.99**4 - 1)
    assert found.held == pytest.approx(1.1 * 1.2 * 0.5 * 1.3 - 1)


def test_a_longer_horizon_decides_less_often() -> None:
    two = Series("BTCUSDT", "1h", horizon=2, min_move=0.0, gap=2)
    found = earned(np.array([0.6, 0.1, 0.6, 0.1]), np.log([1.1, 9, 1.2, 9]), two, cost_bps=0)
    assert (found.trades, found.net) == (2, pytest.approx(1.1 * 1.2 - 1))


def test_who_never_holds_earns_and_pays_nothing() -> None:
    found = earned(np.zeros(3), np.log([1.1, 1.2, 1.3]), SERIES, cost_bps=100)
    assert (found.gross, found.net, found.trades) == (0, 0, 0)


def test_chance_does_not_beat_the_baseline_and_knowledge_does() -> None:
    draw = np.random.default_rng(1)
    true, last = draw.integers(0, 2, 3000), draw.normal(size=3000)
    chance = contrast(true, draw.random(3000), last)
    assert not chance.beaten
    assert chance.sentence("here").startswith("the model does not beat the baseline here: roc_auc 0.")
    knowledge = contrast(true, true * 0.2 + draw.random(3000), last)
    assert knowledge.beaten
    assert knowledge.low < knowledge.gain < knowledge.high


def test_the_best_of_the_guesses_is_the_baseline() -> None:
    draw = np.random.default_rng(2)
    last = draw.normal(size=2000)
    true = (last < 0).astype(int)  # the price always turns
    found = contrast(true, draw.random(2000), last)
    assert (found.name, found.baseline) == ("reversal", 1.0)
