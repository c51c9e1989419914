"""Writes the capture of a run to S3 as CSV, for people."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from forest.capture import Capture, parse_capture
from forest.schema import TABLES, Table
from stepkit.csv_files import Writer
from stepkit.options import Option
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings
from stepkit.spreadsheets import SpreadsheetSafe, as_text
from stepkit.step import run

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Exported:
    """Where the CSV file is, and what it holds."""

    csv_uri: str
    rows: int
    batch_number: int


def export(
    settings: Settings,
    *,
    raw_uri: Annotated[str, Option("S3 URI of the raw answer that extract stored")],
    run_after: Annotated[datetime, Option("time of the capture")],
    table: Annotated[Table, Option("table whose column names the file has, and its name")],
    bucket: Annotated[str, Option("bucket of the CSV file", env="DATA_BUCKET")] = "data",
    spreadsheet_safe: SpreadsheetSafe = True,
) -> Exported:
    """Writes the rows of one raw answer as load reads them, in the answer's order."""
    csv_uri = f"s3://{bucket}/forest/export/{settings.run.key}/{table.split('.')[1]}.csv"
    store = ObjectStore()
    # How many rows may be refused is for extract to say.
    capture = parse_capture(store.get(raw_uri), raw_uri, max_refused_share=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "export.csv")
        write_csv(capture, run_after, TABLES[table], path, spreadsheet_safe=spreadsheet_safe)
        store.upload(path, csv_uri)
    _logger.info("batch %d: %d rows in %s", capture.batch_number, len(capture.rows), csv_uri)
    return Exported(csv_uri, len(capture.rows), capture.batch_number)


def write_csv(
    capture: Capture,
    captured_at: datetime,
    columns: tuple[str, ...],
    path: Path,
    *,
    spreadsheet_safe: bool,
) -> None:
    """Writes a capture as CSV: a header, then a line a row; a missing value is empty.

    Args:
        capture: the rows.
        captured_at: their time, written in UTC.
        columns: what the 13 columns of a row are called; batch number and time follow.
        path: the file to write.
        spreadsheet_safe: whether texts that a spreadsheet would run are marked as texts.
    """
    last = (capture.batch_number, captured_at.astimezone(UTC).isoformat(" "))
    with path.open("w", newline="", encoding="utf-8") as text:
        lines = Writer(text)
        lines.write([*columns, "batch_number", "captured_at"])
        for row in capture.rows:
            cells = [as_text(cell) if isinstance(cell, str) else cell for cell in row]
            lines.write([*(cells if spreadsheet_safe else row), *last])


if __name__ == "__main__":
    run(export)
