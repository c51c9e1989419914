"""What reading a workbook costs beside the reader library alone: ``python -m bench.excel``.

Each is timed in turn, in one process without garbage collection, as a step reads; the best of several.
`whole` adds that a step reads in a process apart.
"""

import gc
import io
import resource
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from python_calamine import CalamineWorkbook

from excel import reader
from excel.parse import to_parquet
from excel.weekly import PRICES, SHEETS
from quintet.paths import PLATFORM

SAMPLES = PLATFORM / "pipelines" / "excel" / "samples"
TIMES = 7
ROWS = 500
"""In each of the eight sheets of the smaller of two workbooks that differ in size alone."""


def main() -> None:
    """Print a table of the real workbooks, and one of what ten times the rows cost."""
    gc.disable()
    print(f"{'workbook':42} {'rows':>6} {'library':>9} {'read':>9} {'ratio':>6} {'Parquet':>9} {'whole':>8}")
    for path in sorted(SAMPLES.glob("*.xls*")):
        show(path.name, path.read_bytes(), path)
    once, tenfold = (_best(partial(reader.read, made(rows)), 3) for rows in (ROWS, 10 * ROWS))
    print(f"ten times the rows: {tenfold / once:.1f} times the time ({once:.3f} s, {tenfold:.3f} s)")
    peaks = [
        resource.getrusage(who).ru_maxrss >> 10 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    print(f"peak memory: {peaks[0]} MB here, {peaks[1]} MB in the process apart")


def show(name: str, body: bytes, path: Path) -> None:
    """Print the line of one workbook; times are in milliseconds."""
    found = reader.read(body)
    assert found.layout is not None  # noqa: S101 - a sample is of a layout
    layout = found.layout
    library, ours = _best(lambda: read_by_library(body)), _best(lambda: reader.read(body))
    parquet = _best(lambda: to_parquet(found, layout))
    whole = _best(lambda: reader.read_apart(path), 3)
    print(
        f"{name:42} {len(found.rows):6} {library * 1e3:9.1f} {ours * 1e3:9.1f} {ours / library:6.2f}"
        f" {parquet * 1e3:9.1f} {whole * 1e3:8.0f}"
    )


def read_by_library(body: bytes) -> list[list[list[Any]]]:
    """Read every sheet of a workbook with the library alone."""
    book = CalamineWorkbook.from_filelike(io.BytesIO(body))
    return [book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in book.sheet_names]


def made(rows: int) -> bytes:
    """Make a weekly workbook with this many rows in each sheet."""
    book = Workbook(write_only=True)
    title = "Boletín semanal precios mayoristas - 1 al 7 de mayo de 2021"
    book.create_sheet("Índice").append([title])
    for name in SHEETS:
        sheet = book.create_sheet(name)
        sheet.append([title])
        sheet.append([f"{name}. Grupo"])
        sheet.append(["Producto", "Mercado mayorista", "Pesos por kilogramo", None, None, "Tendencia*"])
        sheet.append([None, None, *PRICES.values()])
        for row in range(rows):
            sheet.append([f"Producto {name} {row % 100}", f"Mercado {row // 100}", 900 + row, 2e5, 1e5, "+"])
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def _best(work: Callable[[], object], times: int = TIMES) -> float:
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


if __name__ == "__main__":
    main()
