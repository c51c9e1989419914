"""Each bad body gets, to the letter, what FastAPI answers, whichever of the two routes takes it."""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from app.direct import QUERIES
from tests.serving.conftest import Api, Trained
from tests.serving.registry_server import Registry

Samples = list[dict[str, float | str]]
BODIES = 200
# FastAPI reads them as the direct route's, which does not take them.
THROUGH_FASTAPI = {"": "probabilities=0", "strict=true": "strict=1"}
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 10**400, 1e308, float("nan"), float("inf"), "", "7", " C7745 ", "é\u0000😀"),
    *([], [1], {}, {"elevation": 1}),
)


def changed(samples: Samples, draw: random.Random) -> Any:
    """Returns a body with one to three faults, some of which are not faults."""
    body: dict[str, Any] = {
        "samples": [dict(draw.choice(samples)) for _ in range(draw.choice((0, 1, 1, 3, 12)))]
    }
    for _ in range(draw.randint(1, 3)):
        sample = draw.choice(body["samples"]) if body["samples"] else {}
        names = sorted(samples[0])
        match draw.randrange(6):
            case 0:
                sample.pop(draw.choice(names), None)
            case 1 | 2:
                sample[draw.choice(names)] = draw.choice(VALUES)
            case 3:  # refused only when asked strictly
                sample[draw.choice(("altitude", "", "Elevation"))] = draw.choice(VALUES)
            case 4:
                body[draw.choice(("sample", "samples"))] = draw.choice(VALUES)
                if not isinstance(body["samples"], list) or not all(
                    isinstance(each, dict) for each in body["samples"]
                ):
                    return body
            case 5:
                body["samples"] = [*body["samples"], draw.choice(VALUES)]
                return body
    return body


def contents(samples: Samples) -> list[bytes]:
    draw = random.Random(6)  # noqa: S311 - the same bodies every time
    written = [json.dumps(changed(samples, draw)).encode() for _ in range(BODIES)]
    broken = [
        text[: draw.randrange(len(text))] + draw.choice((b"", b"}", b",", b"\xff", b"\x00", b"[[[["))
        for text in written[:100]
    ]
    return [*written, *broken, b"", b"null", b"[]", b"NaN", b"\xef\xbb\xbf{}", b'{"samples": ' + b"[" * 3000]


@pytest.fixture
def api_of_a_forest(api: Callable[..., Api], registry: Registry, trained: dict[str, Trained]) -> Api:
    registry.promote(1, trained["forest"].folder)
    return api(max_samples=10, max_body_bytes=20_000).refresh()


@pytest.mark.parametrize("query", THROUGH_FASTAPI)
def test_bad_bodies_get_the_same_answer_from_both_routes(
    api_of_a_forest: Api, samples: Samples, query: str
) -> None:
    assert query.encode() in QUERIES
    assert THROUGH_FASTAPI[query].encode() not in QUERIES
    statuses, unknown = set(), set()
    for content in contents(samples):
        direct, fastapi = (
            api_of_a_forest.client.post(f"/predict?{each}", content=content)
            for each in (query, THROUGH_FASTAPI[query])
        )
        assert (direct.status_code, direct.text) == (fastapi.status_code, fastapi.text), content
        assert direct.headers == fastapi.headers, content
        statuses.add(direct.status_code)
        if direct.status_code == 200:
            unknown.update(*(each["unknown_fields"] for each in direct.json()["predictions"]))
    assert statuses == {200, 422}
    assert unknown == (set() if query else {"altitude", "", "Elevation"})


@pytest.mark.parametrize("query", [each.decode() for each in QUERIES])
def test_the_direct_route_reads_a_query_as_fastapi_does(
    api_of_a_forest: Api, samples: Samples, query: str
) -> None:
    fastapi_query = query.replace("true", "1").replace("false", "0") + "&other"
    for change in ({}, {"altitude": 1}):
        direct, fastapi = (
            api_of_a_forest.client.post(f"/predict?{each}", json={"samples": [samples[0] | change]})
            for each in (query, fastapi_query)
        )
        assert (direct.status_code, direct.text) == (fastapi.status_code, fastapi.text)


def test_a_body_too_large_gets_the_same_answer_from_both_routes(
    api_of_a_forest: Api, samples: Samples
) -> None:
    direct, fastapi = (
        api_of_a_forest.client.post(f"/predict?{query}", json={"samples": samples[:200]})
        for query in ("", THROUGH_FASTAPI[""])
    )
    assert direct.status_code == fastapi.status_code == 413
    assert direct.text == fastapi.text


def test_without_a_model_both_routes_say_the_same(api: Callable[..., Api], samples: Samples) -> None:
    client = api().client
    direct, fastapi = (
        client.post(f"/predict?{query}", json={"samples": samples[:1]}) for query in ("", THROUGH_FASTAPI[""])
    )
    assert direct.status_code == fastapi.status_code == 503
    assert (direct.text, direct.headers) == (fastapi.text, fastapi.headers)


@pytest.mark.parametrize("query", ["probabilities=perhaps", "probabilities=true&probabilities=no"])
def test_other_queries_are_fastapis(api_of_a_forest: Api, samples: Samples, query: str) -> None:
    answer = api_of_a_forest.client.post(f"/predict?{query}", json={"samples": samples[:1]})
    assert answer.status_code in (200, 422)
    if answer.status_code == 422:
        assert answer.json()["detail"][0]["loc"] == ["query", "probabilities"]


def test_other_methods_are_refused_and_trailing_paths_are_none(api_of_a_forest: Api) -> None:
    assert api_of_a_forest.client.get("/predict").status_code == 405
    assert api_of_a_forest.client.post("/predict/x").status_code == 404
