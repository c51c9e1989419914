"""The URLs of a pipeline's database by which its other roles log in."""

from __future__ import annotations

import re


def as_promotion(url: str) -> str:
    """Returns the URL of a pipeline's database as the role that writes the record of its promotions."""
    return re.sub(r"//(\w+)@", r"//\1_promotion@", url)


def as_serving(url: str) -> str:
    """Returns the URL of a pipeline's database as the role by which the inference API reads that record."""
    return re.sub(r"//(\w+)@", r"//\1_serving@", url)
