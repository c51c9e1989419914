"""A snapshot: the rows of one training, cleaned, sorted, each with its side, known by their hash."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bundle import Split, normalise_category
from forest.schema import COLUMNS, NAMES, WILDERNESS_AREAS
from stepkit import snapshots
from stepkit.errors import Code, InvalidInput

FEATURES = NAMES[:-1]
TARGET = NAMES[-1]
CATEGORIES = ("wilderness_area", "soil_type")
NUMBERS = tuple(name for name in FEATURES if name not in CATEGORIES)
KEY = (
    "elevation", "aspect", "slope", "horizontal_distance_to_hydrology", "vertical_distance_to_hydrology",
    "horizontal_distance_to_roadways", "hillshade_9am", "hillshade_noon", "hillshade_3pm",
    "horizontal_distance_to_fire_points", "wilderness_area", "soil_type",
)  # fmt: skip
"""What a sample is known by, as the source gives it no number. Never changed, whatever `FEATURES` becomes:
a row that moved to the other side would judge models that were fitted on it."""
TRAIN, TEST = "train", "test"
TEST_SHARE = 0.2
SPLIT = Split("key", KEY, TEST_SHARE)

_COLUMNS = (*NAMES, "side")


@dataclass(frozen=True)
class Snapshot:
    """Rows with the columns of `NAMES` and `side`, and what they are for."""

    rows: pd.DataFrame
    captures: int
    parameters_sha256: str
    """The hash of the parameters that the rows are about to be trained with."""

    @property
    def train(self) -> pd.DataFrame:
        """The rows that models are fitted on."""
        return self.rows[self.rows["side"] == TRAIN]

    @property
    def test(self) -> pd.DataFrame:
        """The rows that no model is ever fitted on."""
        return self.rows[self.rows["side"] == TEST]

    @property
    def sha256(self) -> str:
        """The hash of the values, whichever library wrote the file: one column after the other."""
        digest = hashlib.sha256()
        for name in _COLUMNS:
            values = self.rows[name]
            digest.update(f"{name} {len(values)}\n".encode())
            if name in NUMBERS or name == TARGET:
                digest.update(values.to_numpy("<f8").tobytes())
            else:
                digest.update("\0".join(values.where(values.notna(), "\1")).encode())
        return digest.hexdigest()

    def write(self, path: Path) -> None:
        """Writes the snapshot as Parquet."""
        snapshots.write(
            self.rows, {"captures": self.captures, "parameters_sha256": self.parameters_sha256}, path
        )

    @classmethod
    def read(cls, path: Path) -> Snapshot:
        """Reads what `write` wrote.

        Raises:
            InvalidInput: the file is not a snapshot.
        """
        return snapshots.read(path, _COLUMNS, lambda rows, about: cls(rows, **about), "preprocess")


def fetch(uri: str, folder: Path, expected_sha256: str | None = None) -> Snapshot:
    """Downloads a snapshot and checks that it is the one that was named.

    Raises:
        InvalidInput: its content has another hash; or there is none at the URI.
        DependencyUnavailable: S3 does not answer.
    """
    return snapshots.fetch(uri, folder, Snapshot.read, expected_sha256, "preprocess again")


def clean(raw: pd.DataFrame) -> pd.DataFrame:
    """Returns the samples of a table, each once, sorted, typed and with its side.

    Numbers become float64 (missing: NaN), categories strings in their known spelling (missing: NaN), the
    target int64. Rows without a target are left out.

    Args:
        raw: the columns of `NAMES`, and perhaps more.

    Raises:
        InvalidInput: a column is absent, or holds a value that its column cannot have.
    """
    absent = [name for name in NAMES if name not in raw.columns]
    if absent:
        raise InvalidInput(
            f"the table has no column {', '.join(absent)}: training needs {', '.join(NAMES)}",
            Code.SCHEMA_CHANGED,
            column=absent[0],
        )
    labelled = raw[raw[TARGET].notna()]
    typed = {name: _typed(labelled[name], *limits) for name, limits in _LIMITS.items()}
    typed |= {name: _spelled(labelled[name]) for name in CATEGORIES}
    rows = pd.DataFrame(typed)[list(NAMES)].drop_duplicates().sort_values(list(NAMES), ignore_index=True)
    rows[TARGET] = rows[TARGET].astype("int64")
    rows["side"] = pd.array(sides(rows), dtype="str")
    return rows


def sides(rows: pd.DataFrame) -> list[str]:
    """Returns each row's side: a function of its `KEY` alone, whatever else is in the table.

    About `TEST_SHARE` of the rows are test rows. Rows with the same key are on the same side.
    """
    boundary = int(TEST_SHARE * 2**64)
    texts = [_texts(rows[name]) for name in KEY]
    keys = (",".join(values).encode() for values in zip(*texts, strict=True))
    hashes = (int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") for key in keys)
    return [TEST if number < boundary else TRAIN for number in hashes]


_LIMITS = {
    column.name: (column.low, column.high)
    for column in COLUMNS
    if column.low is not None and column.high is not None
}
_SPELLINGS: dict[str, Callable[[str], str]] = {
    "wilderness_area": lambda text: normalise_category(text, WILDERNESS_AREAS),
    "soil_type": str.upper,
}


def _typed(values: pd.Series, low: int, high: int) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce").astype("float64")
    right = numbers.between(low, high) & (numbers % 1 == 0)
    wrong = values.notna() & ~right
    if wrong.any():
        raise InvalidInput(
            f"column {values.name} holds {values[wrong].iloc[0]!r} ({int(wrong.sum())} such rows):"
            f" it must be a whole number within {low} and {high}",
            Code.INVALID_ROW,
            column=str(values.name),
        )
    return numbers


def _spelled(values: pd.Series) -> pd.Series:
    """Spells categories as `load` does, each distinct one once; blank is missing."""
    spelled = {text: _SPELLINGS[str(values.name)](text.strip()) or None for text in values.dropna().unique()}
    return values.map(spelled).astype("str")


def _texts(values: pd.Series) -> list[str]:
    """Returns each value as text: a number as an integer, missing as nothing. Each value is made once."""
    codes, distinct = pd.factorize(values)
    if values.dtype.kind == "f":
        distinct = distinct.astype("int64")
    texts = [*map(str, distinct.tolist()), ""]  # the code of a missing value is -1
    return [texts[code] for code in codes]
