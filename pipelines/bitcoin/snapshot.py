"""A snapshot: the rows of one training, one a bar, the oldest first, each with its side."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from bundle import Split
from bundle.transforms.bars import FEATURES
from stepkit import snapshots

OPEN_TIME, MOVE, TARGET, SIDE = "open_time", "move", "direction", "side"
TRAIN, GAP, TEST = "train", "gap", "test"
TEST_SHARE = 0.2
_COLUMNS = (OPEN_TIME, *FEATURES, MOVE, TARGET, SIDE)


@dataclass(frozen=True)
class Series:
    """What the rows are of, and what is asked of them."""

    symbol: str
    interval: str
    horizon: int
    """The target is about so many bars ahead."""
    min_move: float
    """The logarithm of the rise that counts as up; 0 for any."""
    gap: int
    """Bars between what a model is fitted on and what it is scored on; never fewer than the horizon."""


@dataclass(frozen=True)
class Snapshot:
    """Rows with the open time of their bar, features, the move of the price that follows, target and side."""

    rows: pd.DataFrame
    series: Series
    parameters_sha256: str
    """The hash of the parameters that the rows are about to be trained with."""

    @property
    def train(self) -> pd.DataFrame:
        """The older rows, that models are tuned and fitted on."""
        return self.rows[self.rows[SIDE] == TRAIN]

    @property
    def test(self) -> pd.DataFrame:
        """The latest rows, that nothing is tuned or fitted on but the refits of a walk through them."""
        return self.rows[self.rows[SIDE] == TEST]

    @property
    def sha256(self) -> str:
        """The hash of the values, whichever library wrote the file: one column after the other."""
        digest = hashlib.sha256(json.dumps(asdict(self.series), sort_keys=True).encode())
        for name in _COLUMNS:
            values = self.rows[name]
            digest.update(f"{name} {len(values)}\n".encode())
            digest.update("\0".join(values).encode() if name == SIDE else values.to_numpy("<f8").tobytes())
        return digest.hexdigest()

    def write(self, path: Path) -> None:
        """Writes the snapshot as Parquet."""
        snapshots.write(
            self.rows, {"series": asdict(self.series), "parameters_sha256": self.parameters_sha256}, path
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads what `write` wrote.

        Raises:
            InvalidInput: the file is not a snapshot.
        """
        return snapshots.read(
            path,
            _COLUMNS,
            lambda rows, about: cls(rows, Series(**about["series"]), about["parameters_sha256"]),
            "features",
        )


def fetch(uri: str, folder: Path, expected_sha256: str | None = None) -> Snapshot:
    """Downloads a snapshot and checks that it is the one that was named.

    Raises:
        InvalidInput: its content has another hash; or there is none at the URI.
        DependencyUnavailable: S3 does not answer.
    """
    return snapshots.fetch(uri, folder, Snapshot.read, expected_sha256, "make the features again")


def sides(rows: int, test_share: float, gap: int) -> list[str]:
    """Returns the side of each row, the oldest first: train, then a gap that belongs to neither, then test.

    The side is a matter of time alone: a row drawn at random would be scored by a model that knows the hours
    around it.
    """
    test = round(rows * test_share)
    between = min(gap, rows - test)
    return [TRAIN] * (rows - test - between) + [GAP] * between + [TEST] * test


def split_of(trained_until: int, horizon: int, interval_ms: int, test_share: float) -> Split:
    """Returns the split of a model that was fitted on the bars up to one.

    Args:
        trained_until: when the last bar that it was fitted on opens, in milliseconds since 1970.
        horizon: its target is about so many bars ahead, which training has looked at as well.
        interval_ms: the length of a bar.
        test_share: of the rows.
    """
    return Split("time", (OPEN_TIME,), test_share, judged_after=trained_until + horizon * interval_ms)


def walk_forward(rows: int, first: int, folds: int, gap: int) -> list[tuple[slice, slice]]:
    """Returns, for each of some stretches of equal length, what to fit on and what to score.

    Each model is fitted on everything before its stretch but the gap, as one would have been at that time.

    Args:
        rows: all rows, the oldest first.
        first: where the first stretch begins.
        folds: how many stretches.
        gap: rows before each stretch that are left out.
    """
    bounds = np.linspace(first, rows, folds + 1).astype(int)
    return [
        (slice(0, max(0, int(start) - gap)), slice(int(start), int(end))) for start, end in pairwise(bounds)
    ]
