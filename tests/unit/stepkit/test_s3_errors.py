"""How a step ends by what S3 answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from socket import socket
from typing import Any

import pytest

from stepkit.errors import Code, DependencyUnavailable, InvalidInput
from stepkit.s3 import Listed, ObjectMissing, ObjectStore
from stepkit.s3_errors import Conflict
from tests.scripted_http import ScriptedServer, response, serving

URI = "s3://bucket/forest/a"
BAD_KEY = "S3 does not take the key s3://bucket/forest/a ({}): give it a shorter name, of plain characters"
AT_WORK = "S3 is at work on another write of s3://bucket/forest/a ({})"
CLOSED = "S3 refuses access to s3://bucket/forest/a ({}): check the access key and its policy"
FULL = "S3 has no room for s3://bucket/forest/a ({}): free space or enlarge its volume"


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    """One for all, as each has a client of its own, which takes a while to make."""
    with serving(b"") as server:
        yield server


@pytest.fixture
def store(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "k")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    return ObjectStore()


def says(server: ScriptedServer, status: int, code: str) -> None:
    server.scripts = [response(status, f"<Error><Code>{code}</Code></Error>")]


@pytest.mark.parametrize(
    ("status", "answer", "ending", "code", "sentence"),
    [
        (400, "KeyTooLongError", InvalidInput, Code.INVALID_INPUT, BAD_KEY),
        (400, "XMinioInvalidObjectName", InvalidInput, Code.INVALID_INPUT, BAD_KEY),
        (400, "XMinioInvalidResourceName", InvalidInput, Code.INVALID_INPUT, BAD_KEY),
        (400, "InvalidURI", InvalidInput, Code.INVALID_INPUT, BAD_KEY),
        (409, "ConditionalRequestConflict", Conflict, Code.SERVICE_DOWN, AT_WORK),
        (409, "OperationAborted", Conflict, Code.SERVICE_DOWN, AT_WORK),
        (404, "NoSuchKey", ObjectMissing, Code.MISSING_INPUT, "there is no object at s3://bucket/forest/a"),
        (
            404,
            "NoSuchBucket",
            DependencyUnavailable,
            Code.SERVICE_DOWN,
            "there is no bucket for s3://bucket/forest/a: create it, or correct the bucket's name",
        ),
        (401, "Unauthorized", DependencyUnavailable, Code.ACCESS_REFUSED, CLOSED),
        (403, "AccessDenied", DependencyUnavailable, Code.ACCESS_REFUSED, CLOSED),
        (400, "XMinioStorageFull", DependencyUnavailable, Code.STORAGE_FULL, FULL),
        (400, "InsufficientStorage", DependencyUnavailable, Code.STORAGE_FULL, FULL),
        (400, "QuotaExceeded", DependencyUnavailable, Code.STORAGE_FULL, FULL),
        (507, "Other", DependencyUnavailable, Code.STORAGE_FULL, FULL),
        (400, "ExpiredToken", DependencyUnavailable, Code.ACCESS_REFUSED, CLOSED),
        (
            400,
            "Other",
            DependencyUnavailable,
            Code.SERVICE_DOWN,
            "S3 answered 400 Other for s3://bucket/forest/a",
        ),
    ],
)
def test_an_answer_ends_the_step_by_what_it_means(
    status: int,
    answer: str,
    ending: type[InvalidInput | DependencyUnavailable],
    code: Code,
    sentence: str,
    server: ScriptedServer,
    store: ObjectStore,
) -> None:
    says(server, status, answer)
    with pytest.raises(ending) as ended:
        store.get(URI)
    assert type(ended.value) is ending
    assert str(ended.value) == sentence.format(answer)
    assert (ended.value.code, ended.value.file, ended.value.service) == (code, URI, "s3")


@pytest.mark.parametrize("body", ["", "<Error/>", "<html>no</html>", "no", '{"error": 1}'])
@pytest.mark.parametrize("status", [400, 404, 403])
def test_an_answer_without_a_code_of_s3_is_told_by_its_status(
    status: int, body: str, server: ScriptedServer, store: ObjectStore
) -> None:
    ending, sentence = {
        400: (DependencyUnavailable, f"S3 answered 400 .*for {URI}"),
        404: (ObjectMissing, f"there is no object at {URI}"),
        403: (DependencyUnavailable, f"S3 refuses access to {URI} "),
    }[status]
    server.scripts = [response(status, body)]
    with pytest.raises(ending, match=f"^{sentence}"):
        store.get(URI)


LISTED = Listed(URI, 1, '"e1"', datetime(2026, 11, 21, tzinfo=UTC))
CALLS: dict[str, Callable[[ObjectStore, Path], Any]] = {
    "exists": lambda store, path: store.exists(URI),
    "get": lambda store, path: store.get(URI),
    "put": lambda store, path: store.put(URI, b""),
    "put_if_absent": lambda store, path: store.put_if_absent(URI, b""),
    "upload": lambda store, path: store.upload(path, URI),
    "upload_open": lambda store, path: store.upload_open(path.open("rb"), URI),
    "upload_if_absent": lambda store, path: store.upload_if_absent(path, URI),
    "download": lambda store, path: store.download(URI, path),
    "listed": lambda store, path: list(store.listed(URI)),
    "look": lambda store, path: store.look(URI),
    "copy": lambda store, path: store.copy(URI, "s3://bucket/elsewhere"),
    "move": lambda store, path: store.move(LISTED, "s3://bucket/elsewhere"),
}


@pytest.mark.parametrize("call", CALLS)
def test_each_call_names_the_object_that_it_was_about(
    call: str, server: ScriptedServer, store: ObjectStore, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    says(server, 403, "AccessDenied")
    with pytest.raises(DependencyUnavailable, match=f"^S3 refuses access to {URI} ") as refused:
        CALLS[call](store, tmp_path / "file")
    assert (refused.value.code, refused.value.file) == (Code.ACCESS_REFUSED, URI)


@pytest.mark.parametrize("ask", ["exists", "get"])
@pytest.mark.parametrize(
    ("status", "answer", "words", "ending", "code", "advice"),
    [
        (
            *(400, "AuthorizationHeaderMalformed", "the region 'us-east-1' is wrong; expecting 'eu-nl-1'"),
            *(InvalidInput, Code.INVALID_SETTING, "correct AWS_DEFAULT_REGION"),
        ),
        (
            *(403, "RequestTimeTooSkewed", "The difference between the request time and the server's time"),
            *(DependencyUnavailable, Code.SERVICE_DOWN, "the clocks of this machine and of S3 must agree"),
        ),
        (
            400,
            "InvalidRequest",
            "Missing required header: TE",
            DependencyUnavailable,
            Code.SERVICE_DOWN,
            f"for {URI}",
        ),
    ],
    ids=["region", "clock", "other"],
)
def test_a_refusal_is_told_in_the_words_of_s3(
    ask: str,
    status: int,
    answer: str,
    words: str,
    ending: type[InvalidInput | DependencyUnavailable],
    code: Code,
    advice: str,
    server: ScriptedServer,
    store: ObjectStore,
) -> None:
    def cut(connection: socket) -> None:
        content = f"<Error><Code>{answer}</Code><Message>{words}</Message></Error>"
        whole = response(status, content)
        is_head = server.received[-1].startswith(b"HEAD ")
        connection.sendall(whole.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if is_head else whole)

    server.scripts = [cut]
    with pytest.raises(ending) as ended:
        getattr(store, ask)(URI)
    assert ended.value.code == code
    assert f"{answer}: {words}" in str(ended.value)
    assert advice in str(ended.value)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_an_address_that_leads_elsewhere_is_refused_with_the_place(
    status: int, server: ScriptedServer, store: ObjectStore
) -> None:
    server.scripts = [response(status, "<html>", Location="https://s3.example.org/bucket/forest/a")]
    with pytest.raises(InvalidInput) as refused:
        store.exists(URI)
    assert str(refused.value) == (
        f"S3 answers {status} at {server.url}/bucket/forest/a, which leads to"
        " https://s3.example.org/bucket/forest/a: AWS_ENDPOINT_URL_S3 must be the URL that S3 itself"
        " answers at"
    )
    assert refused.value.code == Code.INVALID_SETTING


def test_a_long_key_is_cut_in_the_sentence_alone(server: ScriptedServer, store: ObjectStore) -> None:
    uri = "s3://bucket/" + "a" * 1000
    says(server, 400, "KeyTooLongError")
    with pytest.raises(InvalidInput) as refused:
        store.get(uri)
    assert str(refused.value).startswith(f"S3 does not take the key {uri[:300]} (KeyTooLongError)")
    assert refused.value.file == uri


def test_an_answer_that_breaks_off_is_an_outage(server: ScriptedServer, store: ObjectStore) -> None:
    server.scripts = [response(200, b"half", length=8)]
    with pytest.raises(DependencyUnavailable, match=f"S3 does not answer for {URI}: ") as down:
        store.get(URI)
    assert (down.value.code, down.value.file, down.value.service) == (Code.SERVICE_DOWN, URI, "s3")
