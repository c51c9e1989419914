"""Answers of the forest data API, made by rule, for tests to spoil."""

from __future__ import annotations

import json
import random
from typing import Any

GROUP = 3


def made_row(number: int) -> list[str]:
    """Returns a sample of its own for each number: elevation and distance to water tell them apart."""
    draw = random.Random(number)  # noqa: S311 - the same rows every time
    numbers = [2000 + number % 1500, draw.randrange(361), draw.randrange(60), number // 1500]
    numbers += [draw.randrange(-100, 500), draw.randrange(7000)]
    numbers += [*(draw.randrange(255) for _ in range(3)), draw.randrange(7000)]
    area = draw.choice(("Rawah", "Neota", "Commanche", "Cache"))
    return [*map(str, numbers), area, f"C{draw.randrange(2700, 8800)}", str(number % 7)]


def answer(rows: list[Any], batch: int = 0, group: int = GROUP) -> bytes:
    return json.dumps({"group_number": group, "batch_number": batch, "data": rows}).encode()


def rows(count: int, first: int = 0) -> list[list[str]]:
    return [made_row(number) for number in range(first, first + count)]
