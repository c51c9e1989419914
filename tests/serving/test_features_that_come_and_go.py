"""Clients of two models, one of which has a feature more, through swaps from one to the other."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from bundle import Contract, Engine, Feature, Label
from bundle.exporter import write
from tests import services
from tests.serving.conftest import Api, Server
from tests.serving.registry_server import Registry

A = Feature("a", "number", imputed=0.0)
B = Feature("b", "number", imputed=4.0, nullable=True)
CLIENTS = {"a": {"a": 1.0}, "a and b": {"a": 1.0, "b": -8.0}}


def bundle_of(folder: Path, *features: Feature) -> Path:
    """A model whose answer is "more" where the sum of the features is above 0."""
    contract = Contract(
        model="forest",
        target="size",
        engine=Engine("linear", {}),
        features=features,
        labels=(Label(0, "less"), Label(1, "more")),
        metrics={},
        data_sha256="0" * 64,
        versions={},
    )
    arrays = {
        "coefficients": np.array([[0.0] * len(features), [1.0] * len(features)]),
        "intercepts": np.zeros(2),
    }
    write(folder, contract, arrays, pd.DataFrame({feature.name: [1.0, -1.0] for feature in features}))
    return folder


@pytest.fixture
def versions(tmp_path: Path) -> dict[str, Path]:
    one, two = bundle_of(tmp_path / "a", A), bundle_of(tmp_path / "a and b", A, B)
    return {"1": one, "2": two, "3": one}


def expected(version: str, client: str) -> dict[str, Any]:
    less = (version, client) == ("2", "a and b")
    return {
        "size": int(not less),
        "class_name": "less" if less else "more",
        "unknown_categories": [],
        "unknown_fields": ["b"] if client == "a and b" and version != "2" else [],
        "probabilities": None,
    }


def test_clients_of_both_models_are_answered_through_both_swaps(
    registry: Registry, start: Callable[..., Server], versions: dict[str, Path]
) -> None:
    registry.promote(1, versions["1"])
    server = start(registry.url, POLL_SECONDS="0.1")
    assert services.wait_until(lambda: server.version() == "1", 60)
    seen: set[tuple[str, str]] = set()
    enough = Event()

    def ask(name: str) -> None:
        with httpx.Client(trust_env=False, timeout=30) as client:
            while not enough.is_set():
                answer = client.post(f"{server.url}/predict", json={"samples": [CLIENTS[name]]})
                assert answer.status_code == 200, answer.text
                body = answer.json()
                assert body["predictions"] == [expected(body["version"], name)]
                seen.add((body["version"], name))

    with ThreadPoolExecutor(len(CLIENTS)) as pool:
        clients = [pool.submit(ask, name) for name in CLIENTS]
        for version, folder in versions.items():
            registry.promote(int(version), folder)
            services.wait_until(
                lambda version=version: (
                    any(client.done() for client in clients) or {(version, name) for name in CLIENTS} <= seen
                ),
                15,
            )
        enough.set()
        for client in clients:
            client.result()
    assert seen == {(version, name) for version in versions for name in CLIENTS}


@pytest.fixture
def of_a(registry: Registry, api: Callable[..., Api], versions: dict[str, Path]) -> Api:
    registry.promote(1, versions["1"])
    return api(max_body_bytes=20_000).refresh()


@pytest.mark.parametrize("rows", [1, 400], ids=["small", "large"])
@pytest.mark.parametrize("query", ["", "probabilities=0", "strict=false"])
def test_unknown_fields_are_named_where_they_are(of_a: Api, query: str, rows: int) -> None:
    samples = [{"a": 1.0}, {"z": None, "a": -1.0, "": {"deep": [1]}}, *[{"a": 2, "B": 1}] * rows]
    answer = of_a.client.post(f"/predict?{query}", json={"samples": samples})
    assert answer.status_code == 200, answer.text
    found = [(each["size"], each["unknown_fields"]) for each in answer.json()["predictions"]]
    assert found == [(1, []), (0, ["z", ""]), *[(1, ["B"])] * rows]
    metrics = of_a.admin.get("/metrics").text
    assert f"inference_unknown_fields_total {rows + 1}.0" in metrics
    assert 'inference_predictions_total{class_name="more"}' in metrics


@pytest.mark.parametrize("query", ["strict=true", "strict=1", "probabilities=true&strict=true"])
def test_unknown_fields_are_refused_when_asked_strictly(of_a: Api, query: str) -> None:
    answer = of_a.client.post(f"/predict?{query}", json={"samples": [{"a": 1.0}, {"a": 1.0, "b": 2.0}]})
    assert answer.status_code == 422
    assert answer.json()["detail"] == [
        {
            "type": "extra_forbidden",
            "loc": ["body", "samples", 1, "b"],
            "msg": "sample 1, b: Extra inputs are not permitted",
        }
    ]


def test_openapi_tells_of_unknown_fields_and_how_to_have_them_refused(of_a: Api) -> None:
    document = of_a.client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert schemas["Sample"]["additionalProperties"] is True
    assert "unknown_fields" in schemas["Sample"]["description"]
    assert schemas["PredictRequest"]["additionalProperties"] is False
    assert "unknown_fields" in schemas["Prediction"]["required"]
    parameters = {each["name"]: each for each in document["paths"]["/predict"]["post"]["parameters"]}
    assert parameters["strict"]["schema"]["default"] is False
    assert parameters["strict"]["description"]
