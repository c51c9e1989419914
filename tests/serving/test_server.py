"""The API as a process: swaps under load, outages, restarts, shutdown."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx
import numpy as np
import pandas as pd

from app.settings import Settings
from tests import services
from tests.serving.conftest import TARGET, TOKEN, Server, Trained
from tests.serving.registry_server import Registry, serve

Samples = list[dict[str, float | str]]
Start = Callable[..., Server]


def test_a_swap_under_load_fails_and_mixes_nothing(
    registry: Registry, start: Start, trained: dict[str, Trained], samples: Samples
) -> None:
    frame = pd.DataFrame(samples)
    models = {"1": trained["linear"], "2": trained["forest"], "3": trained["linear"], "4": trained["forest"]}
    expected = {version: model.pipeline.predict(frame).tolist() for version, model in models.items()}
    assert expected["1"] != expected["2"]
    registry.promote(1, models["1"].folder)
    server = start(registry.url)
    assert services.wait_until(lambda: server.version() == "1", 60)
    seen: set[str] = set()
    enough = Event()

    def load() -> None:
        with httpx.Client(trust_env=False, timeout=30) as client:
            while not enough.is_set():
                answer = client.post(f"{server.url}/predict", json={"samples": samples})
                assert answer.status_code == 200, answer.text
                body = answer.json()
                assert body["digest"] == models[body["version"]].digest
                assert [each[TARGET] for each in body["predictions"]] == expected[body["version"]]
                seen.add(body["version"])

    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(load) for _ in range(4)]
        for version, model in models.items():
            registry.promote(int(version), model.folder)
            services.wait_until(lambda version=version: version in seen, 60)
        enough.set()
        for client in clients:
            client.result()
    assert seen == set(models)


def test_outage_restart_and_return(start: Start, trained: dict[str, Trained], samples: Samples) -> None:
    (port,) = services.free_ports(1)
    with serve(Registry(), port) as registry:
        registry.promote(1, trained["linear"].folder)
        server = start(registry.url)
        assert services.wait_until(lambda: server.version() == "1", 60)
        before = server.predict(samples).json()
    assert services.wait_until(lambda: not server.get("/metadata").json()["registry"]["reachable"], 15)
    assert server.predict(samples).json() == before
    server.stop()

    restarted = start(registry.url)
    assert services.wait_until(lambda: restarted.get("/ready").status_code == 200, 15)
    assert restarted.predict(samples).json() == before
    with serve(Registry(), port) as registry:
        registry.promote(2, trained["forest"].folder)
        assert services.wait_until(lambda: restarted.version() == "2", 60)


def test_a_new_champion_is_live_within_15_seconds(
    registry: Registry, start: Start, trained: dict[str, Trained]
) -> None:
    registry.promote(1, trained["linear"].folder)
    server = start(registry.url, POLL_SECONDS=str(Settings(mlflow_model_name="forest").poll_seconds))
    assert services.wait_until(lambda: server.version() == "1", 60)
    registry.promote(2, trained["forest"].folder)
    assert services.wait_until(lambda: server.version() == "2", 60)


def test_nothing_anywhere_is_not_ready(start: Start) -> None:
    (port,) = services.free_ports(1)
    server = start(f"http://127.0.0.1:{port}")
    assert services.wait_until(lambda: "does not answer" in server.get("/ready").text, 15)
    assert server.get("/ready").status_code == 503
    assert server.get("/health").status_code == 200


def test_too_many_large_requests_are_sent_away_and_probes_stay_live(
    registry: Registry, start: Start, trained: dict[str, Trained], samples: Samples
) -> None:
    registry.promote(1, trained["forest"].folder)
    server = start(registry.url, MAX_WAITING_BATCHES="1")
    assert services.wait_until(lambda: server.version() == "1", 60)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: server.predict(samples * 5), range(40)))
        codes = {answer.status_code for answer in answers}
    assert codes == {200, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "1"
    assert server.predict(samples).status_code == 200


def test_administration_has_a_port_of_its_own(
    registry: Registry, start: Start, trained: dict[str, Trained], samples: Samples
) -> None:
    server = start(registry.url, POLL_SECONDS="3600")
    assert services.wait_until(lambda: server.get("/ready").status_code == 200, 15)
    registry.promote(1, trained["linear"].folder)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert server.http.post(f"{server.admin_url}/reload", headers=headers).json()["version"] == "1"
    server.predict(samples[:2])
    metrics = server.http.get(f"{server.admin_url}/metrics").text
    assert 'inference_requests_total{path="/predict",status="200"} 1.0' in metrics
    assert server.get("/metrics").status_code == server.http.post(f"{server.url}/reload").status_code == 404


def test_requests_under_way_are_answered_at_shutdown(
    registry: Registry, start: Start, trained: dict[str, Trained], samples: Samples
) -> None:
    registry.promote(1, trained["forest"].folder)
    server = start(registry.url)
    assert services.wait_until(lambda: server.version() == "1", 60)
    sending, told = Event(), Event()

    def body() -> object:
        yield b'{"samples": ['
        sending.set()
        told.wait(15)
        yield pd.DataFrame(samples).to_json(orient="records").encode()[1:-1] + b"]}"

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.http.post, f"{server.url}/predict", content=body())
        sending.wait(15)
        os.kill(server.pid, signal.SIGTERM)
        told.set()
        assert answer.result().status_code == 200
    labels = [each[TARGET] for each in answer.result().json()["predictions"]]
    assert np.array_equal(labels, trained["forest"].pipeline.predict(pd.DataFrame(samples)))
