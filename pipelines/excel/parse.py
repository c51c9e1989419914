"""Reads one workbook of the run: its prices go to S3 as Parquet, what is wrong with it as a document."""

from __future__ import annotations

import hashlib
import io
import logging
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq

from excel.findings import Findings
from excel.manifest import LandedFile, Manifest, Parsed
from excel.reader import read_apart
from excel.schema import Layout
from stepkit.errors import Code, InvalidInput
from stepkit.options import Option
from stepkit.refused_rows import MaxRefusedShare
from stepkit.s3 import ObjectMissing, ObjectStore
from stepkit.settings import Settings
from stepkit.step import run

_TYPES = {"string": pa.string(), "double": pa.float64(), "bool": pa.bool_()}
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ParsedFile:
    """What one file holds."""

    index: int
    name: str
    layout: str | None
    rows_read: int
    rows_refused: int
    refused: str | None
    parsed_uri: str


def parse(
    settings: Settings,
    *,
    manifest_uri: Annotated[str, Option("S3 URI of scan's manifest")],
    index: Annotated[int, Option("which of its files", minimum=0)],
    max_megabytes: Annotated[int, Option("most megabytes of a workbook", minimum=1)] = 20,
    max_refused_share: MaxRefusedShare = 0.1,
) -> ParsedFile:
    """Reads a workbook, once a run; one that is refused ends this step well and is moved by `archive`."""
    store = ObjectStore()
    manifest = Manifest.read(store, manifest_uri)
    if index >= len(manifest.files):
        raise InvalidInput(
            f"--index (INDEX) is {index}: {manifest_uri} lists {len(manifest.files)} files",
            Code.INVALID_SETTING,
            file=manifest_uri,
        )
    file, uri = manifest.files[index], manifest.parsed_uri(index)
    found = Parsed.find(store, uri)
    if found is None:
        found, prices = _read(store, file, max_megabytes, max_refused_share)
        if prices is not None:
            store.put(manifest.prices_uri(index), prices, "application/vnd.apache.parquet")
        store.put(uri, found.to_json(), "application/json")
    _logger.info("%s: %s", file.name, found.refused or f"{found.rows_read} rows read")
    # A control character takes six bytes of a result, which must stay below 4,000.
    return ParsedFile(
        index=index,
        name=file.name[:100],
        layout=found.layout,
        rows_read=found.rows_read,
        rows_refused=found.rows_refused,
        refused=found.refused and found.refused[:300],
        parsed_uri=uri,
    )


def _read(
    store: ObjectStore, file: LandedFile, max_megabytes: int, max_refused_share: float
) -> tuple[Parsed, bytes | None]:
    started_at = datetime.now(UTC).isoformat()
    sha256 = None
    if file.size > max_megabytes << 20:
        found = Findings(refused=f"it has {file.size >> 20} MB, more than the {max_megabytes} that are read")
    elif (body := _body(store, file)) is None:
        found = Findings()
    else:
        sha256 = hashlib.sha256(body).hexdigest()
        found = _findings(body)
        if found.refused is None:
            found.refused = whole_refusal(found, max_refused_share)
    document = Parsed(
        sha256=sha256,
        layout=found.layout.name if found.layout else None,
        refused=found.refused,
        replaced=found.layout is None and found.refused is None,
        rows_read=found.rows_read,
        rows_missing=found.rows_missing,
        rows_refused=found.rows_refused,
        reasons=[*found.reasons, *found.doubts()],
        started_at=started_at,
    )
    kept = found.layout if found.refused is None else None
    return document, to_parquet(found, kept) if kept else None


def _body(store: ObjectStore, file: LandedFile) -> bytes | None:
    """Returns the bytes of the file that was scanned; None when there are others, or none."""
    try:
        body = store.get(file.uri)
    except ObjectMissing:
        return None
    now = store.look(file.uri)
    return body if now is not None and now.etag == file.etag and len(body) == file.size else None


def _findings(body: bytes) -> Findings:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "workbook")
        path.write_bytes(body)
        return read_apart(path)


def whole_refusal(found: Findings, max_refused_share: float) -> str | None:
    """Returns why a workbook is refused as a whole although it could be read; None when it is not."""
    if found.rows_refused > max_refused_share * found.rows_read:
        return (
            f"{found.rows_refused} of its {found.rows_read} rows are refused, more than "
            f"{max_refused_share:.0%}; the first: {found.reasons[0]}"
        )
    if not found.rows:
        return (
            f"it holds no price: of {found.rows_read}, {found.rows_missing} say that there was none, "
            f"{found.rows_refused} are refused"
        )
    return None


def to_parquet(found: Findings, layout: Layout) -> bytes:
    """Returns the prices of a workbook as a Parquet file with the columns of the layout's table."""
    period = [pa.array([day] * len(found.rows), pa.date32()) for day in found.period]
    columns = [
        pa.array(values, _TYPES[kind])
        for values, kind in zip(zip(*found.rows, strict=True), layout.columns.values(), strict=True)
    ]
    written = io.BytesIO()
    pq.write_table(pa.table([*period, *columns], names=list(layout.all_columns)), written)
    return written.getvalue()


if __name__ == "__main__":
    run(parse)
