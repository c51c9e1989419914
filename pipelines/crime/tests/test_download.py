"""Downloads from a real server into S3 and Postgres: first a year, then the news, killed and repeated."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from typing import Any
from urllib.parse import unquote_plus

import pytest

from crime import crimes_file, download_data
from crime.download_data import Downloaded
from crime.tests.conftest import Portal, serving
from crime.tests.windows import known_besides, table
from stepkit.errors import InvalidInput, NothingToDo
from stepkit.s3 import ObjectStore
from tests.roles import as_promotion
from tests.scripted_http import response
from tests.scripted_http import serving as scripted

Download = Callable[..., Downloaded]
RECORD = "SELECT run_id, is_full, rows_received, rows_new, rows_corrected, rows, crimes_sha256"


def test_the_first_run_takes_twelve_complete_months(
    download: Download, query: Callable[..., list[Any]], bucket: str, tmp_path: Path
) -> None:
    found = download()
    assert found.date == "2026-06-30"
    assert found.crimes_uri == f"s3://{bucket}/0-raw-data/data/crimes_12m_2026-06-30.csv"
    assert found.stations_uri == f"s3://{bucket}/0-raw-data/monthly-data/2026-06/police_stations.csv"
    assert ObjectStore().exists(f"s3://{bucket}/0-raw-data/monthly-data/2026-06/crimes.csv")
    crimes = table(found.crimes_uri, tmp_path)
    dates = sorted(date[:7] for date in crimes["date"].to_pylist())
    assert (dates[0], dates[-1], len(set(dates))) == ("2025-07", "2026-06", 12)
    ids = [int(value) for value in crimes["id"].to_pylist()]
    assert ids == sorted(set(ids))
    assert crimes["latitude"].null_count > 0, "what is null has no key, and is empty in the file"
    assert crimes["arrest"].unique().to_pylist() in (["false", "true"], ["true", "false"])
    (recorded,) = query(f"{RECORD} FROM crime.downloads")
    assert recorded[:3] == ("run-1", True, found.rows)


def test_a_month_later_only_the_news_are_received(
    download: Download, portal: Portal, query: Callable[..., list[Any]], tmp_path: Path
) -> None:
    year = download("run-1")
    before = {row["id"]: row for row in table(year.crimes_uri, tmp_path).to_pylist()}
    portal.wait(days=31)
    month = download("run-2")
    assert month.date == "2026-07-31"
    after = {row["id"]: row for row in table(month.crimes_uri, tmp_path).to_pylist()}
    assert min(row["date"] for row in after.values()) >= "2025-08"
    assert max(row["date"] for row in after.values()) >= "2026-07-31"
    late = [row for key, row in after.items() if key not in before and row["date"] < "2026-07"]
    changed = [key for key in before.keys() & after.keys() if before[key] != after[key]]
    assert late
    assert changed
    assert all(after[key]["updated_on"] > before[key]["updated_on"] for key in changed)
    assert month.rows_received < year.rows_received / 5
    assert (month.rows_new, month.rows_corrected) == (len(after.keys() - before.keys()), len(changed))
    assert [row[1] for row in query(f"{RECORD} FROM crime.downloads ORDER BY download_id")] == [True, False]


def test_news_end_in_the_same_rows_as_a_whole_download(
    download: Download, portal: Portal, bucket: str, settings: Any, make_database: Any
) -> None:
    download("run-1")
    portal.wait(days=31)
    by_news = download("run-2")
    fresh = settings("run-3").__class__(run=settings("run-3").run, database_url=make_database("crime"))
    whole = download_data.download_data(fresh, source_url=portal.url, bucket=bucket)
    assert whole.rows_received > by_news.rows_received
    assert whole.crimes_sha256 == by_news.crimes_sha256


def test_a_repeated_run_and_a_second_one_leave_the_same_rows(
    download: Download, query: Callable[..., list[Any]]
) -> None:
    first = download("run-1")
    assert download("run-1") == first
    second = download("run-2")
    assert (second.crimes_sha256, second.rows_new, second.rows_corrected) == (first.crimes_sha256, 0, 0)
    assert len(query(f"{RECORD} FROM crime.downloads")) == 2


@pytest.mark.parametrize("kept", [1, 2, 3, 4])
def test_killed_after_any_object_and_tried_again_it_ends_alike(
    download: Download,
    portal: Portal,
    query: Callable[..., list[Any]],
    monkeypatch: Any,
    kept: int,
    tmp_path: Path,
) -> None:
    """A kill loses what has not been written; the record, which is written last, is not there."""
    known_besides(download("run-1"), 1, tmp_path)
    portal.wait(days=31)
    written = 0

    class Killed(BaseException):
        pass

    def counted(method: Any) -> Any:
        def call(*arguments: Any) -> Any:
            nonlocal written
            if written == kept:
                raise Killed
            written += 1
            return method(*arguments)

        return call

    with monkeypatch.context() as patch:
        for name in ("upload", "put"):
            patch.setattr(ObjectStore, name, counted(getattr(ObjectStore, name)))
        patch.setattr(download_data.Downloads, "record", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            download("run-2")
    assert len(query(f"{RECORD} FROM crime.downloads")) == 1
    again = download("run-2")
    undisturbed = download("run-3")
    assert again.crimes_sha256 == undisturbed.crimes_sha256
    assert again.rows_vanished == 1
    (recorded,) = query(f"{RECORD} FROM crime.downloads WHERE run_id = 'run-2'")
    assert recorded[3] == again.rows_new > 0
    assert recorded[4] == again.rows_corrected > 0


def test_what_has_expired_is_downloaded_again(
    download: Download, bucket: str, query: Callable[..., list[Any]]
) -> None:
    first = download("run-1")
    store = ObjectStore()
    store._client.delete_object(Bucket=bucket, Key=first.crimes_uri.split("/", 3)[3])
    again = download("run-2")
    assert again.crimes_sha256 == first.crimes_sha256
    assert [row[1] for row in query(f"{RECORD} FROM crime.downloads ORDER BY download_id")] == [True, True]


def test_what_has_been_trained_on_is_skipped(
    download: Download, query: Callable[..., list[Any]], crime_database: str
) -> None:
    found = download("run-1", training_parameters={"seed": 1})
    query(
        "INSERT INTO crime.trainings (model_name, data_sha256, parameters_sha256, dag_id, run_id) VALUES"
        f" ('crime', '{found.data_sha256}', '{found.parameters_sha256}', 'etl_with_taskflow', 'run-1')"
        " RETURNING 1",
        as_promotion(crime_database),
    )
    assert download("run-1", training_parameters={"seed": 1}) == found, "its own training may be repeated"
    with pytest.raises(NothingToDo, match="run run-1 has trained on these rows"):
        download("run-2", training_parameters={"seed": 1})
    download("run-3", training_parameters={"seed": 2})


def test_a_token_that_the_portal_does_not_know_is_refused(settings: Any, bucket: str) -> None:
    with serving(rows_per_year=400, months=1, app_tokens="known") as portal:
        given = {"source_url": portal.url, "bucket": bucket, "months": 1}
        with pytest.raises(InvalidInput, match="SOCRATA_APP_TOKEN"):
            download_data.download_data(settings(), socrata_app_token="unknown", **given)
        assert download_data.download_data(settings(), socrata_app_token="known", **given).rows


def test_a_portal_that_says_later_now_and_then_gives_the_same(
    settings: Any, bucket: str, make_database: Any
) -> None:
    hashes = set()
    for every in (0, 2):
        with serving(rows_per_year=400, months=2, processing_every=every) as portal:
            fresh = settings().__class__(run=settings().run, database_url=make_database("crime"))
            given = {"source_url": portal.url, "bucket": bucket, "months": 1}
            hashes.add(download_data.download_data(fresh, **given).crimes_sha256)
    assert len(hashes) == 1


def test_texts_are_kept_as_they_look(tmp_path: Path) -> None:
    row = {
        "id": "7",
        "block": "8XX O\u2019HARE\u00a0ST\u200b,\r\nW",
        "district_name": "Ca\u0301nada \u2013 B",
    }
    crimes_file.write_rows([row], tmp_path / "rows.csv", list(row))
    assert crimes_file.read(tmp_path / "rows.csv", list(row)).to_pylist() == [
        {"id": "7", "block": "8XX O'HARE ST,\r\nW", "district_name": "Cánada - B"}
    ]


CRIME = {
    "id": "7",
    "date": "2026-06-15T00:00:00.000",
    "primary_type": "THEFT",
    "arrest": True,
    "domestic": False,
    "updated_on": "2026-07-08T00:00:00.000",
}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"arrest": None}, "row 1 with id '7': column arrest: is missing"),
        ({"id": "x7"}, "row 1 with id 'x7': column id: is not a whole number"),
        ({"arrest": "true"}, "row 1 with id '7': column arrest: is 'true', which is not true or false"),
        ({"latitude": "north"}, "row 1 with id '7': column latitude: is 'north', which is not a number"),
        ({"block": {"a": 1}}, "row 1 with id '7': column block: holds {\"a\": 1}, which is not one value"),
    ],
)
def test_what_is_no_crime_is_refused(change: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    found = crimes_file.write_rows(
        [CRIME | change], tmp_path / "rows.csv", ["id", "block"], crimes_file.check
    )
    assert (found.read, found.refused, found.reasons) == (1, 1, [sentence])
    assert (tmp_path / "rows.csv").read_text() == "id,block\n"


@contextmanager
def spoiled_portal(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Answers as the portal does that has these crimes and one police station; gives its URL."""

    def say(connection: socket) -> None:
        asked = unquote_plus(server.requests[-1])
        if "/api/views/" in asked:
            said: Any = {"rowsUpdatedAt": 1_785_000_000}
        elif "count(*)" in asked:
            said = [{"count": str(len(rows))}]
        else:
            said = rows if "ijzp-q8t2" in asked else [{"district": "1", "latitude": "41", "longitude": "-87"}]
        connection.sendall(response(200, json.dumps(said)))

    with scripted(say) as server:
        yield server.url


