"""Behaviour under more load than there is time for, and at the end of a process."""

import asyncio
import json
import os
import signal
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from bench.serving.load import Load, finish, write_requests
from bench.serving.load import start as start_load
from tests import services
from tests.serving.conftest import Server, Trained
from tests.serving.registry_server import Registry

Samples = list[dict[str, float | str]]
Start = Callable[..., Server]
SECONDS = 2


@pytest.fixture
def requests(tmp_path: Path, samples: Samples) -> Callable[[int], Path]:
    """Writes requests of so many rows for the load generator."""

    def write(rows: int) -> Path:
        path = tmp_path / f"{rows}.requests"
        bodies = [json.dumps({"samples": (samples * 5)[at : at + rows]}).encode() for at in range(100)]
        write_requests(path, "/predict", bodies)
        return path

    return write


@pytest.fixture
def serve_forest(start: Start, registry: Registry, trained: dict[str, Trained]) -> Callable[..., Server]:
    def run(**environment: str) -> Server:
        registry.promote(1, trained["forest"].folder)
        server = start(registry.url, **environment)
        assert services.wait_until(lambda: server.version() == "1", 60)
        return server

    return run


def port(server: Server) -> int:
    return int(server.url.rpartition(":")[2])


def test_too_many_small_requests_get_429_at_once_and_the_rest_is_answered(
    serve_forest: Callable[..., Server], requests: Callable[[int], Path]
) -> None:
    server = serve_forest(MAX_WAITING_REQUESTS="4")
    overloaded = finish(start_load(port(server), 64, SECONDS, requests(1)))
    assert overloaded.statuses.keys() == {"200", "429"}
    assert overloaded.statuses["200"] > 100
    recovered = finish(start_load(port(server), 2, 1, requests(1)))
    assert recovered.statuses.keys() == {"200"}
    metrics = server.http.get(f"{server.admin_url}/metrics").text
    assert 'inference_requests_total{path="/predict",status="429"}' in metrics


def test_a_refused_small_request_says_when_to_come_again(
    serve_forest: Callable[..., Server], samples: Samples
) -> None:
    server = serve_forest(MAX_WAITING_REQUESTS="1")

    async def ask() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=64)
        async with httpx.AsyncClient(trust_env=False, timeout=30, limits=limits) as client:
            rounds = [
                client.post(f"{server.url}/predict", json={"samples": samples[:1]}) for _ in range(64 * 5)
            ]
            return await asyncio.gather(*rounds)

    answers = asyncio.run(ask())
    assert Counter(each.status_code for each in answers).keys() == {200, 429}
    refused = next(each for each in answers if each.status_code == 429)
    assert refused.headers["retry-after"] == "1"
    assert refused.json() == {"detail": "Too many requests are waiting: try again in a second."}


def test_large_bodies_do_not_hold_up_single_rows(
    serve_forest: Callable[..., Server], requests: Callable[[int], Path]
) -> None:
    server = serve_forest()
    single, large = requests(1), requests(800)
    batches = start_load(port(server), 4, SECONDS + 1, large)
    beside: Load = finish(start_load(port(server), 2, SECONDS, single))
    whole = finish(batches)
    assert beside.statuses.keys() == whole.statuses.keys() == {"200"}
    # Four clients keep the thread busy all the time: in its queue a row would wait for three of four bodies.
    assert beside.p50_ms < whole.p50_ms / 2


def test_a_connection_that_is_open_at_sigterm_gets_one_more_answer(
    serve_forest: Callable[..., Server], samples: Samples
) -> None:
    server = serve_forest(DRAIN_SECONDS="20")
    with httpx.Client(trust_env=False, timeout=30) as client:
        before = client.post(f"{server.url}/predict", json={"samples": samples[:1]})
        assert "connection" not in before.headers
        os.kill(server.pid, signal.SIGTERM)

        def says_farewell() -> bool:
            answer = client.post(f"{server.url}/predict", json={"samples": samples[:1]})
            assert answer.json() == before.json()
            return answer.headers.get("connection") == "close"

        assert services.wait_until(says_farewell, 15)
    server.http.close()

    def is_gone() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port(server))) != 0

    assert services.wait_until(is_gone, 10)
