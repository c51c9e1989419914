"""How fast, and in how much memory, 310 MB of SIPSA's XML are merged: ``python -m bench.sipsa``.

Staging is put beside the least that it could be: lxml's iterparse and a COPY of the texts, unchecked, into a
table of text.
"""

import gzip
import hashlib
import multiprocessing
import os
import re
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from lxml import etree

from quintet.local.databases import OWNER
from quintet.testing import shared_servers, tables
from sipsa.extract import extract
from sipsa.merge import merge
from sipsa.schema import BOGOTA, REPORTS
from sipsa.stage import stage
from sipsa_ws import soap
from sipsa_ws.history import Histories
from sipsa_ws.quotes import Quotes
from stepkit import postgres
from stepkit.errors import NothingToDo
from stepkit.s3 import ObjectStore
from stepkit.settings import Run, Settings
from tests.sources.sipsa_server import sipsa_server

OPERATION: Literal["promediosSipsaParcial"] = "promediosSipsaParcial"
NOW = datetime(2026, 9, 29, 15, tzinfo=BOGOTA)
WHOLE, TENTH = date(2020, 2, 1), date(2026, 2, 1)
REPEATS = 2


def main() -> None:
    """Print the seconds and the peak memory of each step, and what they come to beside the bare ones."""
    with shared_servers.outside_pytest(), TemporaryDirectory() as folder:
        database, store = shared_servers.postgres(), shared_servers.s3()
        os.environ.update(store.environment)
        bucket = store.create_bucket()
        template = tables.template(database, "sipsa")
        name = database.create_database(template, OWNER)
        columns = ", ".join(f"{column} text" for column in REPORTS[OPERATION].names)
        database.execute(f"CREATE TABLE bare ({columns}); GRANT ALL ON bare TO sipsa", name)
        url = database.url(name, "sipsa")
        answers = {start: _answer(start, Path(folder, f"{start}.xml.gz"), bucket) for start in (WHOLE, TENTH)}
        with sipsa_server(REPLAY_NOW=NOW.isoformat()) as server:
            taken, memory = _measured(_extract, server.url, bucket)
        print(f"extract {taken:6.1f} s, {memory:4.0f} MiB: {answers[WHOLE][3] / 1e6:.0f} MB of XML")
        least: dict[tuple[str, date], float] = {}
        # One after another, so that a busy moment of the machine falls on all of them alike.
        for number in range(REPEATS):
            for start, (path, uri, sha256, _) in answers.items():
                for kind, work in (
                    ("bare", (_bare, url, str(path))),
                    ("stage", (_stage, url, uri, sha256, f"r{number}")),
                ):
                    seconds, memory = _measured(*work)
                    least[kind, start] = min(seconds, least.get((kind, start), seconds))
                    print(f"{kind:7} {seconds:6.1f} s, {memory:4.0f} MiB, history from {start}", flush=True)
        for run_id, first_day, rows in (("r0", "1990-01-01", "new"), ("r1", "1990-01-02", "the same")):
            # Another first day makes another answer of it, which is merged again.
            _measured(_stage, url, *answers[WHOLE][1:3], run_id, first_day)
            seconds, memory = _measured(_merge, url, run_id)
            print(f"merge   {seconds:6.1f} s, {memory:4.0f} MiB, all rows {rows}", flush=True)
    print(f"stage is {least['bare', WHOLE] / least['stage', WHOLE]:.2f} times as fast as the bare ones")
    print(f"ten times the rows take {least['stage', WHOLE] / least['stage', TENTH]:.1f} times as long")


def _answer(start: date, path: Path, bucket: str) -> tuple[Path, str, str, int]:
    """Write an answer to a file and to S3, and return both, its sha256, and its size unpacked."""
    size = 0
    with gzip.open(path, "wb", 1) as file:
        for piece in soap.answer(OPERATION, Histories(Quotes(), start).answer(OPERATION, NOW)):
            size += file.write(piece)
    uri = f"s3://{bucket}/{path.name}"
    ObjectStore().upload(path, uri)
    return path, uri, hashlib.sha256(path.read_bytes()).hexdigest(), size


def _measured(work: Callable[..., None], *arguments: Any) -> tuple[float, float]:
    """Do the work in a process of its own; return its seconds, without the start, and its peak MiB."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_timed, (work, *arguments))


def _timed(work: Callable[..., None], *arguments: Any) -> tuple[float, float]:
    began = time.monotonic()
    work(*arguments)
    seconds = time.monotonic() - began
    # Not getrusage: its peak begins with that of the process that started this one.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return seconds, int(peak) / 1024


def _extract(url: str, bucket: str) -> None:
    extract(
        Settings(run=Run(dag_id="bench", run_id="r0")), operation=OPERATION, source_url=url, bucket=bucket
    )


def _bare(url: str, path: str) -> None:
    names = REPORTS[OPERATION].names

    def rows() -> Iterator[list[str | None]]:
        with gzip.open(path) as file:
            for _, element in etree.iterparse(file, events=("end",), tag="return", huge_tree=True):
                yield [child.text for child in element]
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]

    with postgres.transaction(Settings(database_url=url)) as cursor:
        cursor.execute("TRUNCATE bare")
        postgres.copy(cursor, "bare", names, rows())


def _stage(url: str, uri: str, sha256: str, run_id: str, start: str = "1990-01-01") -> None:
    stage(
        Settings(run=Run(dag_id="bench", run_id=run_id), database_url=url),
        operation=OPERATION,
        raw_uri=uri,
        raw_sha256=sha256,
        run_after=NOW,
        historical_start_date=date.fromisoformat(start),
    )


def _merge(url: str, run_id: str) -> None:
    try:
        merge(Settings(run=Run(dag_id="bench", run_id=run_id), database_url=url), operation=OPERATION)
    except NothingToDo:
        return


if __name__ == "__main__":
    main()
