"""`load` and `export` on a real Postgres and a real S3: each bar once, and every hole named."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import psycopg2
import pytest

from bitcoin.capture import Capture
from bitcoin.export import export
from bitcoin.extract import extract
from bitcoin.load import Loaded, load
from bitcoin.tests.rows import FIRST, HOUR, capture, row, rows
from bundle.transforms.bars import bars_of, check
from stepkit.errors import InvalidInput, NothingToDo
from stepkit.s3 import ObjectStore
from stepkit.settings import Run, Settings


def settings_of(database: str, run_id: str = "r1") -> Settings:
    return Settings(run=Run(dag_id="bitcoin_data_ingestion", run_id=run_id), database_url=database)


def stored(bucket: str, taken: Capture) -> str:
    uri = f"s3://{bucket}/bars.json"
    ObjectStore().put(uri, taken.to_json())
    return uri


def query(database: str, statement: str) -> list[Any]:
    connection = psycopg2.connect(database)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()
    finally:
        connection.close()


def test_bars_are_merged_once(bitcoin_database: str, bucket: str) -> None:
    first = load(settings_of(bitcoin_database), raw_uri=stored(bucket, capture(rows(30))))
    assert first == Loaded("bitcoin.bars", 30, 30, 0, 0, [])
    second = settings_of(bitcoin_database, "r2")
    uri = stored(bucket, capture(rows(30, first=20)))
    assert load(second, raw_uri=uri) == Loaded("bitcoin.bars", 30, 20, 10, 0, [])
    assert load(second, raw_uri=uri).rows_new == 20  # the same run again: what it did before
    with pytest.raises(NothingToDo, match="all 30 bars"):
        load(settings_of(bitcoin_database, "r3"), raw_uri=uri)
    counts = query(bitcoin_database, "SELECT count(*), max(open_time) FROM bitcoin.bars")
    assert counts == query(bitcoin_database, "SELECT 50::bigint, open_time FROM bitcoin.ingest_watermarks")
    assert query(bitcoin_database, "SELECT count(*) FROM bitcoin.ingest_audit") == [(3,)]


def test_the_audit_holds_why_rows_were_refused(bitcoin_database: str, bucket: str) -> None:
    taken = [*rows(3), [*row(3)[:11]], *rows(2, first=4)]
    assert load(settings_of(bitcoin_database), raw_uri=stored(bucket, capture(taken))).rows_new == 5
    audit = query(bitcoin_database, "SELECT rows_read, rows_refused, refusals FROM bitcoin.ingest_audit")
    assert audit == [(6, 1, ["row 4 has 11 items; a bar has 12"])]


def test_amounts_stay_as_exact_as_they_came(bitcoin_database: str, bucket: str) -> None:
    load(settings_of(bitcoin_database), raw_uri=stored(bucket, capture(rows(1))))
    ((found, volume, trades),) = query(
        bitcoin_database, "SELECT open::text, quote_volume::text, trades FROM bitcoin.bars"
    )
    assert [found, volume, trades] == [row(0)[1], row(0)[7], row(0)[8]]


def test_holes_are_listed(bitcoin_database: str, bucket: str) -> None:
    taken = [row(number) for number in (0, 1, 3, 4, 8)]
    loaded = load(settings_of(bitcoin_database), raw_uri=stored(bucket, capture(taken)))
    assert loaded.missing_bars == 4
    assert loaded.gaps == [
        "2023-01-01T05:00:00+00:00 to 2023-01-01T08:00:00+00:00: 3",
        "2023-01-01T02:00:00+00:00 to 2023-01-01T03:00:00+00:00: 1",
    ]


def test_an_unclosed_bar_is_refused(bitcoin_database: str, bucket: str) -> None:
    taken = Capture("BTCUSDT", "1h", FIRST + HOUR // 2, rows(1))
    with pytest.raises(InvalidInput, match=r"all; the first: row 1 column close_time: \d+ was still to come"):
        load(settings_of(bitcoin_database), raw_uri=stored(bucket, taken))


def test_what_is_no_capture_is_refused(bitcoin_database: str, bucket: str) -> None:
    uri = f"s3://{bucket}/bars.json"
    ObjectStore().put(uri, b'{"bars": []}')
    with pytest.raises(InvalidInput, match="is not a capture of bars"):
        load(settings_of(bitcoin_database), raw_uri=uri)


def test_the_role_changes_no_bar(bitcoin_database: str) -> None:
    for statement in (
        "UPDATE bitcoin.bars SET close = 1",
        "DELETE FROM bitcoin.bars",
        "CREATE TABLE bitcoin.mine ()",
        "CREATE TABLE bitcoin_optuna.mine ()",
        "DELETE FROM bitcoin_optuna.trials",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            query(bitcoin_database, statement)


def test_export_writes_all_bars_and_the_newest(bitcoin_database: str, bucket: str) -> None:
    settings = settings_of(bitcoin_database)
    load(settings, raw_uri=stored(bucket, capture(rows(40))))
    done = export(settings, latest_bars=5, bucket=bucket)
    assert (done.csv_uri, done.rows) == (f"s3://{bucket}/bitcoin/export/BTCUSDT-1h.csv", 40)
    assert done.latest_open_time == "2023-01-02T15:00:00+00:00"
    text = ObjectStore().get(done.csv_uri)
    lines = list(csv.DictReader(io.StringIO(text.decode())))
    assert (lines[0]["open_time"], lines[0]["open"]) == ("2023-01-01T00:00:00.000Z", row(0)[1])
    latest = json.loads(ObjectStore().get(done.latest_uri))
    assert (latest["symbol"], latest["interval"]) == ("BTCUSDT", "1h")
    bars = bars_of(latest["bars"])
    assert check(bars, HOUR) == 0
    assert bars["close"].tolist() == [float(row(number)[4]) for number in range(35, 40)]
    export(settings, latest_bars=5, bucket=bucket)
    assert ObjectStore().get(done.csv_uri) == text


def test_export_of_an_empty_table_has_nothing_to_do(bitcoin_database: str, bucket: str) -> None:
    with pytest.raises(NothingToDo, match="no bars of BTCUSDT 1h"):
        export(settings_of(bitcoin_database), bucket=bucket)


def test_the_real_history_from_the_exchange(
    exchange: Callable[..., str], bitcoin_database: str, bucket: str
) -> None:
    settings = settings_of(bitcoin_database)
    taken = extract(settings, source_url=exchange(REPLAY_NOW="2025-06-30T23:30:00Z"), bucket=bucket)
    loaded = load(settings, raw_uri=taken.raw_uri)
    assert (loaded.rows_new, loaded.missing_bars) == (21_886, 1)
    assert loaded.gaps == ["2023-03-24T13:00:00+00:00 to 2023-03-24T14:00:00+00:00: 1"]
