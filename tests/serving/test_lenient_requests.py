"""What clients send otherwise than most: HEAD, packed bodies, a byte order mark, no body at all."""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import fastapi.openapi.utils
import httpx
import pytest

import app.main
from app.encoding import unpacked
from app.predictor import LARGE_BYTES
from tests.serving.conftest import Api, Trained
from tests.serving.registry_server import Registry

Samples = list[dict[str, float | str]]
GZIP = {"Content-Encoding": "gzip"}
ROUTES = ["", "?probabilities=0"]
"""A query of the direct route, and one that is FastAPI's."""


@pytest.fixture
def served(registry: Registry, trained: dict[str, Trained], api: Callable[..., Api]) -> Api:
    registry.promote(1, trained["linear"].folder)
    return api(max_samples=1000, max_body_bytes=200_000).refresh()


def ask(served: Api, content: bytes | Iterator[bytes], query: str = "", **headers: str) -> httpx.Response:
    return served.client.post(f"/predict{query}", content=content, headers=headers)


@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/metadata", "/docs", "/redoc", "/openapi.json"])
def test_head_is_answered_as_get(served: Api, path: str) -> None:
    head, whole = (served.client.request(method, path, follow_redirects=False) for method in ("HEAD", "GET"))
    assert (head.status_code, head.headers, head.content) == (whole.status_code, whole.headers, b"")
    assert whole.status_code in (200, 307)
    assert whole.headers.get("location", "/docs") == "/docs"


def test_head_of_what_has_no_get_is_refused_and_metrics_have_one(served: Api) -> None:
    assert served.client.head("/predict").status_code == served.client.get("/predict").status_code == 405
    assert served.admin.head("/metrics").status_code == 200
    assert served.admin.head("/reload").status_code == 405
    assert 'path="/health",status="200"' not in served.admin.get("/metrics").text
    served.client.head("/health")
    assert 'path="/health",status="200"' in served.admin.get("/metrics").text


@pytest.mark.parametrize("path", ["/predict/", "/health/", "//metadata"])
def test_no_path_leads_to_another_address(served: Api, path: str) -> None:
    assert served.client.get(f"http://testserver{path}", follow_redirects=False).status_code == 404


@pytest.mark.parametrize("query", ROUTES)
@pytest.mark.parametrize("count", [1, 200], ids=["one sample", "many"])
def test_a_packed_body_gets_the_answer_of_the_plain_one(
    served: Api, samples: Samples, query: str, count: int
) -> None:
    plain = json.dumps({"samples": samples[:count]}).encode()
    assert (len(plain) > LARGE_BYTES) == (count > 1)
    expected = ask(served, plain, query)
    assert expected.status_code == 200
    packed = gzip.compress(plain)
    for content, encoding in (
        (packed, "gzip"),
        (packed, " X-GZIP"),
        (iter([packed[:100], packed[100:]]), "gzip"),
        (plain, "identity"),
        (plain, ""),
    ):
        answer = ask(served, content, query, **{"Content-Encoding": encoding})
        assert (answer.status_code, answer.content) == (200, expected.content), encoding


@pytest.mark.parametrize("query", ROUTES)
def test_what_is_wrong_in_a_packed_body_is_named_as_in_a_plain_one(
    served: Api, samples: Samples, query: str
) -> None:
    for count in (1, 200):
        body = json.dumps({"samples": [*samples[: count - 1], samples[0] | {"elevation": "high"}]}).encode()
        plain, packed = ask(served, body, query), ask(served, gzip.compress(body), query, **GZIP)
        assert (packed.status_code, packed.content) == (422, plain.content)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"samples": []}', "The body is not gzip, though its Content-Encoding says so: Error -3"),
        (zlib.compress(b"{}"), "The body is not gzip, though"),
        (b"", "The body is not all of a gzip: it ends too early."),
        (gzip.compress(b"{}")[:-4], "The body is not all of a gzip: it ends too early."),
        (gzip.compress(b"{}") + b"x", "The body is more than one gzip: pack it as a whole."),
        (gzip.compress(b"") * 5000, "The body is more than one gzip: pack it as a whole."),
        (gzip.compress(b" " * 5000)[:-1] + b"\xff", "The body is not gzip, though"),
    ],
    ids=["plain", "zlib", "nothing", "cut", "with more", "many", "damaged"],
)
def test_what_is_no_whole_gzip_is_refused(served: Api, content: bytes, problem: str) -> None:
    for query in ROUTES:
        answer = ask(served, content, query, **GZIP)
        assert answer.status_code == 400
        assert answer.json()["detail"].startswith(problem)


