"""Files of windows in S3: read, and changed as if the portal had."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from crime import crimes_file
from crime.download_data import Downloaded
from stepkit import csv_tables
from stepkit.s3 import ObjectStore


def table(uri: str, folder: Path) -> pa.Table:
    ObjectStore().download(uri, folder / "crimes.csv")
    return crimes_file.read(folder / "crimes.csv")


def known_besides(found: Downloaded, count: int, folder: Path) -> None:
    """Adds crimes to a window's file that the portal does not have, as if it had taken them back since."""
    kept = table(found.crimes_uri, folder)
    others = [{**row, "id": str(int(row["id"]) + 10**9)} for row in kept.slice(len(kept) - count).to_pylist()]
    csv_tables.write(pa.concat_tables([kept, pa.Table.from_pylist(others, kept.schema)]), folder / "more.csv")
    ObjectStore().upload(folder / "more.csv", found.crimes_uri)
