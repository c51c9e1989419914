"""The parts of a table's predictions in S3: which there are, and of what they are.

A part is a stretch of rows of one row group, named by its place, so that any number of pods can work on
parts of their own, and a retry makes those that are not there. `_table.json` says what rows and which model
they are of, before the first is written; `_complete.json` is there when all are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import pyarrow.parquet as pq

from stepkit.errors import Code, InvalidInput
from stepkit.s3 import ObjectStore

TABLE, COMPLETE = "_table.json", "_complete.json"


@dataclass(frozen=True)
class Origin:
    """What predictions are of.

    Attributes:
        input_uri: of the rows.
        input_etag: of the rows' object, which changes with its bytes.
        model: the registered model's name.
        mlflow_run_id: of the training.
        bundle_digest: of the bundle.
        rows_at_once: most rows of a part.
    """

    input_uri: str
    input_etag: str
    model: str
    mlflow_run_id: str
    bundle_digest: str
    rows_at_once: int


@dataclass(frozen=True)
class Part:
    """Some rows of a file.

    Attributes:
        number: of the part, from 0.
        group: the row group that holds its rows.
        first: the number of its first row in the file, from 1.
        rows: how many.
    """

    number: int
    group: int
    first: int
    rows: int

    @property
    def name(self) -> str:
        """The name of its object."""
        return f"part-{self.number:06}.parquet"


def parts_of(file: pq.FileMetaData, rows_at_once: int) -> Iterator[Part]:
    """Yields the parts of a file, in its order; a group of many rows is cut, small ones are not joined."""
    number = before = 0
    for group in range(file.num_row_groups):
        count = file.row_group(group).num_rows
        for skipped in range(0, count, rows_at_once):
            rows = min(rows_at_once, count - skipped)
            yield Part(number, group, before + skipped + 1, rows)
            number += 1
        before += count


class Output:
    """A prefix of S3 that takes the parts of one table's predictions.

    Args:
        store: a connection to S3.
        uri: of the prefix.
        origin: of the predictions.

    Raises:
        InvalidInput: the prefix holds predictions of other rows or of another model.
        DependencyUnavailable: S3 does not answer.
    """

    def __init__(self, store: ObjectStore, uri: str, origin: Origin) -> None:
        self._store, self.uri = store, uri.rstrip("/")
        told = json.dumps(asdict(origin), indent=1).encode()
        name = f"{self.uri}/{TABLE}"
        if not store.put_if_absent(name, told, "application/json"):
            self._refuse_others(name, store.get(name), asdict(origin))

    def present(self) -> set[str]:
        """Returns the names of the parts that are there."""
        return {each.uri.rpartition("/")[2] for each in self._store.listed(f"{self.uri}/part-")}

    def complete(self, rows: int, parts: int) -> None:
        """Says that all parts are there."""
        told = json.dumps({"rows": rows, "parts": parts}).encode()
        self._store.put(f"{self.uri}/{COMPLETE}", told, "application/json")

    def _refuse_others(self, name: str, told: bytes, wanted: dict[str, object]) -> None:
        try:
            found = dict(json.loads(told))
        except (ValueError, TypeError, RecursionError):
            raise self._refusal(name, "is not what a prediction writes") from None
        for key, value in wanted.items():
            if found.get(key) != value:
                raise self._refusal(name, f"says {key} {found.get(key)!r}, this run has {value!r}")

    def _refusal(self, name: str, problem: str) -> InvalidInput:
        advice = "give another --output-uri (OUTPUT_URI), or delete what is there"
        return InvalidInput(f"{name} {problem}: {advice}", Code.STATE_CONFLICT, file=name)
