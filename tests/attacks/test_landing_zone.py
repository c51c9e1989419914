"""Files that people drop under names, links and kinds that mean harm, and kills while files are moved."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from excel.archive import archive
from excel.folder import SETTLED_SECONDS
from excel.manifest import LandedFile, Outcome, outcomes_to_json
from excel.parse import parse
from excel.scan import scan
from excel.tests import workbooks
from excel.tests.conftest import Landing
from stepkit import s3
from stepkit.errors import InvalidInput, NothingToDo
from stepkit.s3 import ObjectStore
from stepkit.settings import Run, Settings
from stepkit.step import MAX_RESULT_BYTES, execute
from tests import children

KILLED = -signal.SIGKILL
WIDEST = 255
"""Bytes of a part of a key, between two slashes, that a store on a file system takes."""
SECRET = b"the password of everything"
TOO_LONG = [
    pytest.param("x" * (WIDEST - 5) + ".xlsx", id="no room for the report's ending"),
    pytest.param("é" * (WIDEST // 2), id="characters of two bytes"),
    pytest.param("ab/" * 330 + "a.xlsx", id="the whole key"),
    pytest.param("a\x1b]0;owned\x07.xlsx", id="control characters"),
    pytest.param("a\u202excel.xlsx", id="a name that reads backwards"),
]


def settings(run_id: str) -> Settings:
    return Settings(run=Run(dag_id="dag", run_id=run_id))


def old(path: Path) -> Path:
    """Sets a file's time to one at which nobody writes to it any more."""
    at = path.lstat().st_mtime - 2 * SETTLED_SECONDS
    os.utime(path, (at, at), follow_symlinks=False)
    return path


def keys(bucket: str, prefix: str) -> list[str]:
    return [
        each.uri.removeprefix(f"s3://{bucket}/") for each in ObjectStore().listed(f"s3://{bucket}/{prefix}")
    ]


def drop(bucket: str, name: str, body: bytes = b"x", prefix: str = "landing_zone/") -> LandedFile:
    uri = f"s3://{bucket}/{prefix}{name}"
    store = ObjectStore()
    store.put(uri, body)
    found = store.look(uri)
    assert found
    return LandedFile.of(found, f"s3://{bucket}/{prefix}")


def refused(file: LandedFile, body: bytes = b"x") -> Outcome:
    return Outcome(file, "refused", hashlib.sha256(body).hexdigest(), ["it is not a workbook"], {})


def outcomes(bucket: str, *files: Outcome) -> str:
    uri = f"s3://{bucket}/excel/r1/outcomes.json"
    ObjectStore().put(uri, outcomes_to_json(list(files)))
    return uri


def test_a_name_that_leaves_no_room_for_its_report_keeps_no_file_behind_it(
    bucket: str, make_database: Callable[[str], str]
) -> None:
    landing = Landing(bucket, make_database("excel"))
    (name,) = TOO_LONG[0].values
    body = workbooks.daily()
    landing.drop(str(name), b"no workbook")
    landing.drop("b.xlsx", body)
    loaded, archived = landing.run("r1")
    assert (loaded.files_loaded, loaded.files_refused) == (1, 1)
    assert (archived.files_archived, archived.files_rejected) == (1, 1)
    assert landing.keys("landing_zone/") == []
    assert landing.keys("archive/") == [f"archive/{hashlib.sha256(body).hexdigest()[:17]}/b.xlsx"]


@pytest.mark.parametrize("name", TOO_LONG)
@pytest.mark.parametrize("status", ["refused", "loaded"])
def test_a_file_whose_name_makes_no_good_key_is_kept_by_a_hash_with_its_name_in_the_report(
    bucket: str, name: str, status: Any
) -> None:
    file = drop(bucket, name)
    reasons = ["it is not a workbook"] if status == "refused" else []
    uri = outcomes(bucket, Outcome(file, status, "a" * 64, reasons, {}))
    archive(settings("r1"), outcomes_uri=uri, bucket=bucket)
    prefix = "rejected/" if status == "refused" else "archive/"
    place = prefix + "a" * 17 + "/" + hashlib.sha256(name.encode()).hexdigest()
    kept = place + (".xlsx" if name.endswith(".xlsx") else "")
    assert keys(bucket, prefix) == [kept, f"{kept}.report.json"]
    assert json.loads(ObjectStore().get(f"s3://{bucket}/{kept}.report.json"))["file"] == name
    assert keys(bucket, "landing_zone/") == []


def test_many_long_names_of_rejected_files_fit_the_result_of_the_step(bucket: str, tmp_path: Path) -> None:
    files = [refused(drop(bucket, "long/" * 150 + f"{at}.xlsx")) for at in range(8)]
    result = tmp_path / "result.json"
    words = [f"--outcomes-uri={outcomes(bucket, *files)}", f"--bucket={bucket}", "--run-id=r1"]
    assert execute(archive, words, {"RESULT_PATH": str(result)}) == 0
    said = json.loads(result.read_text())
    assert said["files_rejected"] == 8
    assert 1 <= len(said["rejected"]) < 8
    assert len(result.read_bytes()) <= MAX_RESULT_BYTES


