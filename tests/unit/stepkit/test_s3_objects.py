"""What objects on a real S3 server carry, whichever way they came there, and what is asked of a server."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stepkit.errors import Code, DependencyUnavailable, InvalidInput
from stepkit.s3 import ObjectStore, client, split
from tests.scripted_http import ScriptedServer, response, serving

BODY = b"some bytes"
DIGEST = hashlib.sha256(BODY).hexdigest()
OCTETS, JSON = "application/octet-stream", "application/json"
CONFLICT = "<Error><Code>ConditionalRequestConflict</Code></Error>"
CHANGED = "<Error><Code>PreconditionFailed</Code></Error>"
FOUND = response(200, ETag='"e1"', Last_Modified="Sat, 21 Nov 2026 10:00:00 GMT")
COPIED = response(200, "<CopyObjectResult><ETag>e1</ETag></CopyObjectResult>")


@pytest.fixture
def folder(bucket: str) -> str:
    return f"s3://{bucket}/forest"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(BODY)
    return tmp_path / "file"


def head(uri: str) -> Any:
    bucket, key = split(uri)
    return client().head_object(Bucket=bucket, Key=key)


def upload_open(store: ObjectStore, uri: str, path: Path) -> str:
    with path.open("rb") as opened:
        digest = store.upload_open(opened, uri)
        assert opened.seek(0) == 0
        assert opened.read() == BODY
    return digest


Way = Callable[[ObjectStore, str, Path], Any]


@pytest.mark.parametrize(
    ("write", "content_type", "given"),
    [
        (lambda store, uri, path: store.put(uri, BODY), OCTETS, DIGEST),
        (lambda store, uri, path: store.put(uri, BODY, JSON), JSON, DIGEST),
        (lambda store, uri, path: store.put_if_absent(uri, BODY), OCTETS, True),
        (lambda store, uri, path: store.put_if_absent(uri, BODY, JSON), JSON, True),
        (lambda store, uri, path: store.upload(path, uri), None, DIGEST),
        (upload_open, None, DIGEST),
        (lambda store, uri, path: store.upload_if_absent(path, uri), OCTETS, True),
        (lambda store, uri, path: store.upload_if_absent(path, uri, JSON), JSON, True),
    ],
)
def test_each_way_to_write_leaves_the_bytes_and_their_hash(
    folder: str, file: Path, write: Way, content_type: str | None, given: Any
) -> None:
    store = ObjectStore()
    assert write(store, f"{folder}/a", file) == given
    assert store.get(f"{folder}/a") == BODY
    found = head(f"{folder}/a")
    assert found["Metadata"] == {"sha256": DIGEST}
    assert content_type in (None, found["ContentType"])


def test_what_is_there_already_stays(folder: str, file: Path) -> None:
    store = ObjectStore()
    store.put(f"{folder}/a", b"first")
    assert store.put_if_absent(f"{folder}/a", BODY) is False
    assert store.upload_if_absent(file, f"{folder}/a") is False
    assert store.get(f"{folder}/a") == b"first"


def test_a_listing_shows_what_begins_alike_in_order(folder: str) -> None:
    store = ObjectStore()
    for name, body in (("in/b", b"22"), ("in/a", b"1"), ("out/c", b"333")):
        store.put(f"{folder}/{name}", body)
    listed = list(store.listed(f"{folder}/in/"))
    assert [(each.uri, each.size) for each in listed] == [(f"{folder}/in/a", 1), (f"{folder}/in/b", 2)]
    assert listed[0].etag != listed[1].etag
    assert all(abs(datetime.now(UTC) - each.modified) < timedelta(minutes=5) for each in listed)
    assert [store.look(each.uri) for each in listed] == listed
    assert list(store.listed(f"{folder}/none/")) == []


def test_a_copy_has_the_bytes_and_their_hash_and_replaces(folder: str) -> None:
    store = ObjectStore()
    store.put(f"{folder}/a", BODY, JSON)
    store.put(f"{folder}/b", b"before")
    store.copy(f"{folder}/a", f"{folder}/b")
    assert store.get(f"{folder}/b") == store.get(f"{folder}/a") == BODY
    assert head(f"{folder}/b")["Metadata"] == {"sha256": DIGEST}


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    """One for all, as each has a client of its own, which takes a while to make."""
    with serving(b"") as server:
        yield server


@pytest.fixture
def moved(server: ScriptedServer, folder: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., bool]:
    """Moves an object that was listed, while the server answers so."""
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    server.requests, server.received = [], []

    def run(*answers: bytes) -> bool:
        server.scripts = [FOUND, *answers]
        store = ObjectStore()
        listed = store.look(f"{folder}/in/a")
        assert listed
        return store.move(listed, f"{folder}/out/a")

    return run


def test_a_move_takes_only_what_was_listed(moved: Any, server: ScriptedServer, bucket: str) -> None:
    assert moved(FOUND, COPIED, response(204)) is True
    copy, delete = server.received[2:]
    assert copy.startswith(f"PUT /{bucket}/forest/out/a ".encode())
    assert f"\r\nx-amz-copy-source: {bucket}/forest/in/a\r\n".encode() in copy
    assert b'\r\nx-amz-copy-source-if-match: "e1"\r\n' in copy
    assert delete.startswith(f"DELETE /{bucket}/forest/in/a ".encode())
    assert b'\r\nIf-Match: "e1"\r\n' in delete


@pytest.mark.parametrize("name", ["a+b %2B%20c", "100% ñ😀", "e\u0301 #1?x=y&z;", "<&> 'q' \"r\"\n"])
def test_a_name_of_any_characters_is_listed_and_moved_as_it_is(folder: str, name: str) -> None:
    store = ObjectStore()
    store.put(f"{folder}/in/{name}", BODY)
    (found,) = store.listed(f"{folder}/in/")
    assert found.uri == f"{folder}/in/{name}"
    assert store.move(found, f"{folder}/out/{name}")
    assert store.get(f"{folder}/out/{name}") == BODY
    assert list(store.listed(f"{folder}/in/")) == []


@pytest.mark.parametrize(
    ("answers", "left"),
    [
        ([response(404)], True),
        ([response(200, ETag='"e2"', Last_Modified="Sat, 21 Nov 2026 10:00:00 GMT")], False),
        ([FOUND, response(412, CHANGED), FOUND], False),
        ([FOUND, response(412, CHANGED), response(404)], True),
        ([FOUND, response(404), response(404)], True),
        ([FOUND, COPIED, response(412, CHANGED), FOUND], False),
        ([FOUND, response(409, CONFLICT), COPIED, response(204)], True),
    ],
)
def test_a_move_says_whether_the_object_has_left(
    moved: Any, server: ScriptedServer, answers: list[bytes], left: bool
) -> None:
    assert moved(*answers) is left
    assert len(server.requests) == 1 + len(answers)


@pytest.mark.parametrize(
    ("uri", "parts"),
    [("s3://b/k", ("b", "k")), ("s3://b/a/b?c#d", ("b", "a/b?c#d")), ("s3://b//", ("b", "/"))],
)
def test_a_uri_has_a_bucket_and_a_key(uri: str, parts: tuple[str, str]) -> None:
    assert split(uri) == parts


@pytest.mark.parametrize("uri", ["", "b/k", "s3://", "s3://b", "s3://b/", "s3:///k", "S3://b/k", "s3:/b/k"])
def test_what_is_no_uri_is_a_wrong_setting(uri: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        split(uri)
    assert str(refused.value) == f"{uri!r} is not an S3 URI: write s3://bucket/key"
    assert refused.value.code is Code.INVALID_SETTING


def test_a_client_is_made_once_for_each_environment(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = client()
    monkeypatch.setenv("NO_AWS_VARIABLE", "1")
    assert client() is first
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    assert client() is not first


def test_a_busy_store_is_asked_again_four_times_without_what_other_servers_lack(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=waits.append))
    with serving(response(503, "<Error><Code>SlowDown</Code></Error>")) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        with pytest.raises(DependencyUnavailable, match=f"S3 answered 503 SlowDown for {folder}/a") as down:
            ObjectStore().put(f"{folder}/a", BODY)
    assert (down.value.code, down.value.file, down.value.service) == (Code.SERVICE_DOWN, f"{folder}/a", "s3")
    assert len(server.requests) == 1 + len(waits) == 5
    assert all(request.endswith(b"\r\n\r\n" + BODY) for request in server.received)
    assert not any(b"checksum" in request.lower() for request in server.received)
