"""`extract` against servers that speak the API's protocol well and badly, on a real S3."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

import pytest

from forest.extract import Extracted, ask, extract
from forest.tests.ingest.captures import GROUP, answer, rows
from stepkit.errors import DependencyUnavailable, InvalidInput, NothingToDo
from stepkit.http import Client, Limits
from stepkit.s3 import ObjectStore
from stepkit.settings import Run, Settings
from tests.scripted_http import Script, response, serving

SETTINGS = Settings(
    run=Run(dag_id="forest_cover_data_pipeline", run_id="scheduled__2026-11-21T10:00:00+00:00")
)
KEY = "scheduled__2026-11-21T10-00-00-00-00"
END = '{"detail": "Ya se recolectó toda la información minima necesaria"}'


def run(url: str, bucket: str, settings: Settings = SETTINGS, group: int = GROUP) -> Extracted:
    return extract(settings, source_url=url, group_number=group, bucket=bucket)


def test_the_answer_is_kept_as_received(bucket: str) -> None:
    body = answer(rows(5), batch=4) + b"\n"
    with serving(response(200, body)) as server:
        result = run(server.url + "/", bucket)
        assert server.requests == ["/data?group_number=3"]
    assert result == Extracted(
        f"s3://{bucket}/forest/raw/group-3/{KEY}/data.json", hashlib.sha256(body).hexdigest(), 5, 4, 0
    )
    assert ObjectStore().get(result.raw_uri) == body


def test_a_retry_uses_the_answer_that_is_there(bucket: str) -> None:
    with serving(response(200, answer(rows(5))), response(200, answer(rows(5, first=100)))) as server:
        assert run(server.url, bucket) == run(server.url, bucket)
        assert len(server.requests) == 1


def test_groups_whose_runs_share_an_id_do_not_share_an_answer(bucket: str) -> None:
    with serving(response(200, answer(rows(5))), response(200, answer(rows(7), group=4))) as server:
        assert run(server.url, bucket).rows == 5
        assert run(server.url, bucket, group=4).rows == 7


def test_a_refused_answer_is_kept_apart(bucket: str) -> None:
    body = b'{"error": "database is locked"}'
    with serving(response(200, body), response(200, answer(rows(5)))) as server:
        with pytest.raises(InvalidInput, match="the whole answer: ") as refused:
            run(server.url, bucket)
        assert ObjectStore().get(refused.value.file) == body
        assert refused.value.service == urlsplit(server.url).netloc
        assert run(server.url, bucket).rows == 5


def test_an_answer_for_another_group_is_refused(bucket: str) -> None:
    other = response(200, answer(rows(5), group=8))
    with serving(other) as server, pytest.raises(InvalidInput, match="for group 8, not for our group 3"):
        run(server.url, bucket)


@pytest.mark.parametrize(
    ("script", "ending", "sentence"),
    [
        (response(400, END), NothingToDo, "has served all its data"),
        (
            response(400, '{"detail": "Número de grupo inválido"}'),
            InvalidInput,
            "refuses --group-number 3: 400",
        ),
        (
            response(422, '{"detail": [{"type": "int_parsing"}]}'),
            InvalidInput,
            "refuses --group-number 3: 422",
        ),
        (response(404, "<html>"), InvalidInput, "answered 404: check --source-url"),
        (response(500, "Internal Server Error"), DependencyUnavailable, "answered 500, 2 times over"),
        (response(503), DependencyUnavailable, "answered 503, 2 times over"),
        (response(429), DependencyUnavailable, "answered 429, 2 times over"),
        (response(501), DependencyUnavailable, "answered 501"),
        (response(200, "{", length=9), DependencyUnavailable, "broke off after 1 bytes"),
        (lambda connection: connection.recv(1), DependencyUnavailable, "ReadTimeoutError"),
    ],
)
def test_each_refusal_has_its_ending(script: Script, ending: type[Exception], sentence: str) -> None:
    client = Client(Limits(attempts=2, read_timeout=0.2), sleep=lambda seconds: None)
    with serving(script) as server, pytest.raises(ending, match=sentence):
        ask(client, server.url, GROUP)
