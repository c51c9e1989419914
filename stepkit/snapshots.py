"""Snapshots as files: the rows of one training as Parquet, with what is known of them in its metadata.

What the rows are, and which hash they are known by, is the pipeline's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from stepkit.errors import Code, InvalidInput
from stepkit.s3 import ObjectStore

_METADATA = b"quintet"


class Snapshot(Protocol):
    """The rows of one training."""

    @property
    def sha256(self) -> str:
        """The hash of the values, whichever library wrote the file."""
        ...


Known = TypeVar("Known", bound=Snapshot)


def write(rows: pd.DataFrame, about: Mapping[str, Any], path: Path) -> None:
    """Writes rows as Parquet.

    Args:
        rows: without their index.
        about: what else `read` has to know, as JSON has it.
        path: of the file.
    """
    table = pa.Table.from_pandas(rows, preserve_index=False)
    metadata = {**table.schema.metadata, _METADATA: json.dumps(about).encode()}
    pq.write_table(table.replace_schema_metadata(metadata), path, compression="zstd")


def read(
    path: Path, columns: Sequence[str], make: Callable[[pd.DataFrame, dict[str, Any]], Known], step: str
) -> Known:
    """Reads what `write` wrote.

    Args:
        path: of the file.
        columns: of the rows, in their order.
        make: makes the snapshot of the rows and what `write` was told about them; raises KeyError or
            TypeError for what is not of its making.
        step: that writes such files.

    Raises:
        InvalidInput: the file is not a snapshot.
    """
    try:
        table = pq.read_table(path)
        about = json.loads(table.schema.metadata[_METADATA])
        return make(table.to_pandas()[list(columns)], about)
    except (pa.ArrowException, KeyError, TypeError) as error:
        raise InvalidInput(
            f"{path.name} is not a snapshot of {step}: {error!r}", Code.UNREADABLE_INPUT, file=path.name
        ) from error


def fetch(
    uri: str, folder: Path, read: Callable[[Path], Known], expected_sha256: str | None, advice: str
) -> Known:
    """Downloads a snapshot and checks that it is the one that was named.

    Args:
        uri: of the object.
        folder: that takes the file.
        read: reads the file.
        expected_sha256: the hash that it must have; None for any.
        advice: what to do when it has another.

    Raises:
        InvalidInput: its content has another hash, or there is none at the URI.
        DependencyUnavailable: S3 does not answer.
    """
    path = folder / "snapshot.parquet"
    ObjectStore().download(uri, path)
    snapshot = read(path)
    if expected_sha256 is not None and snapshot.sha256 != expected_sha256:
        raise InvalidInput(
            f"{uri} has the data hash {snapshot.sha256}, not {expected_sha256}: {advice}",
            Code.INPUT_REPLACED,
            file=uri,
        )
    return snapshot
