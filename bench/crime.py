"""The crime pipeline against its parts: the join to stations, the download, and ten times the rows.

``python3 cli/run_in.py dev -m bench.crime [join|download]`` prints one JSON object; ratios are of one run.
"""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROWS = 260_000
REPEATS = 5
REPOSITORY = Path(__file__).resolve().parents[1]


def best(work: Callable[[], Any]) -> float:
    """Returns the seconds of the fastest of some repeats, which other work on the machine disturbs least."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def join() -> dict[str, float]:
    """Joins crimes to stations, projection included, beside a bare k-d tree's query of projected places."""
    import pandas as pd
    from scipy.spatial import KDTree

    from bundle.transforms.place import projected
    from crime import places

    file = REPOSITORY / "sources/socrata/data/police_stations.csv"
    stations = places.stations_of(pd.read_csv(file, dtype="str"))
    place = stations.place
    points = np.array([station[1:] for station in stations.parameters["stations"]])
    tree = KDTree(np.column_stack(projected(*points.T)))
    found = {}
    for rows in (ROWS, 10 * ROWS):
        draw = np.random.default_rng(0)
        latitudes, longitudes = draw.uniform(41.65, 42.02, rows), draw.uniform(-87.9, -87.53, rows)
        plane = np.column_stack(projected(latitudes, longitudes))
        found[f"join_{rows}"] = best(lambda: place.nearest(latitudes, longitudes))  # noqa: B023
        found[f"tree_{rows}"] = best(lambda: tree.query(plane))  # noqa: B023
    return {
        "rows": ROWS,
        "seconds": found[f"join_{ROWS}"],
        "times_a_bare_tree": found[f"join_{ROWS}"] / found[f"tree_{ROWS}"],
        "ten_times_the_rows": found[f"join_{10 * ROWS}"] / found[f"join_{ROWS}"],
    }


def download() -> dict[str, float]:
    """Downloads and merges a year from the simulator, in a process of its own; gives its peak memory."""
    import uvicorn

    from socrata.app import create_app
    from socrata.settings import Settings

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(create_app(Settings(months=13)), log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        result = subprocess.run(
            [sys.executable, "-m", "bench.crime", "client", url],
            cwd=REPOSITORY,
            check=True,
            capture_output=True,
            text=True,
        )
        server.should_exit = True
        thread.join()
    answer: dict[str, float] = json.loads(result.stdout)
    return answer


def client(url: str) -> dict[str, float]:
    """Receives, merges and writes a year, as `download_data` does; then only reads the pages, to compare."""
    from crime import crimes_file
    from crime.portal import Portal
    from crime.schema import KEY, RAW_COLUMNS
    from crime.soda import Soda
    from crime.window import Window
    from stepkit import csv_tables

    portal = Portal(Soda(url), "ijzp-q8t2", "z8bn-74gv")
    window = Window.before(portal.now(), 12)
    with tempfile.TemporaryDirectory() as folder:
        raw, whole = Path(folder, "raw.csv"), Path(folder, "whole.csv")
        start = time.perf_counter()
        rows = portal.receive_crimes(window.condition(), raw).read
        received = time.perf_counter()
        csv_tables.write(crimes_file.merge(None, crimes_file.read(raw), window).table, whole)
        merged = time.perf_counter()
        for _ in portal.soda.pages(portal.crimes, RAW_COLUMNS, window.condition(), KEY):
            pass
        read = time.perf_counter()
    return {
        "rows": rows,
        "receive_seconds": received - start,
        "merge_seconds": merged - received,
        "times_the_source": (merged - start) / (read - merged),
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["join", "download"]
    if wanted[0] == "client":
        print(json.dumps(client(wanted[1])))
    else:
        print(json.dumps({name: {"join": join, "download": download}[name]() for name in wanted}, indent=1))
