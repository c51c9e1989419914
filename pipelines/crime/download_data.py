"""Downloads crimes and police stations: the whole last year the first time, then what is new or corrected."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa

from crime import crimes_file
from crime.downloads import Download, Downloads
from crime.layout import Layout
from crime.portal import MAX_REFUSED_SHARE, Portal
from crime.receipt import Receipt
from crime.schema import SCHEMA
from crime.soda import PAGE_ROWS, Soda
from crime.window import Window
from stepkit import csv_tables, postgres
from stepkit.errors import Code, InvalidInput, NothingToDo
from stepkit.options import Option
from stepkit.promotion.decisions import parameters_hash, refuse_repetition
from stepkit.refused_rows import MaxRefusedShare
from stepkit.s3 import ObjectMissing, ObjectStore, file_sha256
from stepkit.settings import Settings
from stepkit.step import run

Vanished = Literal["remove", "keep"]
_MOST_VANISHED = 0.1
"""Share of the window's crimes that is removed at most: a portal takes single ones back."""
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
    rows_vanished: int
    """Crimes that the portal no longer has; --vanished says whether they are among the rows."""


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
    vanished: Annotated[Vanished, Option("what becomes of crimes that the portal no longer has")] = "remove",
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
            download = _received(settings, portal, bucket, months, vanished, former, Path(folder))
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
        rows_vanished=download.rows_vanished,
    )
    _logger.info("%s", found)
    refuse_repetition(settings, SCHEMA, found.data_sha256, found.parameters_sha256, found.crimes_uri)
    return found


def _received(
    settings: Settings,
    portal: Portal,
    bucket: str,
    months: int,
    vanished: Vanished,
    former: Download | None,
    folder: Path,
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
    receipt = Receipt.find(store, receipt_uri, settings)
    if receipt and store.download(layout.monthly("crimes.csv"), raw) == receipt.download.received_sha256:
        download = receipt.download
        known = _former_crimes(store, former if not download.is_full else None, folder)
        table = crimes_file.merge(known, crimes_file.read(raw), download.window).table
        csv_tables.write(crimes_file.without(table, receipt.removed), whole)
        if file_sha256(whole) == download.crimes_sha256:
            store.upload(whole, download.crimes_uri)
            return download
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
    gone = _vanished(portal, window, merged.table, vanished) if known is not None else []
    removed = gone if vanished == "remove" else []
    merged = replace(merged, table=crimes_file.without(merged.table, removed))
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
        rows_vanished=len(gone),
    )
    if received.refused:
        store.put(refusals_uri(bucket, download), received.report(portal.crimes), "application/json")
        _logger.warning("%d rows are refused: %s", received.refused, refusals_uri(bucket, download))
    store.upload(raw, layout.monthly("crimes.csv"))
    store.upload(stations, download.stations_uri)
    Receipt(download, removed).write(store, receipt_uri, settings)
    store.upload(whole, download.crimes_uri)
    return download


def _vanished(portal: Portal, window: Window, table: pa.Table, policy: Vanished) -> list[int]:
    """Returns the crimes of the window that the portal no longer has, by their ids.

    Raises:
        InvalidInput: it lacks so many that to remove them would be wrong.
    """
    ids = table["id"].cast(pa.int64()).to_pylist()
    gone = portal.vanished(window.condition(), ids)
    if not gone:
        return gone
    found = f"{portal.crimes} no longer has {len(gone)} of {len(ids)} crimes that it had, the first {gone[0]}"
    if policy == "remove" and len(gone) > _MOST_VANISHED * len(ids):
        raise InvalidInput(
            f"{found}: look at the portal; --vanished keep (VANISHED) lets them stay",
            Code.SCHEMA_CHANGED,
            file=portal.crimes,
        )
    _logger.warning("%s: %s", found, "they are removed" if policy == "remove" else "they stay")
    return gone


def refusals_uri(bucket: str, download: Download) -> str:
    """Returns where the rows are listed that a download has set aside."""
    return Layout(bucket, download.window.last_day).monthly("refused_rows.json")


def _former_crimes(store: ObjectStore, former: Download | None, folder: Path) -> pa.Table | None:
    """Returns the crimes of an earlier window; None when there are none, or they have expired."""
    if former is None:
        return None
    path = folder / "former.csv"
    try:
        store.download(former.crimes_uri, path)
    except ObjectMissing:
        _logger.warning("%s has expired: the whole window is downloaded again", former.crimes_uri)
        return None
    return crimes_file.read(path)


if __name__ == "__main__":
    run(download_data)