def test_a_row_that_is_no_crime_is_set_aside_and_the_rest_goes_in(
    settings: Any, bucket: str, query: Callable[..., list[Any]], tmp_path: Path
) -> None:
    rows = [{**CRIME, "id": str(key)} for key in range(1, 4)]
    rows[1] |= {"date": "2026-13-01T00:00:00.000"}
    with spoiled_portal(rows) as url:
        given = {"source_url": url, "bucket": bucket, "months": 1}
        found = download_data.download_data(settings(), **given)
        assert download_data.download_data(settings(), **given) == found
    assert (found.rows_received, found.rows, found.rows_refused) == (3, 2, 1)
    assert table(found.crimes_uri, tmp_path)["id"].to_pylist() == ["1", "3"]
    report = json.loads(ObjectStore().get(found.refusals_uri))
    fault = "is '2026-13-01T00:00:00.000', not a time until today of the form 2026-01-31T12:00:00"
    assert report["reasons"] == [f"row 2 with id '2': column date: {fault}"]
    assert query("SELECT rows_received, rows_refused FROM crime.downloads") == [(3, 1)]


def test_more_rows_that_are_no_crimes_than_the_share_refuse_the_download(settings: Any, bucket: str) -> None:
    rows = [{**CRIME, "id": str(key), "arrest": key > 2 or None} for key in range(1, 9)]
    with (
        spoiled_portal(rows) as url,
        pytest.raises(
            InvalidInput,
            match=r"2 of 8 rows are refused, more than --max-refused-share 0.1; the first: row 1 with id '1'",
        ),
    ):
        download_data.download_data(
            settings(), source_url=url, bucket=bucket, months=1, max_refused_share=0.1
        )
