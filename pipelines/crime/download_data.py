"""Downloads crimes and police stations: the whole last year the first time, then what is new or corrected."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa

from crime import crimes_file
from crime.downloads import Download, Downloads
from crime.layout import Layout
from crime.schema import KEY, RAW_COLUMNS, SCHEMA, STATION_COLUMNS
from crime.soda import PAGE_ROWS, Refreshed, Soda
from crime.window import Window
from stepkit import csv_tables, postgres
from stepkit.options import Option
from stepkit.outcomes import Code, NothingToDo, OutsideDown, RefusedInput
from stepkit.promotion.decisions import parameters_hash, refuse_repetition
from stepkit.refused_rows import MaxRefusedShare, RefusedRows
from stepkit.s3 import ObjectMissing, ObjectStore, file_sha256
from stepkit.settings import Settings
from stepkit.step import run

MAX_REFUSED_SHARE = 0.01
_BEGINNINGS = 3
_MOST_ROWS = 10_000_000
"""The portal has 8.5 million crimes of all years."""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Downloaded:
    """The window's crimes and the stations, and what is known about them."""

    date: str
    """The last day of the window, which names its files."""
    crimes_uri: str
    crimes_sha256: str
    stations_uri: str
    stations_sha256: str
    data_sha256: str
    parameters_sha256: str
    rows: int
    rows_received: int
    rows_new: int
    rows_corrected: int
    rows_refused: int
    refusals_uri: str
    """Where these rows are listed with their reasons; empty without any."""


def download_data(
    settings: Settings,
    *,
    source_url: Annotated[str, Option("base URL of the portal", env="SOURCE_API_BASE_URL")],
    socrata_app_token: Annotated[str | None, Option("token of an application at the portal")] = None,
    bucket: Annotated[str, Option("bucket of the pipeline", env="DATA_REPO_BUCKET_NAME")] = "data",
    crimes_dataset: Annotated[str, Option("id of the crimes at the portal")] = "ijzp-q8t2",
    stations_dataset: Annotated[str, Option("id of the police stations")] = "z8bn-74gv",
    months: Annotated[int, Option("complete months in the window", minimum=1, maximum=120)] = 12,
    page_rows: Annotated[int, Option("rows of one request", minimum=1, maximum=50_000)] = PAGE_ROWS,
    max_refused_share: MaxRefusedShare = MAX_REFUSED_SHARE,
    training_parameters: Annotated[dict[str, Any] | None, Option("what else decides the outcome")] = None,
) -> Downloaded:
    """Keeps the crimes of the last complete months in one file; skips when a training has had just these."""
    with postgres.transaction(settings) as rows:
        downloads = Downloads(rows, settings)
        download, former = downloads.of_this_run(), downloads.newest()
    if download is None:
        soda = Soda(source_url, socrata_app_token)
        portal = Portal(soda, crimes_dataset, stations_dataset, page_rows, max_refused_share)
        with tempfile.TemporaryDirectory() as folder:
            download = _received(settings, portal, bucket, months, former, Path(folder))
        with postgres.transaction(settings) as rows:
            Downloads(rows, settings).record(download)
    hashes = f"{download.crimes_sha256} {download.stations_sha256}"
    found = Downloaded(
        date=str(download.window.last_day),
        crimes_uri=download.crimes_uri,
        crimes_sha256=download.crimes_sha256,
        stations_uri=download.stations_uri,
        stations_sha256=download.stations_sha256,
        data_sha256=hashlib.sha256(hashes.encode()).hexdigest(),
        parameters_sha256=parameters_hash(training_parameters or {}),
        rows=download.rows,
        rows_received=download.rows_received,
        rows_new=download.rows_new,
        rows_corrected=download.rows_corrected,
        rows_refused=download.rows_refused,
        refusals_uri=refusals_uri(bucket, download) if download.rows_refused else "",
    )
    _logger.info("%s", found)
    refuse_repetition(settings, SCHEMA, found.data_sha256, found.parameters_sha256, found.crimes_uri)
    return found


@dataclass(frozen=True)
class Portal:
    """The two data sets of one portal."""

    soda: Soda
    crimes: str
    stations: str
    page_rows: int = PAGE_ROWS
    max_refused_share: float = MAX_REFUSED_SHARE

    def now(self) -> datetime:
        """Gives the time of the last refresh."""
        return self.soda.updated_at(self.crimes)

    def receive_crimes(self, condition: str, path: Path) -> RefusedRows:
        """Writes the crimes that a condition holds for to a file, and gives how many there were.

        Rows that are no crimes are counted and not written.

        Raises:
            OutsideDown: the portal is refreshed again and again, or gives fewer rows than it counts.
            RefusedInput: too many rows are no crimes.
        """

        def received() -> RefusedRows:
            expected = self.soda.count(self.crimes, condition)
            if not 0 <= expected <= _MOST_ROWS:
                raise RefusedInput(
                    f"{self.crimes} counts {str(expected)[:30]} rows, more than the {_MOST_ROWS} that there"
                    " can be: check --crimes-dataset",
                    Code.SCHEMA_CHANGED,
                    file=self.crimes,
                )
            pages = self.soda.pages(self.crimes, RAW_COLUMNS, condition, KEY, self.page_rows)
            # One more than was counted is enough to know that there are more.
            rows = itertools.islice(itertools.chain.from_iterable(pages), expected + 1)
            found = crimes_file.write_rows(rows, path, RAW_COLUMNS, crimes_file.check)
            if found.read != expected:
                raise Refreshed(f"{self.crimes} counted {expected} rows and gave {found.read}")
            found.check(self.crimes, self.max_refused_share)
            return found

        return _repeated(received)

    def receive_stations(self, path: Path) -> int:
        """Writes the police stations to a file, and gives how many there were."""
        stations = self.soda.table(self.stations)
        if not stations:
            raise RefusedInput(
                f"{self.stations} has no police stations: check --stations-dataset",
                Code.EMPTY_INPUT,
                file=self.stations,
            )
        found = crimes_file.write_rows(stations, path, STATION_COLUMNS)
        # Of some twenty stations none may be left out: crimes are put to the nearest.
        found.check(self.stations, 0.0, always_taken=0)
        return found.read


