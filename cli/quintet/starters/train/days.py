"""The rows of one training: what a model sees of a day, each with its side, as a document in S3."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import pandas as pd

from bundle import Split
from stepkit import documents

NUMBERS = ("humidity", "pressure")
CATEGORIES = ("wind",)
FEATURES = (*NUMBERS, *CATEGORIES)
TARGET = "rain"
LABELS = {0: "dry", 1: "rain"}
KEY = ("station", "day")
"""What a day is known by. Never changed: a row on the other side would judge models that have seen it."""
SPLIT = Split("key", KEY, test_share=0.25)


@dataclass(frozen=True)
class Days:
    """Rows with the columns `KEY`, `FEATURES` and `TARGET` as a number.

    Attributes:
        rows: of the table.
        parameters_sha256: the hash of what the rows' models are trained with.
    """

    rows: pd.DataFrame
    parameters_sha256: str

    @property
    def train(self) -> pd.DataFrame:
        """The rows that models are fitted on."""
        return self.rows[~self._is_test]

    @property
    def test(self) -> pd.DataFrame:
        """The rows that no model is ever fitted on."""
        return self.rows[self._is_test]

    @property
    def _is_test(self) -> pd.Series:
        """Whether each row is for testing: a function of its key alone, whatever else is in the table."""
        keys = self.rows[list(KEY)].agg(",".join, axis="columns")
        return keys.map(lambda key: hashlib.sha256(key.encode()).digest()[0] < 256 * SPLIT.test_share)

    def write(self, folder: str) -> str:
        """Writes the document below an S3 URI and returns its own, which ends in its hash."""
        content = {"parameters_sha256": self.parameters_sha256, "rows": self.rows.to_dict("records")}
        return documents.write(folder, "days", json.dumps(content).encode())

    @classmethod
    def read(cls, uri: str) -> Days:
        """Returns what `write` wrote.

        Raises:
            InvalidInput: the document is gone, or was changed.
        """
        content = json.loads(documents.read(uri))
        return cls(pd.DataFrame(content["rows"]), content["parameters_sha256"])


def sha256_of(uri: str) -> str:
    """Returns the hash that the name of a document ends in."""
    return uri.removesuffix(".json")[-64:]
