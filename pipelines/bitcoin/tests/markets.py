"""Made markets: one that can be foreseen and one that cannot."""

from __future__ import annotations

import numpy as np

from bitcoin.capture import Capture
from bitcoin.tests.rows import FIRST, HOUR, capture


def swinging(count: int, seed: int = 0) -> Capture:
    """A price that is drawn back to its mean of the last hours: a model can learn more than a naive guess."""
    draw = np.random.default_rng(seed)
    price = np.zeros(count)
    for at in range(1, count):
        mean = price[max(0, at - 12) : at].mean()
        price[at] = price[at - 1] + 0.6 * (mean - price[at - 1]) + draw.normal(scale=0.004)
    return _of(20_000 * np.exp(price), draw)


def wandering(count: int, seed: int = 0) -> Capture:
    """A price whose every move is drawn independently: nothing of it can be foreseen."""
    draw = np.random.default_rng(seed)
    return _of(20_000 * np.exp(draw.normal(scale=0.004, size=count).cumsum()), draw)


def _of(closes: np.ndarray, draw: np.random.Generator) -> Capture:
    rows = []
    for at, close in enumerate(closes):
        opened = closes[at - 1] if at else close
        high, low = max(opened, close) * 1.001, min(opened, close) * 0.999
        opens = FIRST + at * HOUR
        first, second, third, fourth, volume = (
            f"{value:.8f}" for value in (opened, high, low, close, draw.uniform(1, 500))
        )
        rows.append([opens, first, second, third, fourth, volume, opens + HOUR - 1, "1", 1, "1", "1", "0"])
    return capture(rows)
