"""Asks the exchange for the bars that have closed since the last ones, and keeps them in S3 as received."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated

from bitcoin import capture
from bitcoin.capture import MAX_REFUSED_SHARE, Capture
from bitcoin.market import PAGE, Market
from bitcoin.schema import LENGTHS, Interval, moment
from stepkit import postgres
from stepkit.errors import Code, InvalidInput, NothingToDo
from stepkit.options import Option
from stepkit.refused_rows import MaxRefusedShare
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings
from stepkit.step import run

MAX_QUIET_BARS = 24
START = datetime(2023, 1, 1, tzinfo=UTC)
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Extracted:
    """Where the bars are, and which."""

    raw_uri: str
    sha256: str
    bars: int
    first: str
    last: str
    """When the first and the last of them open."""
    rows_refused: int = 0
    refusals_uri: str = ""
    """Where these rows are listed with their reasons; empty without any."""


def extract(
    settings: Settings,
    *,
    source_url: Annotated[str, Option("base URL of the exchange", env="SOURCE_API_BASE_URL")],
    symbol: Annotated[str, Option("what is traded")] = "BTCUSDT",
    interval: Annotated[Interval, Option("length of a bar")] = "1h",
    start: Annotated[datetime, Option("opening of the first bar of all", env="HISTORY_START")] = START,
    max_bars: Annotated[int, Option("about so many bars in one run at most", minimum=1)] = 50_000,
    max_refused_share: MaxRefusedShare = MAX_REFUSED_SHARE,
    max_quiet_bars: Annotated[
        int, Option("bars that may be missing at the end before a run warns", minimum=0)
    ] = MAX_QUIET_BARS,
    bucket: Annotated[str, Option("bucket of the raw answers", env="DATA_BUCKET")] = "data",
) -> Extracted:
    """Stores the closed bars after the watermark in S3, once a run: a retry uses what it finds there."""
    store = ObjectStore()
    folder = f"s3://{bucket}/bitcoin/raw/{symbol}-{interval}/{settings.run.key}"
    raw_uri, refusals_uri = f"{folder}/bars.json", f"{folder}/refused_rows.json"
    if not store.exists(raw_uri):
        since = next_opening(settings, symbol, interval, int(start.timestamp() * 1000))
        taken = take(Market(source_url), symbol, interval, since, max_bars, max_quiet_bars)
        taken.bars(f"{source_url} ({symbol} {interval})", max_refused_share)
        store.put_if_absent(raw_uri, taken.to_json(), "application/json")
    body = store.get(raw_uri)
    bars, refused = capture.read(body, raw_uri).bars(raw_uri, max_refused_share)
    first, last = (moment(bars[at].open_time).isoformat() for at in (0, -1))
    _logger.info("%d bars of %s %s from %s to %s", len(bars), symbol, interval, first, last)
    found = Extracted(raw_uri, hashlib.sha256(body).hexdigest(), len(bars), first, last)
    if not refused.refused:
        return found
    store.put(refusals_uri, refused.report(raw_uri), "application/json")
    _logger.warning("%d rows are refused: %s", refused.refused, refusals_uri)
    return replace(found, rows_refused=refused.refused, refusals_uri=refusals_uri)


def next_opening(settings: Settings, symbol: str, interval: str, start: int) -> int:
    """Returns the time of the first bar that is not in the table yet, in milliseconds since 1970."""
    with postgres.transaction(settings) as rows:
        rows.execute(
            "SELECT open_time FROM bitcoin.ingest_watermarks WHERE (symbol, interval) = (%s, %s)",
            [symbol, interval],
        )
        found = rows.fetchone()
    if found is None:
        return start
    return max(start, int(found[0].timestamp() * 1000) + LENGTHS[interval])


def take(
    market: Market,
    symbol: str,
    interval: str,
    since: int,
    max_bars: int,
    max_quiet_bars: int = MAX_QUIET_BARS,
) -> Capture:
    """Returns the bars that have closed, page by page from a time on.

    A bar in which the exchange's clock stands is left out: its numbers still change. Rows that are not bars
    are kept as they came.

    Raises:
        NothingToDo: none has closed; where more than `max_quiet_bars` should have, it warns: no run will ever
            have anything to do for a symbol that is traded no more.
        InvalidInput: a page holds no bar, or is not further on than the one before.
    """
    # Asked for before the bars: one that has closed by then is final in every answer that follows.
    server_time = market.now()
    rows: list[object] = []
    start = since
    while start <= server_time and len(rows) < max_bars:
        page = market.bars(symbol, interval, start)
        rows += [row for row in page if not _is_open(row, server_time)]
        openings = [opening for row in page if (opening := _whole(row, 0)) is not None]
        if page and not openings:
            raise InvalidInput(
                f"the exchange sent rows that are not bars: {str(page[:1])[:200]}", Code.SCHEMA_CHANGED
            )
        behind = openings[-1] + 1 if openings else start
        if len(page) < PAGE:
            break
        # A full page that is not further on would be followed by others without end; some bars are cut short.
        if behind - start < PAGE * LENGTHS[interval] // 2:
            raise InvalidInput(
                f"the exchange sent {PAGE} bars of {interval} that end at {str(page[-1][0])[:30]},"
                f" where they were asked for from {start} on: it repeats itself",
                Code.SCHEMA_CHANGED,
            )
        start = behind
    if not rows:
        found = (
            f"no bar of {symbol} {interval} has closed from {moment(since).isoformat()} on:"
            f" the exchange's clock shows {moment(server_time).isoformat(timespec='seconds')}"
        )
        quiet = (server_time - since) // LENGTHS[interval]
        if quiet > max_quiet_bars:
            found += (
                f", {quiet} bars later; if {symbol} is traded no more, set another symbol or pause the DAG"
            )
            _logger.warning("%s", found)
        raise NothingToDo(found)
    return Capture(symbol, interval, server_time, rows)


def _is_open(row: object, server_time: int) -> bool:
    closing = _whole(row, 6)
    return closing is not None and closing >= server_time


def _whole(row: object, at: int) -> int | None:
    """Returns an item of a row where it is a whole number; anything else is for the schema to judge."""
    item = row[at] if isinstance(row, list) and len(row) > at else None
    return item if isinstance(item, int) and not isinstance(item, bool) else None


if __name__ == "__main__":
    run(extract)
