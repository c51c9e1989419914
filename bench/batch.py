"""Predictions for the whole covertype file, from Parquet to Parquet: `python -m bench.batch [TIMES]`.

The forest of 100 trees predicts the file's rows, and the rows TIMES over, each in a process of its own, whose
peak of memory is its own. Needs no server: parts go to a folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import bundle
from bench.serving.models import COVERTYPE, trained
from forest.schema import NAMES
from forest.snapshot import clean
from stepkit.batch.parts import Part, parts_of
from stepkit.batch.predict_step import predict_parts, read_parts
from stepkit.batch.rows import Rows

TIMES = 10
ROWS_AT_ONCE, THREADS = 50_000, os.cpu_count() or 1
ROW_GROUP = 1 << 17


def main() -> None:
    """Predicts once and TIMES over, and prints both side by side."""
    if len(sys.argv) > 3:
        print(json.dumps(measured(Path(sys.argv[2]), Path(sys.argv[3]))))
        return
    times = int(sys.argv[1]) if len(sys.argv) > 1 else TIMES
    forest = next(model for model in trained() if model.name == "forest")
    print("| rows | seconds | rows a second | peak MiB |\n| ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory(prefix="quintet-bench-") as name:
        for count in (1, times):
            path = Path(name, "rows.parquet")
            write(path, count)
            command = [sys.executable, "-m", "bench.batch", "child", str(forest.folder / "bundle"), str(path)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found = json.loads(done.stdout)
            print(
                f"| {found['rows']:,} | {found['seconds']:.1f} | {found['rows'] / found['seconds']:,.0f}"
                f" | {found['mebibytes']:,.0f} |"
            )


def write(path: Path, times: int) -> None:
    """Writes the file's rows so many times over, without their target."""
    rows = clean(pd.read_csv(COVERTYPE).set_axis(list(NAMES), axis=1))
    table = pa.Table.from_pandas(rows[list(NAMES[:-1])], preserve_index=False)
    with pq.ParquetWriter(path, table.schema) as writer:
        for _ in range(times):
            writer.write_table(table, row_group_size=ROW_GROUP)


def measured(folder: Path, path: Path) -> dict[str, float]:
    """Returns rows, seconds and peak of memory of the predictions of a file."""
    with tempfile.TemporaryDirectory(prefix="quintet-bench-") as name:
        began = time.perf_counter()
        rows = Rows(bundle.load(folder), str(path))
        with pq.ParquetFile(path) as file:
            rows.check(file.schema_arrow)
            parts = list(parts_of(file.metadata, ROWS_AT_ONCE))

        def keep(part: Part, answered: pa.Table) -> None:
            pq.write_table(answered, Path(name, part.name), compression="zstd")

        predict_parts(rows, read_parts(path, parts, parts, ROWS_AT_ONCE), keep, THREADS)
        seconds = time.perf_counter() - began
    return {"rows": sum(part.rows for part in parts), "seconds": seconds, "mebibytes": peak()}


def peak() -> float:
    """Returns the most memory that this program has held, in MiB."""
    # `getrusage` counts what the parent held before it became this program.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
