"""A model of bars: from given bars, or the latest stored, to a prediction and the bar that it stands on."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from xgboost import XGBClassifier

from app.bundle_cache import BundleCache
from app.champion import Champion
from app.main import create_app
from app.metrics import Metrics
from app.registry import Registry as RegistryClient
from app.settings import Settings
from binance.bars import BARS_FILE
from bundle import BundleRefused, Contract, Engine, Feature, Label, load
from bundle.contract import Transform
from bundle.engines import BOOSTER
from bundle.exporter import write
from bundle.transforms.bars import FEATURES, FIELDS, LEAST_BARS, bars_of, features
from stepkit.s3 import ObjectStore
from tests.serving.conftest import unproved
from tests.serving.registry_server import Registry, serve
from tests.told_bundle import sign

HOUR = 3_600_000
PARAMETERS = {"symbol": "BTCUSDT", "interval": "1h", "interval_ms": HOUR, "horizon": 2}
Client = Callable[..., TestClient]


@pytest.fixture(scope="module")
def history() -> list[dict[str, Any]]:
    """Real bars, as a client sends them; the last opens at 2023-01-17 15:00."""
    with gzip.open(BARS_FILE, "rt", newline="") as text:
        lines = [line for _, line in zip(range(400), csv.DictReader(text), strict=False)]
    return [
        {
            "open_time": int(datetime.fromisoformat(line["timestamp"]).timestamp()) * 1000,
            **{name: float(line[name]) for name in FIELDS[1:]},
        }
        for line in lines
    ]


def bundle_of(history: list[dict[str, Any]], folder: Path, **parameters: object) -> Path:
    """A small model of the real bars, whose answers differ from bar to bar."""
    values = features(bars_of(history))
    matrix = np.column_stack([values[name] for name in FEATURES])
    model = XGBClassifier(n_estimators=10, max_depth=3, nthread=1)
    model.fit(matrix, (np.arange(len(matrix)) * 7 % 11 > 5).astype(int))
    contract = Contract(
        model="bitcoin",
        target="direction",
        engine=Engine("xgboost", {}),
        features=tuple(Feature(name, "number", imputed=0.0) for name in FEATURES),
        labels=(Label(0, "down"), Label(1, "up")),
        metrics={"roc_auc": 0.5},
        data_sha256="d" * 64,
        versions={},
        transforms=(Transform("bars", {**PARAMETERS, **parameters}),),
    )
    arrays = {BOOSTER: np.frombuffer(bytes(model.get_booster().save_raw("ubj")), dtype=np.uint8)}
    write(folder, contract, arrays, pd.DataFrame(values))
    return folder


def settings_of(registry: Registry, folder: Path) -> dict[str, Any]:
    return {
        "mlflow_model_name": "forest",
        "mlflow_tracking_uri": registry.url,
        "bundle_cache_dir": folder / "cache",
    }


@pytest.fixture(scope="module")
def bundle(history: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle_of(history, tmp_path_factory.mktemp("bars") / "bundle")


@pytest.fixture
def client(tmp_path: Path, bundle: Path) -> Any:
    """Serves the model with some settings."""
    registry = Registry()
    registry.promote(1, bundle)
    with serve(registry):

        def start(**more: Any) -> TestClient:
            settings = Settings(**settings_of(registry, tmp_path), **more)
            metrics = Metrics()
            cache = BundleCache(settings.bundle_cache_dir)
            champion = Champion(settings, RegistryClient(settings), cache, metrics, unproved)
            champion.refresh()
            assert champion.model is not None, champion.refusal
            return TestClient(create_app(settings, champion, metrics))

        yield start


def predicted(client: TestClient, body: object) -> dict[str, Any]:
    answer = client.post("/predict", json=body)
    assert answer.status_code == 200, answer.text
    (prediction,) = answer.json()["predictions"]
    return dict(prediction)


def test_the_last_bars_give_what_training_would_give(
    client: Client, history: list[dict[str, Any]], bundle: Path
) -> None:
    api = client()
    served = load(bundle)
    expected = served.predict(features(bars_of(history))).probabilities
    for end in (LEAST_BARS, 250, 400):
        found = predicted(api, {"bars": history[end - LEAST_BARS : end]})
        row = expected[end - LEAST_BARS]
        assert found["probabilities"] == {"down": row[0], "up": row[1]}
        assert found["direction"] == int(row.argmax())
        assert (found["class_name"], found["probability"]) == (["down", "up"][row.argmax()], row.max())
    assert found["open_time"] == "2023-01-17T15:00:00Z"
    assert found["predicts_until"] == "2023-01-17T18:00:00Z"
    assert (found["symbol"], found["interval"], found["stored"]) == ("BTCUSDT", "1h", False)


def test_more_bars_change_nothing(client: Client, history: list[dict[str, Any]]) -> None:
    api = client()
    assert predicted(api, {"bars": history}) == predicted(api, {"bars": history[-LEAST_BARS:]})


def test_missing_bars_are_answered_and_counted(client: Client, history: list[dict[str, Any]]) -> None:
    holed = [bar for at, bar in enumerate(history) if at not in (390, 391)]
    found = predicted(client(), {"bars": holed})
    assert found["missing_bars"] == 2


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda bars: bars[1:], "119 bars are too few: the features need 120"),
        (lambda bars: [*bars[1:], bars[0]], "bar 119 opens -119 bars after bar 118"),
        (lambda bars: [*bars[:-1], {**bars[-1], "low": 10.0**9}], "bar 119 is invalid"),
        (lambda bars: [*bars[:-1], {**bars[-1], "close": -1.0}], "bar 119, close: Input should be greater"),
        (lambda bars: [{**bars[0], "depth": 1}, *bars[1:]], "bar 0, depth: Extra inputs"),
        (lambda bars: [{"open_time": 0}, *bars[1:]], "bar 0, open: Field required"),
        (lambda bars: [], "at least 1 item"),
        (
            lambda bars: [{**bars[0], "high": 1e308}, *bars[1:]],
            "bar 0, high: Input should be a number from -1e+100 to 1e+100",
        ),
        (
            lambda bars: [*bars[:-1], {**bars[-1], "volume": 1e101}],
            f"bar {LEAST_BARS - 1}, volume: Input should be a number from -1e+100 to 1e+100",
        ),
        (
            lambda bars: [{**bars[0], "open_time": 10**18}, *bars[1:]],
            "bar 0, open_time: Input should be less",
        ),
    ],
)
def test_what_are_no_bars_is_refused_with_the_bar_at_fault(
    client: Client,
    history: list[dict[str, Any]],
    spoil: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
    sentence: str,
) -> None:
    answer = client().post("/predict", json={"bars": spoil(history[-LEAST_BARS:])})
    assert answer.status_code == 422
    assert sentence in answer.json()["detail"][0]["msg"]


@pytest.mark.parametrize("body", [b"{}", b'{"bars": null}'])
def test_the_newest_stored_bars_stand_in(
    client: Client, history: list[dict[str, Any]], bucket: str, body: bytes
) -> None:
    uri = f"s3://{bucket}/latest.json"
    stored = {"symbol": "BTCUSDT", "interval": "1h", "bars": history[-200:]}
    ObjectStore().put(uri, json.dumps(stored).encode())
    api = client(model_input_uri=uri, poll_seconds=0.001)
    answer = api.post("/predict", content=body)
    (found,) = answer.json()["predictions"]
    assert found.pop("stored") is True
    given = predicted(api, {"bars": history})
    assert given.pop("stored") is False
    assert found == given

    stored["bars"] = history[-201:-1]
    ObjectStore().put(uri, json.dumps(stored).encode())
    assert predicted(api, {})["open_time"] == "2023-01-17T14:00:00Z"


def test_no_body_is_no_question_about_stored_bars(
    client: Client, history: list[dict[str, Any]], bucket: str
) -> None:
    uri = f"s3://{bucket}/latest.json"
    stored = {"symbol": "BTCUSDT", "interval": "1h", "bars": history}
    ObjectStore().put(uri, json.dumps(stored).encode())
    api = client(model_input_uri=uri)
    for body in (b"", b" ", b"null", gzip.compress(b"")):
        headers = {"Content-Encoding": "gzip"} if len(body) > 4 else {}
        assert api.post("/predict", content=body, headers=headers).status_code == 422
    (detail,) = api.post("/predict").json()["detail"]
    assert detail["msg"] == (
        "The body is empty: send an object with `bars`, or {} for the latest bars that are stored"
    )


def test_packed_bars_are_unpacked(client: Client, history: list[dict[str, Any]]) -> None:
    api = client()
    packed = gzip.compress(json.dumps({"bars": history}).encode())
    answer = api.post("/predict", content=packed, headers={"Content-Encoding": "gzip"})
    assert answer.json()["predictions"] == [predicted(api, {"bars": history})]


def test_stored_bars_outlive_their_s3(
    client: Client, history: list[dict[str, Any]], bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"s3://{bucket}/latest.json"
    stored = {"symbol": "BTCUSDT", "interval": "1h", "bars": history}
    ObjectStore().put(uri, json.dumps(stored).encode())
    api = client(model_input_uri=uri, poll_seconds=0.001)
    before = predicted(api, {})
    ObjectStore().put(uri, b"no JSON")
    assert predicted(api, {}) == before


@pytest.mark.parametrize(
    ("stored", "sentence"),
    [
        (None, "cannot be read"),
        ({"bars": 3}, "holds no bars"),
        ({"symbol": "ETHUSDT", "interval": "1h", "bars": []}, "The stored bars are of ETHUSDT 1h, the model"),
        ({"symbol": "BTCUSDT", "interval": "1h", "bars": []}, "The stored bars cannot be used: 0 bars"),
    ],
)
def test_without_usable_stored_bars_there_is_a_sentence(
    client: Client, bucket: str, stored: object, sentence: str
) -> None:
    uri = f"s3://{bucket}/latest.json"
    if stored is not None:
        ObjectStore().put(uri, json.dumps(stored).encode())
    answer = client(model_input_uri=uri).post("/predict", json={})
    assert answer.status_code == 503
    assert sentence in answer.json()["detail"]


def test_a_model_without_a_store_needs_bars(client: Client) -> None:
    answer = client().post("/predict", json={})
    assert (answer.status_code, answer.json()["detail"]) == (
        503,
        "No bars are stored for this model: give at least 120 in `bars`.",
    )


def test_the_api_describes_itself(client: Client, history: list[dict[str, Any]]) -> None:
    api = client()
    schemas = api.get("/openapi.json").json()["components"]["schemas"]
    assert set(schemas["PredictRequest"]["properties"]) == {"bars"}
    assert "open_time" in schemas["BarPrediction"]["properties"]
    report = api.get("/metadata").json()
    assert (report["engine"], report["target"]) == ("xgboost", "direction")
    ((transform, inputs),) = [(each["type"], each["inputs"]) for each in report["transforms"]]
    assert (transform, [each["name"] for each in inputs]) == ("bars", list(FIELDS))
    assert {each["made_by"] for each in report["columns"]} == {"bars"}
    predicted(api, {"bars": history})


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"horizon": "soon"}, "the transform bars: horizon is 'soon': it must be bars of at most 364 days"),
        ({"interval_ms": None}, "interval_ms is None"),
    ],
)
def test_a_transform_that_is_not_understood_is_not_served(
    tmp_path: Path, history: list[dict[str, Any]], parameters: dict[str, object], sentence: str
) -> None:
    with pytest.raises(BundleRefused, match=sentence):
        bundle_of(history, tmp_path / "refused", **parameters)
    folder = bundle_of(history, tmp_path / "bundle")
    contract = json.loads((folder / "contract.json").read_text())
    contract["transforms"][0]["parameters"] |= parameters
    (folder / "contract.json").write_text(json.dumps(contract))
    sign(folder)
    registry = Registry()
    registry.promote(1, folder)
    with serve(registry):
        settings = Settings(**settings_of(registry, tmp_path))
        cache = BundleCache(settings.bundle_cache_dir)
        champion = Champion(settings, RegistryClient(settings), cache, Metrics(), unproved)
        champion.refresh()
    assert champion.model is None
    assert champion.refusal is not None
    assert sentence in champion.refusal.reason
