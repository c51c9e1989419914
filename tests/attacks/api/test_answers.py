"""Answers that are not JSON, fail, tell of this network, or lead elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pandas as pd
import pytest
from fastapi import HTTPException

import bundle
from app.latest_input import MOST_BYTES, LatestInput, LatestInputUnavailableError
from app.model import ServedModel
from app.registry import ModelVersion
from bundle import BundleError, Engine, Feature, Transform, write
from bundle.transforms import made
from bundle.transforms.bars import FEATURES, LEAST_BARS
from tests import services
from tests.attacks.api.conftest import contract
from tests.serving.conftest import Api
from tests.serving.registry_server import Registry

MARKET = {"symbol": "BTCUSDT", "interval": "1h"}
HOUR = 3_600_000
LAST = 253_370_764_800_000
BARS = [
    {
        "open_time": LAST - (LEAST_BARS - at) * HOUR,
        "open": 2.0,
        "high": 3.0,
        "low": 1.0,
        "close": 2.0,
        "volume": 5.0,
    }
    for at in range(LEAST_BARS)
]


class Stored(LatestInput):
    """Stored bars that need no S3."""

    def __init__(self, bars: list[Any]) -> None:
        self._bars = bars

    def get(self, series: str) -> dict[str, Any]:
        return {**MARKET, series: self._bars}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A linear model of bars."""
    path = tmp_path_factory.mktemp("bars") / "bundle"
    parts = contract(
        engine=Engine("linear", {}),
        features=tuple(Feature(name, "number", imputed=0.0) for name in FEATURES),
        transforms=(Transform("bars", {**MARKET, "interval_ms": HOUR, "horizon": 2}),),
    )
    arrays = {"coefficients": np.zeros((2, len(FEATURES))), "intercepts": np.zeros(2)}
    write(path, parts, arrays, pd.DataFrame(np.zeros((3, len(FEATURES))), columns=list(FEATURES)))
    return path


def model(folder: Path, stored: list[Any] | None = None) -> Any:
    version = ModelVersion("forest", "1", "run1", bundle.reader.bundle_digest(folder))
    return ServedModel.load(version, folder, 10, Stored(stored) if stored is not None else None).series


def test_bars_up_to_the_year_9999_are_answered(folder: Path) -> None:
    answer, _ = model(folder).answer(json.dumps({"bars": BARS}).encode())
    assert json.loads(answer)["predictions"][0]["predicts_until"] == "9999-01-01T02:00:00Z"


@pytest.mark.parametrize(
    "spoilt",
    [
        {**BARS[-1], "open_time": LAST + 400 * 24 * HOUR},
        {**BARS[-1], "open_time": 10**400},
        {**BARS[-1], "open_time": float("inf")},
        {**BARS[-1], "open_time": None},
        {**BARS[-1], "close": 10**400},
        {**BARS[-1], "close": "2.0"},
        {**BARS[-1], "volume": float("nan")},
        {},
        5,
        None,
        [],
        "\ud800",
    ],
    ids=repr,
)
def test_stored_bars_that_are_none_are_named_in_a_503(folder: Path, spoilt: Any) -> None:
    with pytest.raises(HTTPException) as refusal:
        model(folder, [*BARS[:-1], spoilt]).answer(b"{}")
    assert refusal.value.status_code == 503
    assert refusal.value.detail.startswith("The stored bars cannot be used: ")


def test_stored_bars_may_have_more_fields_and_be_more_than_count(folder: Path) -> None:
    answer, _ = model(folder, [None, *({**bar, "trades": 7} for bar in BARS)]).answer(b"{}")
    assert json.loads(answer)["predictions"][0]["stored"] is True


@pytest.mark.parametrize(
    "parameters",
    [
        {"horizon": 10**400},
        {"horizon": 10**9},
        {"horizon": -1},
        {"horizon": True},
        {"interval_ms": 0},
        {"interval_ms": -HOUR},
        {"interval_ms": 10**13},
        {"symbol": ["BTCUSDT"]},
    ],
    ids=repr,
)
def test_parameters_that_no_date_could_follow_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="the transform bars"):
        made("bars", {**MARKET, "interval_ms": HOUR, "horizon": 2, **parameters})


