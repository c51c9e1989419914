"""Whether the challenger's test rows can judge the champion: rows that it was fitted on say nothing of it."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from bundle import Split
from stepkit.promotion.policy import TestRows

FEWEST_ROWS = 100
"""Fewest rows to judge a champion on once others have fallen away: on fewer, the interval of a gain is wider
than any gain that a later model could show."""
_OF_A_KEY = ("key", "test_share", "salt")


class NotComparable(Exception):
    """The champion may have been fitted on the challenger's test rows; the sentence says what differs."""


def unseen(rows: TestRows, challenger: Split | None, champion: Split | None) -> NDArray[np.bool_]:
    """Marks the test rows of a challenger's snapshot that its champion was not fitted on.

    Where both split by key, all rows, if the splits are equal: a row's side is then the same in every
    snapshot. Where both split by time, the rows after the champion's `judged_after`. Where neither says how
    it split, all rows: nothing differs that is known.

    Args:
        rows: the challenger's test rows.
        challenger: its split.
        champion: its split.

    Returns:
        A flag for each row.

    Raises:
        NotComparable: the splits differ, or too few rows are left.
    """
    everything = np.ones(len(rows.labels), dtype=np.bool_)
    if challenger is None and champion is None:
        return everything
    if challenger is None or champion is None:
        silent = "challenger" if challenger is None else "champion"
        raise NotComparable(f"the {silent}'s bundle does not say how its rows were split")
    if challenger.kind != champion.kind:
        compared: tuple[str, ...] = ("kind",)
    else:
        compared = _OF_A_KEY if champion.kind == "key" else ()
    differences = [
        f"its split has the {name} {_said(champion, name)}, the challenger's {_said(challenger, name)}"
        for name in compared
        if getattr(champion, name) != getattr(challenger, name)
    ]
    if differences:
        raise NotComparable(", ".join(differences))
    if champion.kind == "key":
        return everything
    if rows.moments is None or champion.judged_after is None:
        raise NotComparable("both split by time, and the times of the test rows are not known")
    after: NDArray[np.bool_] = rows.moments > champion.judged_after
    if not after.all() and after.sum() < FEWEST_ROWS:
        until = datetime.fromtimestamp(champion.judged_after / 1000, UTC).isoformat(timespec="seconds")
        raise NotComparable(
            f"it was trained up to {until}, after which come {after.sum()} of the {len(after)} test rows;"
            f" {FEWEST_ROWS} are needed"
        )
    return after


def _said(split: Split, name: str) -> str:
    value = getattr(split, name)
    return ", ".join(value) if name == "key" else repr(value)
