"""The rows of one training: cleaned, each with its side, known by their hash; and the defects of all."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bundle import Split
from penguins.schema import (
    CATEGORIES,
    FEATURES,
    LIMITS,
    MISSING,
    NUMBERS,
    RAW,
    SPECIES,
    TARGET,
    UNKNOWN_SEX,
    VALUES,
)
from stepkit import snapshots
from stepkit.errors import Code, InvalidInput

KEY = (
    "culmen_length_mm", "culmen_depth_mm", "flipper_length_mm", "body_mass_g", "island", "sex",
)  # fmt: skip
"""What a penguin is known by, as the file gives it no number. Never changed, whatever `FEATURES` becomes:
a row that moved to the other side would judge models that were fitted on it."""
TRAIN, TEST = "train", "test"
TEST_SHARE = 0.25
SPLIT = Split("key", KEY, TEST_SHARE)
_COLUMNS = ("line", *FEATURES, TARGET, "side")


@dataclass(frozen=True)
class Defects:
    """What was wrong with the file's lines, counted.

    Attributes:
        lines_without_measurements: are left out: nothing of them could tell a species.
        missing_measurements: among the other lines, single ones; are imputed from train rows.
        missing_sex: among the other lines; is imputed from train rows.
        unknown_sex: of these, the ones written as `.`.
    """

    lines_without_measurements: int
    missing_measurements: int
    missing_sex: int
    unknown_sex: int


@dataclass(frozen=True)
class Snapshot:
    """Rows with the columns `line`, `FEATURES`, `TARGET` as a number, and `side`."""

    rows: pd.DataFrame
    defects: Defects
    parameters_sha256: str

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
        """The hash of the values, whichever library wrote the file."""
        text = self.rows[list(_COLUMNS)].to_csv(index=False, float_format="%.17g")
        return hashlib.sha256(text.encode()).hexdigest()

    def write(self, path: Path) -> None:
        """Writes the snapshot as Parquet."""
        snapshots.write(
            self.rows,
            {"defects": dataclasses.asdict(self.defects), "parameters_sha256": self.parameters_sha256},
            path,
        )

    @classmethod
    def read(cls, path: Path) -> Snapshot:
        """Reads what `write` wrote.

        Raises:
            InvalidInput: the file is not a snapshot.
        """
        return snapshots.read(
            path,
            _COLUMNS,
            lambda rows, about: cls(rows, Defects(**about["defects"]), about["parameters_sha256"]),
            "preprocess",
        )


def fetch(uri: str, folder: Path, expected_sha256: str) -> Snapshot:
    """Downloads a snapshot and checks that it is the one that was named.

    Raises:
        InvalidInput: its content has another hash; or there is none at the URI.
        DependencyUnavailable: S3 does not answer.
    """
    return snapshots.fetch(uri, folder, Snapshot.read, expected_sha256, "preprocess again")


def clean(raw: pd.DataFrame) -> tuple[pd.DataFrame, Defects]:
    """Returns the lines that hold a penguin, typed and with their side, and counts the defects of all.

    Args:
        raw: `line` and the columns of the file, as text.

    Raises:
        InvalidInput: a value is neither what its column holds nor a known defect; names line and column.
    """
    text = raw.set_index("line")
    values = {name: _number(text[name], *LIMITS[name]) for name in NUMBERS}
    unknown_sex = text["sex"] == UNKNOWN_SEX
    text = text.assign(sex=text["sex"].mask(unknown_sex, MISSING[0]))
    values |= {name: _category(text[name], VALUES[name]) for name in CATEGORIES}
    rows = pd.DataFrame(values)[list(FEATURES)]
    species = _category(text[TARGET], SPECIES)
    if species.isna().any():
        raise _invalid(species[species.isna()].index[0], TARGET, f"column {TARGET} is missing")
    rows[TARGET] = species.map(SPECIES.index).astype("int64")
    empty = rows[list(NUMBERS)].isna().all(axis="columns")
    kept = rows[~empty]
    defects = Defects(
        lines_without_measurements=int(empty.sum()),
        missing_measurements=int(kept[list(NUMBERS)].isna().to_numpy().sum()),
        missing_sex=int(kept["sex"].isna().sum()),
        unknown_sex=int(unknown_sex[~empty].sum()),
    )
    kept = kept.reset_index()
    kept["side"] = pd.array([_side(row) for row in kept[list(KEY)].to_dict("records")], dtype="str")
    return kept[list(_COLUMNS)], defects


def _side(key_values: Mapping[str, object]) -> str:
    """Returns the side of a penguin, a function of its `KEY` alone, whatever else is in the file."""
    key = ",".join("" if value != value else str(value) for value in key_values.values())
    number = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")
    return TEST if number < int(TEST_SHARE * 2**64) else TRAIN


def _number(text: pd.Series, low: float, high: float) -> pd.Series:
    missing = text.isin(MISSING)
    numbers = pd.to_numeric(text.mask(missing), errors="coerce").astype("float64")
    wrong = ~missing & ~numbers.between(low, high)
    if wrong.any():
        line = text[wrong].index[0]
        fault = f"column {text.name}: {text[line]!r} is not a number within {low:g} and {high:g}"
        raise _invalid(line, str(text.name), fault)
    return numbers


def _category(text: pd.Series, values: tuple[str, ...]) -> pd.Series:
    missing = text.isin(MISSING)
    wrong = ~missing & ~text.isin(values)
    if wrong.any():
        line = text[wrong].index[0]
        fault = f"column {text.name}: {text[line]!r} is not one of {', '.join(values)}"
        raise _invalid(line, str(text.name), fault)
    return text.mask(missing).astype("str")


def _invalid(line: int, column: str, fault: str) -> InvalidInput:
    return InvalidInput(f"line {line} {fault}", Code.INVALID_ROW, file=RAW, row=line, column=column)
