"""Rows of the exchange, made by rule, for tests to spoil."""

from __future__ import annotations

import random
from typing import Any

from bitcoin.capture import Capture

HOUR = 3_600_000
FIRST = 1_672_531_200_000  # 2023-01-01 00:00 UTC


def row(number: int) -> list[Any]:
    """Returns the bar that opens so many hours after the first."""
    draw = random.Random(number)  # noqa: S311 - the same bars every time
    opened, closed = (20_000 + draw.uniform(-100, 100) for _ in range(2))
    high, low = max(opened, closed) + draw.uniform(0, 50), min(opened, closed) - draw.uniform(0, 50)
    volume = draw.uniform(1, 500)
    opens = FIRST + number * HOUR
    amounts = [opened, high, low, closed, volume, volume * closed, volume / 2, volume * closed / 2]
    first, second, third, fourth, fifth, sixth, seventh, eighth = (f"{amount:.8f}" for amount in amounts)
    return [
        *(opens, first, second, third, fourth, fifth),
        *(opens + HOUR - 1, sixth, draw.randrange(10_000), seventh, eighth, "0"),
    ]


def rows(count: int, first: int = 0) -> list[list[Any]]:
    return [row(number) for number in range(first, first + count)]


def capture(taken: list[Any]) -> Capture:
    return Capture("BTCUSDT", "1h", FIRST + 10_000 * HOUR, taken)