@pytest.mark.parametrize("largest", [1e100, -1e100, 5e-324])
@pytest.mark.parametrize("kind", ["kernel_map", "linear"])
def test_an_answer_to_the_largest_numbers_is_json(tmp_path: Path, kind: str, largest: float) -> None:
    columns, draw = 3, np.random.default_rng(1)
    features = tuple(Feature(f"number_{at}", "number", imputed=0.0, scale=1e-100) for at in range(columns))
    arrays = {
        "landmarks": draw.normal(0, 1e100 / 9, (4, columns)),
        "normalization": draw.normal(0, 1e100 / 9, (4, 4)),
        "coefficients": draw.normal(0, 1e100 / 9, (2, columns if kind == "linear" else 4)),
        "intercepts": np.zeros(2),
    }
    used = {name: array for name, array in arrays.items() if kind == "kernel_map" or name[0] in "ci"}
    rows = pd.DataFrame(np.zeros((3, columns)), columns=[each.name for each in features])
    engine = Engine(kind, {"gamma": 1e100} if kind == "kernel_map" else {})
    digest = write(tmp_path / "bundle", contract(engine=engine, features=features), used, rows)
    loaded = ServedModel.load(ModelVersion("forest", "1", "run1", digest), tmp_path / "bundle", 10)
    samples, _ = loaded.samples.read(
        json.dumps({"samples": [{each.name: largest for each in features}]}).encode()
    )
    matrix, _ = loaded.bundle.preprocessing.apply_to_samples(samples)
    shares = loaded.bundle.probabilities(matrix)
    assert np.isfinite(shares).all()
    assert shares.sum() == pytest.approx(1)


@pytest.mark.parametrize("broken", [None, (503, b"<html>"), (200, b"<html>"), (200, b"{}")])
def test_nobody_is_told_where_the_registry_is(
    registry: Registry, api: Callable[..., Api], broken: tuple[int, bytes] | None
) -> None:
    registry.broken = broken
    (port,) = services.free_ports(1)
    changes = {} if broken else {"mlflow_tracking_uri": f"http://127.0.0.1:{port}"}
    client = api(**changes).refresh().client
    for path, status in (("/ready", 503), ("/metadata", 200)):
        answer = client.get(path)
        assert answer.status_code == status
        assert "The registry " in answer.text
        assert "127.0.0.1" not in answer.text


def test_nobody_is_told_where_stored_input_is(monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = services.free_ports(1)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the first credentials of a process
    for name, value in {
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(LatestInputUnavailableError) as refusal:
        LatestInput("s3://inner-bucket/latest.json", 5).get("bars")
    assert str(refusal.value) == "The stored bars cannot be read from S3: EndpointConnectionError"


def test_stored_input_without_end_is_not_read() -> None:
    class Endless:
        read_bytes = 0

        def get_object(self, **place: str) -> dict[str, Any]:
            return {"Body": self}

        def read(self, most: int | None = None) -> bytes:
            assert most is not None
            self.read_bytes += most
            return b" " * most

    latest, endless = LatestInput("s3://bucket/latest.json", 5), Endless()
    latest._client = endless
    with pytest.raises(LatestInputUnavailableError, match="are larger than"):
        latest.get("bars")
    assert endless.read_bytes <= MOST_BYTES + 1


@pytest.mark.parametrize("path", ["/predict/", "/metadata/", "/docs/", "/health/", "/openapi.json/"])
def test_no_redirect_leads_to_the_host_that_a_client_names(api: Callable[..., Api], path: str) -> None:
    answer = api().client.get(path, headers={"Host": "elsewhere.example"}, follow_redirects=False)
    assert answer.status_code == 404
    assert "elsewhere" not in str(answer.headers) + answer.text
