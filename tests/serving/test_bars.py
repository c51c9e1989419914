"""A model whose features are made from price bars: what it asks for, answers and refuses."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bundle
from bundle.contract import Transform
from bundle.transforms import bars
from tests.serving.conftest import Api
from tests.serving.registry_server import Registry

HOUR = 3_600_000
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def rows() -> Rows:
    """200 hourly bars of a random walk."""
    generator = np.random.default_rng(5)
    closes = 100 * np.exp(np.cumsum(generator.normal(0, 0.01, 201)))
    return [
        {
            "open_time": at * HOUR,
            "open": closes[at],
            "high": max(closes[at : at + 2]) * 1.001,
            "low": min(closes[at : at + 2]) * 0.999,
            "close": closes[at + 1],
            "volume": float(generator.uniform(1, 9)),
        }
        for at in range(200)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A linear model of the bars' features."""
    coefficients = np.random.default_rng(3).normal(size=(2, len(bars.FEATURES)))
    contract = bundle.Contract(
        model="forest",
        target="direction",
        engine=bundle.Engine("linear", {}),
        features=tuple(bundle.Feature(name, "number", imputed=0.0) for name in bars.FEATURES),
        labels=(bundle.Label(0, "down"), bundle.Label(1, "up")),
        metrics={},
        data_sha256="0" * 64,
        versions={},
        transform=Transform("bars", {"interval_ms": HOUR}),
    )
    path = tmp_path_factory.mktemp("bars") / "bundle"
    arrays = {"coefficients": coefficients, "intercepts": np.zeros(2)}
    bundle.write(path, contract, arrays, pd.DataFrame(0.5, index=range(3), columns=bars.FEATURES))
    return path


@pytest.fixture
def client(registry: Registry, api: Callable[..., Api], folder: Path) -> Any:
    registry.promote(1, folder)
    made = api().refresh()
    assert made.champion.refusal is None
    return made.client


def test_the_last_bars_features_decide(client: Any, rows: Rows, folder: Path) -> None:
    answer = client.post("/predict?probabilities=true", json={"bars": rows})
    assert answer.status_code == 200, answer.text
    (prediction,) = answer.json()["predictions"]
    features = bars.features(bars.bars_of(rows))
    expected = bundle.load(folder).predict({name: values[-1:] for name, values in features.items()})
    assert prediction["direction"] == expected.labels[0]
    assert list(prediction["probabilities"].values()) == pytest.approx(expected.probabilities[0].tolist())
    enough = client.post("/predict?probabilities=true", json={"bars": rows[-bars.LEAST_BARS :]})
    assert enough.json() == answer.json()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda rows: rows[-3:], "at least 120 items"),
        (lambda rows: [*rows[:-1], rows[-1] | {"high": 0.1}], "bar 199 is none"),
        (lambda rows: rows[::-1], "the oldest first"),
        (
            lambda rows: [*rows[:-1], rows[-1] | {"close": "1"}],
            "bar 199, close: Input should be a valid number",
        ),
        (lambda rows: [*rows[:-1], {**rows[-1], "trades": 1}], "bar 199, trades: Extra inputs"),
    ],
)
def test_what_is_no_series_of_bars_is_refused(
    client: Any, rows: Rows, change: Callable[[Rows], Rows], sentence: str
) -> None:
    answer = client.post("/predict", json={"bars": change(rows)})
    assert answer.status_code == 422
    assert sentence in answer.json()["detail"][0]["msg"]


def test_openapi_and_metadata_say_that_bars_are_asked_for(client: Any) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["PredictRequest"]["required"] == ["bars"]
    assert list(schemas["Bar"]["properties"]) == list(bars.FIELDS)
    assert client.get("/metadata").json()["transform"] == {
        "type": "bars",
        "parameters": {"interval_ms": HOUR},
    }


def test_an_unknown_transform_is_refused(
    registry: Registry, api: Callable[..., Api], folder: Path, tmp_path: Path
) -> None:
    opened = bundle.load(folder)
    other = replace(opened.contract, transform=Transform("candles", {}))
    path = tmp_path / "other"
    arrays = {name: np.load(folder / f"arrays/{name}.npy") for name in ("coefficients", "intercepts")}
    bundle.write(path, other, arrays, pd.DataFrame(opened.smoke["columns"]))
    registry.promote(1, path)
    refusal = api().refresh().champion.refusal
    assert refusal is not None
    assert "'candles'; this API knows bars" in refusal.reason
