"""How fast `load` is, beside a bare COPY into a table with the same unique index: `python -m bench.load`.

Both take the same 100,000 typed rows into an empty table, in turns, on a Postgres of their own.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path

from forest.load import FILE_BATCH, Source, merge, read_csv
from forest.schema import TABLES, Sample
from quintet.local.databases import OWNER
from quintet.testing import shared_servers, tables
from stepkit import postgres
from stepkit.settings import Settings
from tests.services import PostgresServer

REPOSITORY = Path(__file__).resolve().parents[1]
FILE = REPOSITORY / "sources/forest_api/data/covertype.csv.gz"
TABLE = "forest.forest_cover_samples"
ROWS = 100_000
ROUNDS = 5
CAPTURED_AT = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    """Prints the median seconds of each way, and how they compare."""
    begun = time.perf_counter()
    samples = list(islice(read_csv(FILE), ROWS))
    parsing = time.perf_counter() - begun
    with shared_servers.outside_pytest():
        server = shared_servers.postgres()
        seconds: dict[str, list[float]] = {"bare COPY": [], "staging and merge": [], "all duplicates": []}
        for turn in range(ROUNDS):
            seconds["bare COPY"].append(timed(fresh(server), partial(bare_copy, samples=samples)))
            settings = fresh(server)
            for name in ("staging and merge", "all duplicates"):
                run_id = f"{name} {turn}"
                seconds[name].append(timed(settings, partial(merged, samples=samples, run_id=run_id)))
    print(f"{ROWS} rows, median of {ROUNDS} rounds; reading them from the file took {parsing:.2f} s")
    bare = statistics.median(seconds["bare COPY"])
    for name, each in seconds.items():
        median = statistics.median(each)
        print(f"{name:20} {median:6.2f} s  {bare / median:5.2f} x the speed of a bare COPY")


def fresh(server: PostgresServer) -> Settings:
    """Returns the way to a new database with the forest's empty tables."""
    template = tables.template(server, "forest")
    name = server.create_database(template, OWNER)
    return Settings(database_url=server.url(name, "forest"))


def timed(settings: Settings, work: Callable[[Settings], None]) -> float:
    """Returns the seconds that the work takes, with its connection and its commit."""
    begun = time.perf_counter()
    work(settings)
    return time.perf_counter() - begun


def bare_copy(settings: Settings, samples: list[Sample]) -> None:
    """Copies rows straight into the table: no staging, no audit, and a duplicate would be an error."""
    columns = (*TABLES[TABLE], "batch_number", "captured_at")
    with postgres.transaction(settings) as rows:
        postgres.copy(rows, TABLE, columns, ((*sample, FILE_BATCH, CAPTURED_AT) for sample in samples))


def merged(settings: Settings, samples: list[Sample], run_id: str) -> None:
    """Loads rows as the step does."""
    source = Source("bench", "bench", FILE_BATCH, CAPTURED_AT, run_id, iter(samples))
    with postgres.transaction(settings) as rows:
        merge(rows, TABLE, "bench", source)


if __name__ == "__main__":
    main()