@pytest.mark.parametrize(("length", "status"), [(200_000, 200), (200_001, 413), (20_000_000, 413)])
def test_no_more_is_unpacked_than_a_body_may_hold(
    served: Api, samples: Samples, length: int, status: int
) -> None:
    packed = gzip.compress(json.dumps({"samples": samples[:1]}).encode().ljust(length))
    assert len(packed) < 200_000
    answer = ask(served, packed, **GZIP)
    assert answer.status_code == status
    if status == 413:
        assert answer.json() == {
            "detail": "The body is larger than 200000 bytes: send fewer samples at once."
        }
        tracemalloc.start()
        assert unpacked(packed, 200_000) is None
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip"])
def test_another_encoding_is_refused_with_the_one_that_is_taken(served: Api, encoding: str) -> None:
    for query in ROUTES:
        answer = ask(served, b"{}", query, **{"Content-Encoding": encoding})
        assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip")
        assert answer.headers["connection"] == "close"
        assert answer.json()["detail"] == (
            f"The body's Content-Encoding is {encoding!r}: send it by gzip, or as it is."
        )


@pytest.mark.parametrize("query", ROUTES)
def test_a_byte_order_mark_is_left_out(served: Api, samples: Samples, query: str) -> None:
    for body in ({"samples": samples[:1]}, {"samples": [samples[0], {}]}):
        plain = json.dumps(body).encode()
        marked = ask(served, b"\xef\xbb\xbf" + plain, query)
        expected = ask(served, plain, query)
        assert (marked.status_code, marked.content) == (expected.status_code, expected.content)


@pytest.mark.parametrize("query", ROUTES)
@pytest.mark.parametrize(
    ("content", "headers"),
    [(b"", {}), (b"\xef\xbb\xbf", {}), (gzip.compress(b""), GZIP)],
    ids=["none", "a mark alone", "nothing packed"],
)
def test_no_body_is_refused_with_what_to_send(
    served: Api, query: str, content: bytes, headers: dict[str, str]
) -> None:
    answer = ask(served, content, query, **headers)
    problem = {"type": "missing", "loc": ["body"], "msg": "The body is empty: send an object with `samples`"}
    assert (answer.status_code, answer.json()) == (422, {"detail": [problem]})


def test_the_description_is_rendered_once_for_each_champion(
    registry: Registry, trained: dict[str, Trained], api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = []

    def get_openapi(**parts: Any) -> dict[str, Any]:
        rendered.append(parts["title"])
        return fastapi.openapi.utils.get_openapi(**parts)

    monkeypatch.setattr(app.main, "get_openapi", get_openapi)
    running = api()
    for count, promote in enumerate((None, "linear", "forest"), 1):
        if promote:
            registry.promote(count, trained[promote].folder)
            running.refresh()
        answers = [running.client.get("/openapi.json") for _ in range(3)]
        assert len({each.content for each in answers}) == 1
        assert ("Sample" in answers[0].json()["components"]["schemas"]) == bool(promote)
        assert answers[0].headers["content-type"] == "application/json"
        assert len(rendered) == count


def test_the_report_follows_what_it_is_made_of(
    registry: Registry, trained: dict[str, Trained], api: Callable[..., Api]
) -> None:
    running = api()

    def report() -> tuple[Any, ...]:
        found = running.client.get("/metadata").json()
        return found["version"], found["registry"]["reachable"], found["registry"]["refused"]

    assert report() == (None, False, None)
    registry.promote(1, trained["linear"].folder)
    running.refresh()
    assert report() == report() == ("1", True, None)
    registry.promote(2, trained["forest"].folder, bundle_digest="0" * 64)
    running.refresh()
    version, reachable, refused = report()
    assert (version, reachable, refused["version"]) == ("1", True, "2")
    registry.broken = (500, b"")
    running.refresh()
    assert report()[:2] == ("1", False)
