"""The files of one run: which they are, and what the steps say of each, as documents in S3."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self

from stepkit.s3 import Listed, ObjectMissing, ObjectStore

Status = Literal["loaded", "loaded_with_refusals", "refused", "duplicate", "replaced", "unparsed"]
LEFT = ("replaced", "unparsed")
"""Statuses that are not final: the next run takes what is in the landing zone then."""

REPORT = ".report.json"
"""Ends the key of a report; what is before is the key of its file."""
_WIDEST_PART, _LONGEST_KEY = 255, 1024
"""Bytes that stores take of a part of a key between two slashes, as a file system does, and of the whole."""


def fits(key: str) -> bool:
    """Returns whether every store takes the key, also one that keeps objects as files."""
    parts = key.split("/")
    return len(key.encode()) <= _LONGEST_KEY and all(
        part not in ("", ".", "..") and len(part.encode()) <= _WIDEST_PART for part in parts
    )


@dataclass(frozen=True)
class LandedFile:
    """A file of the landing zone as `scan` found it; `name` is its key without the landing zone's."""

    name: str
    uri: str
    size: int
    etag: str
    received_at: str

    @classmethod
    def of(cls, found: Listed, landing_zone: str) -> Self:
        """Describes an object of the landing zone."""
        name = found.uri.removeprefix(landing_zone)
        return cls(name, found.uri, found.size, found.etag, found.modified.isoformat())

    @property
    def listed(self) -> Listed:
        """The object."""
        return Listed(self.uri, self.size, self.etag, datetime.fromisoformat(self.received_at))


@dataclass(frozen=True)
class Manifest:
    """The files of a run, in the order in which they are loaded: as they arrived.

    Attributes:
        folder: S3 URI below which the run keeps its documents.
        files: each with its index.
    """

    folder: str
    files: tuple[LandedFile, ...]

    @property
    def uri(self) -> str:
        """Where the manifest is."""
        return f"{self.folder}/manifest.json"

    def parsed_uri(self, index: int) -> str:
        """Where `parse` says what it found in a file."""
        return f"{self.folder}/{index}.json"

    def prices_uri(self, index: int) -> str:
        """Where `parse` keeps the prices of a file."""
        return f"{self.folder}/{index}.parquet"

    @property
    def outcomes_uri(self) -> str:
        """Where `load` says what became of each file."""
        return f"{self.folder}/outcomes.json"

    def to_json(self) -> bytes:
        """Writes the manifest down, to be read by `read`."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, indent=1).encode()

    @classmethod
    def read(cls, store: ObjectStore, uri: str) -> Self:
        """Reads a manifest from S3."""
        fields = json.loads(store.get(uri))
        return cls(fields["folder"], tuple(LandedFile(**file) for file in fields["files"]))


@dataclass(frozen=True)
class Parsed:
    """What `parse` says of a file; the prices are beside it.

    Attributes:
        sha256: of the file; None when it was too large to be read, or is gone.
        layout: None for a file that was refused as a whole.
        refused: why it was.
        replaced: whether another, or none, was in its place already.
        reasons: of the rows that were refused.
        started_at: when the step began.
    """

    sha256: str | None
    layout: str | None
    refused: str | None
    replaced: bool
    rows_read: int
    rows_missing: int
    rows_refused: int
    reasons: list[str]
    started_at: str

    def to_json(self) -> bytes:
        """Writes the document down, to be read by `find`."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, indent=1).encode()

    @classmethod
    def find(cls, store: ObjectStore, uri: str) -> Self | None:
        """Reads a document from S3; None when the step has not written it."""
        try:
            return cls(**json.loads(store.get(uri)))
        except ObjectMissing:
            return None


@dataclass(frozen=True)
class Outcome:
    """What became of a file; `summary` is what the audit says of it."""

    file: LandedFile
    status: Status
    sha256: str | None
    reasons: list[str]
    summary: dict[str, Any]

    @property
    def folder(self) -> str:
        """A name for the file's content: the same content has the same place."""
        return (self.sha256 or "etag-" + self.file.etag.strip('"'))[:17]

    def key(self, prefix: str) -> str:
        """Returns the key that the file is moved to: its content's folder, then its name.

        A name that makes no good key, with the report's ending, is replaced by its hash.
        """
        name = self.file.name
        if self.is_renamed(prefix):
            ending = next((kind for kind in (".xls", ".xlsx") if name.lower().endswith(kind)), "")
            name = hashlib.sha256(name.encode()).hexdigest() + ending
        return f"{prefix}{self.folder}/{name}"

    def is_renamed(self, prefix: str) -> bool:
        """Returns whether the name stands in no key, so that only a report holds it."""
        name = self.file.name
        return not (name.isprintable() and fits(f"{prefix}{self.folder}/{name}{REPORT}"))


def outcomes_to_json(outcomes: list[Outcome]) -> bytes:
    """Writes what became of the files of a run."""
    return json.dumps([dataclasses.asdict(each) for each in outcomes], ensure_ascii=False, indent=1).encode()


def read_outcomes(store: ObjectStore, uri: str) -> list[Outcome]:
    """Reads what `outcomes_to_json` wrote."""
    return [Outcome(**{**each, "file": LandedFile(**each["file"])}) for each in json.loads(store.get(uri))]
