"""Objects on a real S3 server, and an S3 server that is down, full or closed to us."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from stepkit.errors import Code, DependencyUnavailable, InvalidInput
from stepkit.s3 import ObjectMissing, ObjectStore
from tests.scripted_http import response, serving


@pytest.fixture
def folder(bucket: str) -> str:
    return f"s3://{bucket}/forest"


def refusal(code: str) -> str:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"


def test_an_object_comes_back_with_its_digest(folder: str) -> None:
    store = ObjectStore()
    assert store.put(f"{folder}/a", b"bytes") == hashlib.sha256(b"bytes").hexdigest()
    assert store.get(f"{folder}/a") == b"bytes"
    assert store.exists(f"{folder}/a")
    assert not store.exists(f"{folder}/b")


def test_a_file_travels_both_ways(folder: str, tmp_path: Path) -> None:
    content = bytes(range(256)) * 50_000
    (tmp_path / "up").write_bytes(content)
    store = ObjectStore()
    sent = store.upload(tmp_path / "up", f"{folder}/file")
    received = store.download(f"{folder}/file", tmp_path / "down")
    assert sent == received == hashlib.sha256(content).hexdigest()
    assert (tmp_path / "down").read_bytes() == content


def test_of_writers_at_once_one_puts_the_object(folder: str) -> None:
    stores = [ObjectStore() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        wrote = list(
            pool.map(lambda n: stores[n].put_if_absent(f"{folder}/once", f"writer {n}".encode()), range(4))
        )
    assert sum(wrote) == 1
    assert stores[0].get(f"{folder}/once") == f"writer {wrote.index(True)}".encode()


def test_a_file_is_written_once(folder: str, tmp_path: Path) -> None:
    (tmp_path / "first").write_bytes(b"first")
    (tmp_path / "second").write_bytes(b"second")
    store = ObjectStore()
    wrote = [store.upload_if_absent(tmp_path / name, f"{folder}/once") for name in ("first", "second")]
    assert wrote == [True, False]
    assert store.get(f"{folder}/once") == b"first"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Of tenacity, which then waits for none of them."""
    waited: list[float] = []
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=waited.append))
    return waited


@pytest.mark.parametrize("way", ["put", "upload"])
@pytest.mark.parametrize(("at_last", "wrote"), [(response(200), True), (412, False)])
def test_a_write_that_meets_another_is_tried_again(
    tmp_path: Path,
    folder: str,
    monkeypatch: pytest.MonkeyPatch,
    waits: list[float],
    way: str,
    at_last: bytes | int,
    wrote: bool,
) -> None:
    (tmp_path / "file").write_bytes(b"bytes")
    conflict = response(409, refusal("ConditionalRequestConflict"))
    end = at_last if isinstance(at_last, bytes) else response(at_last, refusal("PreconditionFailed"))
    with serving(conflict, conflict, end) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        store = ObjectStore()
        if way == "put":
            assert store.put_if_absent(f"{folder}/once", b"bytes") is wrote
        else:
            assert store.upload_if_absent(tmp_path / "file", f"{folder}/once") is wrote
        assert len(server.requests) == 3
        assert all(request.endswith(b"bytes") for request in server.received)
    assert len(waits) == 2


def test_writes_that_never_settle_are_a_store_that_is_down(
    folder: str, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    with serving(response(409, refusal("ConditionalRequestConflict"))) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        with pytest.raises(DependencyUnavailable, match=r"S3 is at work on another write of .*/once"):
            ObjectStore().put_if_absent(f"{folder}/once", b"bytes")
        assert len(server.requests) == 6


def test_a_missing_object_is_named(folder: str) -> None:
    with pytest.raises(ObjectMissing, match=f"no object at {folder}/none"):
        ObjectStore().get(f"{folder}/none")


@pytest.mark.parametrize("uri", ["data/key", "s3://bucket", "s3:///key", "http://bucket/key"])
def test_what_is_no_uri_is_refused(folder: str, uri: str) -> None:
    with pytest.raises(InvalidInput, match="is not an S3 URI"):
        ObjectStore().get(uri)


@pytest.mark.usefixtures("bucket")
def test_a_missing_bucket_is_named() -> None:
    with pytest.raises(DependencyUnavailable, match="there is no bucket for s3://nowhere-at-all/key"):
        ObjectStore().get("s3://nowhere-at-all/key")


@pytest.fixture
def a_file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"bytes")
    return tmp_path / "file"


def test_a_wrong_key_is_said(folder: str, a_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(DependencyUnavailable, match=r"refuses access to .*: check the access key") as refused:
        ObjectStore().put(f"{folder}/a", b"")
    assert (
        refused.value.fields.items()
        >= {"code": "ACCESS_REFUSED", "file": f"{folder}/a", "service": "s3"}.items()
    )
    with pytest.raises(DependencyUnavailable, match=r"refuses access to .*: check the access key"):
        ObjectStore().upload(a_file, f"{folder}/a")


@pytest.mark.parametrize("code", ["XMinioStorageFull", "InsufficientStorage"])
def test_a_full_store_is_said(folder: str, a_file: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    with serving(response(507, refusal(code))) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        with pytest.raises(DependencyUnavailable, match="has no room for") as full:
            ObjectStore().put(f"{folder}/a", b"bytes")
        assert full.value.code == Code.STORAGE_FULL
        with pytest.raises(DependencyUnavailable, match="has no room for"):
            ObjectStore().upload(a_file, f"{folder}/a")


def test_the_parts_of_a_file_that_a_full_store_took_are_given_up(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"
    (tmp_path / "large").write_bytes(bytes(9 << 20))
    with serving(response(200, begun), response(507, refusal("XMinioStorageFull"))) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        with pytest.raises(DependencyUnavailable, match="has no room for"):
            ObjectStore().upload(tmp_path / "large", f"{folder}/large")
        assert server.requests[-1].endswith("/forest/large?uploadId=u1")


def test_a_store_that_is_not_there_is_down(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(b"") as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    with pytest.raises(DependencyUnavailable, match="S3 does not answer"):
        ObjectStore().exists(f"{folder}/a")


def test_missing_credentials_are_named(folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(InvalidInput, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        ObjectStore().get(f"{folder}/a")


def test_a_key_may_hold_what_a_url_gives_a_meaning(folder: str) -> None:
    store = ObjectStore()
    store.put(f"{folder}/día #2?a=b.xls", b"bytes")
    assert store.get(f"{folder}/día #2?a=b.xls") == b"bytes"
    assert [each.uri for each in store.listed(f"{folder}/")] == [f"{folder}/día #2?a=b.xls"]


def test_an_object_is_moved_once_and_its_successor_is_left(folder: str) -> None:
    store = ObjectStore()
    store.put(f"{folder}/in/a", b"first")
    (first,) = store.listed(f"{folder}/in/")
    assert (first.size, store.look(f"{folder}/in/b")) == (5, None)
    assert store.move(first, f"{folder}/out/a")
    assert store.move(first, f"{folder}/out/a")
    assert store.look(f"{folder}/in/a") is None
    store.put(f"{folder}/in/a", b"second")
    assert not store.move(first, f"{folder}/out/a")
    assert (store.get(f"{folder}/in/a"), store.get(f"{folder}/out/a")) == (b"second", b"first")