def test_a_file_that_the_store_does_not_move_stays_and_keeps_no_other(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store may take less than we know of."""
    monkeypatch.setattr(Outcome, "is_renamed", lambda *_: False)
    fault, good = drop(bucket, "a" * 250), drop(bucket, "b.xlsx")
    uri = outcomes(bucket, refused(fault), refused(good))
    with pytest.raises(InvalidInput, match=r"^a+: S3 does not take the key .* 1 files stay") as ending:
        archive(settings("r1"), outcomes_uri=uri, bucket=bucket)
    assert ending.value.exit_code == 2
    assert len(keys(bucket, "rejected/")) == 2
    assert keys(bucket, "landing_zone/") == [f"landing_zone/{fault.name}"]


def test_files_that_no_run_gets_rid_of_come_after_those_that_fewer_runs_have_taken(bucket: str) -> None:
    def taken(run: str, max_files: int) -> list[str]:
        scan(settings(run), bucket=bucket, max_files=max_files)
        manifest = json.loads(ObjectStore().get(f"s3://{bucket}/excel/{run}/manifest.json"))
        return [file["name"] for file in manifest["files"]]

    drop(bucket, "a.xlsx")
    assert taken("r1", 1) == ["a.xlsx"]
    drop(bucket, "b.xlsx")
    assert taken("r2", 1) == ["b.xlsx"]
    drop(bucket, "0.xlsx")
    assert taken("r3", 1) == ["0.xlsx"]
    assert set(taken("r4", 3)) == {"a.xlsx", "b.xlsx", "0.xlsx"}
    drop(bucket, "a.xlsx", b"another")
    assert taken("r5", 1) == ["a.xlsx"]


def test_names_of_control_characters_fit_the_result_of_parse(bucket: str, tmp_path: Path) -> None:
    body = workbooks.with_part(workbooks.daily(), "\x1b" * 480, bytes(8 << 20))
    file = drop(bucket, "\x1b" * 200, body)
    scan(settings("r1"), bucket=bucket)
    result = tmp_path / "result.json"
    words = [f"--manifest-uri=s3://{bucket}/excel/r1/manifest.json", "--index=0", "--run-id=r1"]
    assert execute(parse, words, {"RESULT_PATH": str(result)}) == 0
    assert "packed" in ObjectStore().get(f"s3://{bucket}/excel/r1/0.json").decode()
    assert file.name.startswith(json.loads(result.read_text())["name"])


def test_prices_that_the_database_refuses_keep_no_other_file_from_being_loaded(
    bucket: str, make_database: Callable[[str], str]
) -> None:
    """The reader may say of a file whatever the file made it say."""
    landing = Landing(bucket, make_database("excel"))
    landing.drop("a.xlsx", workbooks.daily(B6=1300))
    landing.drop("b.xlsx", workbooks.daily())
    scanned = landing.parsed("r1")
    store, uri = ObjectStore(), f"s3://{bucket}/excel/r1/0.parquet"
    told = pq.read_table(io.BytesIO(store.get(uri)))
    prices = pa.array([-1.0] * told.num_rows)
    written = io.BytesIO()
    pq.write_table(told.set_column(told.schema.get_field_index("price"), "price", prices), written)
    store.put(uri, written.getvalue())
    loaded = landing.load("r1", scanned)
    assert (loaded.files_loaded, loaded.files_refused, loaded.rows_new) == (1, 1, 7)
    archived = landing.archive("r1", loaded)
    report = json.loads(store.get(archived.rejected[0]))
    assert report["reasons"][0].startswith("the database refuses its prices: new row for relation")
    assert landing.keys("landing_zone/") == []


def hostile(folder: Path) -> dict[str, Path | bytes]:
    """Makes what is not a file of its own, or has no name that is text."""
    outside = folder.parent / "credentials.json"
    outside.write_bytes(SECRET)
    old(outside)
    (folder.parent / "others").mkdir()
    old_inside = folder.parent / "others" / "inside.xlsx"
    old_inside.write_bytes(SECRET)
    old(old_inside)
    made = {name: folder / f"{name}.xlsx" for name in ("link", "hard", "fifo", "socket", "loop", "nowhere")}
    made["link"].symlink_to(outside)
    made["hard"].hardlink_to(outside)
    os.mkfifo(made["fifo"])
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(made["socket"]))
    made["loop"].symlink_to(made["loop"])
    made["nowhere"].symlink_to(folder / "nothing")
    (folder / "linked").symlink_to(folder.parent / "others")
    for path in made.values():
        old(path)
    raw = os.fsencode(folder) + b"/\xff\xfe.xlsx"
    Path(os.fsdecode(raw)).write_bytes(b"x")
    old(Path(os.fsdecode(raw)))
    return {**made, "linked": folder / "linked", "no text": raw}


def test_links_pipes_and_names_that_are_no_text_are_passed_over_and_stay(bucket: str, tmp_path: Path) -> None:
    folder = tmp_path / "landing"
    folder.mkdir()
    made = hostile(folder)
    with pytest.raises(NothingToDo, match=r"\\xff\\xfe\.xlsx: its name is not UTF-8: rename it") as ending:
        scan(settings("r1"), bucket=bucket, landing_folder=folder)
    assert "link.xlsx: it is a link: put the file itself there" in str(ending.value)
    str(ending.value).encode()
    whole = folder / "zz.xlsx"
    whole.write_bytes(b"y")
    old(whole)
    scan(settings("r2"), bucket=bucket, landing_folder=folder)
    assert keys(bucket, "landing_zone/") == ["landing_zone/zz.xlsx"]
    assert not whole.exists()
    for path in made.values():
        assert os.path.lexists(path), path
    assert (tmp_path / "credentials.json").read_bytes() == SECRET


def test_a_file_that_becomes_a_link_while_it_is_looked_at_is_not_followed(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, secret = tmp_path / "landing", tmp_path / "credentials.json"
    folder.mkdir()
    secret.write_bytes(SECRET)
    old(secret)
    victim = folder / "a.xlsx"
    victim.write_bytes(b"x")
    old(victim)
    look = ObjectStore.look

    def swap(store: ObjectStore, uri: str) -> Any:
        victim.unlink(missing_ok=True)
        victim.symlink_to(secret)
        return look(store, uri)

    monkeypatch.setattr(ObjectStore, "look", swap)
    scan(settings("r1"), bucket=bucket, landing_folder=folder)
    assert ObjectStore().get(f"s3://{bucket}/landing_zone/a.xlsx") == b"x"
    assert victim.is_symlink()


def test_a_name_that_the_store_does_not_take_stays_in_the_folder_and_keeps_no_other(
    bucket: str, tmp_path: Path
) -> None:
    deep = tmp_path.joinpath(*["d" * 210] * 5)
    deep.mkdir(parents=True)
    (deep / "a.xlsx").write_bytes(b"x")
    (tmp_path / "z.xlsx").write_bytes(b"x")
    old(deep / "a.xlsx")
    old(tmp_path / "z.xlsx")
    scan(settings("r1"), bucket=bucket, landing_folder=tmp_path)
    assert keys(bucket, "landing_zone/") == ["landing_zone/z.xlsx"]
    assert (deep / "a.xlsx").exists()


def killed_after(request: int, work: Callable[[], Any]) -> None:
    """Does some work in this process, which is killed after its so-manyth answer of S3."""
    answered = 0

    def count(**_: Any) -> None:
        nonlocal answered
        answered += 1
        if answered == request:
            os.kill(os.getpid(), signal.SIGKILL)

    s3.client().meta.events.register("after-call.s3", count)
    work()


def scan_killed(request: int, bucket: str, folder: Path) -> None:
    killed_after(request, lambda: scan_folder(bucket, folder))


def scan_folder(bucket: str, folder: Path) -> None:
    scan(
        settings(folder.name),
        bucket=bucket,
        landing_folder=folder,
        landing_prefix=f"{folder.name}/",
        pipeline_prefix="runs",
    )


def archive_killed(request: int, bucket: str, uri: str) -> None:
    killed_after(request, lambda: archive(settings("r1"), outcomes_uri=uri, bucket=bucket))


def was_killed(target: Callable[..., None], *args: Any) -> bool:
    child = children.child(target, *args)
    child.start()
    child.join(60)
    assert child.exitcode in (0, KILLED)
    return child.exitcode == KILLED


def test_a_scan_killed_after_any_answer_and_tried_again_takes_each_file_once(
    bucket: str, tmp_path: Path
) -> None:
    request, killed = 0, True
    while killed:
        request += 1
        folder = tmp_path / f"zone-{request}"
        folder.mkdir()
        (folder / "a.xlsx").write_bytes(b"x")
        old(folder / "a.xlsx")
        killed = was_killed(scan_killed, request, bucket, folder)
        scan_folder(bucket, folder)
        assert list(folder.iterdir()) == []
        assert keys(bucket, f"{folder.name}/") == [f"{folder.name}/a.xlsx"]
        manifest = json.loads(ObjectStore().get(f"s3://{bucket}/runs/{folder.name}/manifest.json"))
        assert len(manifest["files"]) == 1
    assert request > 7


def test_an_archive_killed_after_any_answer_and_tried_again_moves_each_file_once(bucket: str) -> None:
    request, killed = 0, True
    while killed:
        request += 1
        zone = f"zone-{request}/"
        file = drop(bucket, "é" * 120, zone.encode(), zone)
        uri = outcomes(bucket, refused(file, zone.encode()))
        killed = was_killed(archive_killed, request, bucket, uri)
        archive(settings("r1"), outcomes_uri=uri, bucket=bucket)
        assert keys(bucket, zone) == []
        assert len(keys(bucket, "rejected/")) == 2 * request
    assert request > 4