def _repeated(received: Callable[[], RefusedRows]) -> RefusedRows:
    for _ in range(_BEGINNINGS):
        try:
            return received()
        except Refreshed as change:
            reason = str(change)
            _logger.warning("%s: the download begins again", reason)
    raise OutsideDown(f"{reason}, {_BEGINNINGS} times over", Code.SOURCE_CHANGING)


def _received(
    settings: Settings, portal: Portal, bucket: str, months: int, former: Download | None, folder: Path
) -> Download:
    """Leaves the window's files in S3 and says what they are.

    What a killed try has received is not asked for again; what it has merged comes out the same, as merging
    rows twice changes nothing.
    """
    store = ObjectStore()
    as_of = portal.now()
    window = Window.before(as_of, months)
    layout = Layout(bucket, window.last_day)
    raw, stations, whole = (folder / name for name in ("crimes.csv", "police_stations.csv", "whole.csv"))
    receipt_uri = layout.monthly("receipt.json")
    receipt = _receipt(settings, store, receipt_uri)
    if receipt is not None and store.download(layout.monthly("crimes.csv"), raw) == receipt.received_sha256:
        known = _former_crimes(store, former if not receipt.is_full else None, folder)
        csv_tables.write(crimes_file.merge(known, crimes_file.read(raw), receipt.window).table, whole)
        if file_sha256(whole) == receipt.crimes_sha256:
            store.upload(whole, receipt.crimes_uri)
            return receipt
    since = former.updated_until if former else None
    follows = former is not None and since is not None and window.follows(former.window)
    known = _former_crimes(store, former if follows else None, folder)
    condition = (
        window.condition()
        if former is None or since is None or known is None
        else window.news(former.window, since)
    )
    received = portal.receive_crimes(condition, raw)
    portal.receive_stations(stations)
    merged = crimes_file.merge(known, crimes_file.read(raw), window)
    if not len(merged.table):
        raise NothingToDo(f"the portal has no crimes from {window.first} to {window.last_day}")
    csv_tables.write(merged.table, whole)
    download = Download(
        as_of=as_of,
        window_first=window.first,
        window_end=window.end,
        is_full=known is None,
        rows_received=received.read,
        rows_new=merged.new,
        rows_corrected=merged.corrected,
        rows=len(merged.table),
        updated_on=merged.updated_on,
        crimes_uri=layout.crimes,
        crimes_sha256=file_sha256(whole),
        stations_uri=layout.monthly("police_stations.csv"),
        stations_sha256=file_sha256(stations),
        received_sha256=file_sha256(raw),
        rows_refused=received.refused,
    )
    if received.refused:
        store.put(refusals_uri(bucket, download), received.report(portal.crimes), "application/json")
        _logger.warning("%d rows are refused: %s", received.refused, refusals_uri(bucket, download))
    store.upload(raw, layout.monthly("crimes.csv"))
    store.upload(stations, download.stations_uri)
    store.put(receipt_uri, _with_run(settings, download).encode(), "application/json")
    store.upload(whole, download.crimes_uri)
    return download


def refusals_uri(bucket: str, download: Download) -> str:
    """Returns where the rows are listed that a download has set aside."""
    return Layout(bucket, download.window.last_day).monthly("refused_rows.json")


def _former_crimes(store: ObjectStore, former: Download | None, folder: Path) -> pa.Table | None:
    """Gives the crimes of an earlier window; None when there are none, or they have expired."""
    if former is None:
        return None
    path = folder / "former.csv"
    try:
        store.download(former.crimes_uri, path)
    except ObjectMissing:
        _logger.warning("%s has expired: the whole window is downloaded again", former.crimes_uri)
        return None
    return crimes_file.read(path)


def _with_run(settings: Settings, download: Download) -> str:
    run = {"dag_id": settings.run.dag_id, "run_id": settings.run.run_id}
    return json.dumps({"run": run, "download": download.to_json()})


def _receipt(settings: Settings, store: ObjectStore, uri: str) -> Download | None:
    """Gives what a killed try of this run has received."""
    if not store.exists(uri):
        return None
    document = json.loads(store.get(uri))
    mine = document["run"] == {"dag_id": settings.run.dag_id, "run_id": settings.run.run_id}
    return Download.from_json(document["download"]) if mine else None


if __name__ == "__main__":
    run(download_data)
