"""What passes from one stage of the preprocessing to the next: rows of both sides, and all that was learned.

Each stage leaves `train_<stage>_<date>.csv`, `test_<stage>_<date>.csv` and `<stage>_<date>.json`: the
document names both files with their sha256 and holds the numbers that this stage and those before it have
learned from the train rows, so that `train` finds in the last one what serving has to know.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Self

import pandas as pd
import pyarrow as pa

from crime.layout import Layout
from crime.schema import CATEGORIES, OCCURRED_AT
from stepkit import csv_tables
from stepkit.errors import Code, InvalidInput
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings

TRAIN, TEST = "train", "test"
SIDES = (TRAIN, TEST)
ENRICHED = "enriched"
"""What the enrichment is called among what was learned: it leaves the transforms that serving has to know."""
DocumentUri = str
_TEXTS = {**dict.fromkeys(CATEGORIES, pa.string()), OCCURRED_AT: pa.string()}


@dataclass(frozen=True)
class File:
    """One side of a stage."""

    uri: str
    sha256: str
    rows: int


@dataclass(frozen=True)
class Staged:
    """The result of a step of the preprocessing."""

    document_uri: str
    data_sha256: str
    train_rows: int
    test_rows: int
    columns: int


@dataclass(frozen=True)
class Document:
    """What a stage has done.

    Attributes:
        stage: its name in the files.
        run: the DAG's and the run's id.
        window_date: the last day of the window.
        data_sha256: of the crimes and stations that all stages began with.
        parameters_sha256: of what the run's models are trained with.
        files: by side.
        fitted: what was learned, by the name of the stage that did.
        snapshot_uri: the document of `split`, whose test rows models are judged on.
    """

    stage: str
    run: dict[str, str]
    window_date: str
    data_sha256: str
    parameters_sha256: str
    files: dict[str, File]
    fitted: dict[str, Any] = field(default_factory=dict)
    snapshot_uri: str = ""

    def to_json(self) -> str:
        """Writes the document that `from_json` reads; floats keep all their digits."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str | bytes, uri: str) -> Self:
        """Reads a document.

        Raises:
            InvalidInput: it is invalid; `uri` says where it is.
        """
        try:
            fields = json.loads(text)
            files = {side: File(**fields["files"][side]) for side in SIDES}
            return cls(**{**fields, "files": files})
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidInput(
                f"{uri} is not a document of a stage: {error!r}; run the stage before again",
                Code.UNREADABLE_INPUT,
                file=uri,
            ) from error


@dataclass(frozen=True)
class Rows:
    """The rows of both sides."""

    train: pd.DataFrame
    test: pd.DataFrame


@dataclass
class Step:
    """One stage at work: it has read the stage before, and writes its own."""

    settings: Settings
    before: Document
    rows: Rows
    folder: Path

    def write(self, stage: str, rows: Rows, fitted: Mapping[str, Any]) -> Staged:
        """Leaves what the stage has made in S3, its document last.

        Args:
            stage: its name.
            rows: of both sides.
            fitted: what it has learned.
        """
        bucket = self.before.files[TRAIN].uri.removeprefix("s3://").split("/")[0]
        document = Document(
            stage=stage,
            run=run_of(self.settings),
            window_date=self.before.window_date,
            data_sha256=self.before.data_sha256,
            parameters_sha256=self.before.parameters_sha256,
            files={},
            fitted={**self.before.fitted, stage: dict(fitted)},
            snapshot_uri=self.before.snapshot_uri,
        )
        return leave(document, rows, bucket, self.folder)


@contextmanager
def after(settings: Settings, document_uri: str) -> Iterator[Step]:
    """Reads a stage and both its sides; returns a step that stands on it.

    Raises:
        InvalidInput: the document is not a stage of this run, or a file is not what it says.
        DependencyUnavailable: S3 does not answer.
    """
    document = Document.from_json(ObjectStore().get(document_uri), document_uri)
    if document.run != run_of(settings):
        raise InvalidInput(
            f"{document_uri} was written by run {document.run.get('run_id')!r}, which has begun since:"
            " run the DAG again from its beginning",
            Code.INPUT_REPLACED,
            file=document_uri,
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield Step(settings, document, Rows(*(read(document.files[side], folder) for side in SIDES)), folder)


def leave(document: Document, rows: Rows, bucket: str, folder: Path) -> Staged:
    """Writes a stage: its files, then the document, which is given the files' names and hashes."""
    layout = Layout(bucket, date.fromisoformat(document.window_date))
    store = ObjectStore()
    files = {}
    for side, frame in ((TRAIN, rows.train), (TEST, rows.test)):
        path = folder / f"{side}_{document.stage}.csv"
        csv_tables.write(pa.Table.from_pandas(frame, preserve_index=False), path)
        uri = layout.processed(side, document.stage)
        files[side] = File(uri, store.upload(path, uri), len(frame))
        path.unlink()
    uri = layout.document(document.stage)
    snapshot_uri = document.snapshot_uri or uri
    complete = Document(**{**document.__dict__, "files": files, "snapshot_uri": snapshot_uri})
    store.put(uri, complete.to_json().encode(), "application/json")
    return Staged(uri, document.data_sha256, len(rows.train), len(rows.test), len(rows.train.columns))


def read(file: File, folder: Path) -> pd.DataFrame:
    """Downloads one side and returns it with its types: categories are texts, all else numbers.

    Raises:
        InvalidInput: it is not the file that was named.
    """
    path = fetch(file.uri, file.sha256, folder / file.uri.rsplit("/", 1)[1])
    try:
        return typed(path)
    finally:
        path.unlink()


def typed(path: Path) -> pd.DataFrame:
    """Reads a file of a stage; an empty field is missing."""
    frame: pd.DataFrame = csv_tables.read(path, _TEXTS, "a stage").to_pandas()
    return frame


def fetch(uri: str, sha256: str, path: Path) -> Path:
    """Downloads an object that an earlier step has named, and returns where it is.

    Raises:
        InvalidInput: it has another hash, as another run has written it since; or it has expired.
        DependencyUnavailable: S3 does not answer.
    """
    found = ObjectStore().download(uri, path)
    if found != sha256:
        raise InvalidInput(
            f"{uri} has the sha256 {found}, not {sha256}: another run has written it; run the DAG again",
            Code.INPUT_REPLACED,
            file=uri,
        )
    return path


def run_of(settings: Settings) -> dict[str, str]:
    """Returns what a run is known by."""
    return {"dag_id": settings.run.dag_id, "run_id": settings.run.required_id}
