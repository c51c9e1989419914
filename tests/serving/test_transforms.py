"""A model whose transforms tell place and time: a client sends coordinates and a time stamp."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bundle
from bundle.exporter import columns_of
from tests.serving.conftest import Api
from tests.serving.registry_server import Registry
from tests.told_bundle import rows, samples_of, written

SAMPLE = {"occurred_at": "2026-07-04T21:30:00", "latitude": 41.9, "longitude": -87.63, "kind": "THEFT"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("bundles") / "told")


@pytest.fixture
def client(registry: Registry, api: Callable[..., Api], told: Path) -> Any:
    registry.promote(1, told)
    running = api(max_samples=100).refresh()
    assert running.champion.model is not None, running.champion.refusal
    return running.client


def shares(answer: Any) -> list[list[float]]:
    assert answer.status_code == 200, answer.text
    return [list(each["probabilities"].values()) for each in answer.json()["predictions"]]


@pytest.mark.parametrize("query", ["probabilities=true", "probabilities=1&strict=1"])
def test_what_a_client_knows_gets_the_answer_of_the_features_of_training(
    client: Any, told: Path, query: str
) -> None:
    frame = rows(60)
    expected = bundle.load(told).predict(columns_of(frame)).probabilities
    samples = samples_of(frame)
    assert "latitude" not in samples[9]
    together = shares(client.post(f"/predict?{query}", json={"samples": samples}))
    np.testing.assert_allclose(together, expected, rtol=0, atol=1e-12)
    alone = [shares(client.post(f"/predict?{query}", json={"samples": [each]}))[0] for each in samples[:12]]
    np.testing.assert_allclose(alone, expected[:12], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"occurred_at": "today"}, "unusable_input", "'today' is not a time: write 2026-06-26T19:30:00"),
        ({"occurred_at": "2026-07-04"}, "unusable_input", "'2026-07-04' has no time of day: write"),
        ({"occurred_at": None}, "string_type", "Input should be a valid string"),
        ({"latitude": "north"}, "float_type", "Input should be a valid number"),
        ({"longitude": 1e200}, "less_than_equal", "Input should be a number from -1e+100 to 1e+100"),
    ],
)
def test_an_input_that_cannot_be_used_is_named(
    client: Any, change: dict[str, Any], kind: str, message: str
) -> None:
    ((field, _),) = change.items()
    for query in ("", "probabilities=1"):
        answer = client.post(f"/predict?{query}", json={"samples": [SAMPLE, SAMPLE | change]})
        assert answer.status_code == 422
        (detail,) = answer.json()["detail"]
        assert (detail["type"], detail["loc"]) == (kind, ["body", "samples", 1, field])
        assert detail["msg"].startswith(f"sample 1, {field}: {message}")


def test_a_time_is_required_and_a_place_is_not(client: Any) -> None:
    untimed = {name: value for name, value in SAMPLE.items() if name != "occurred_at"}
    answer = client.post("/predict", json={"samples": [untimed]})
    assert answer.json()["detail"][0]["msg"] == "sample 0, occurred_at: Field required"
    nowhere = [SAMPLE | place for place in ({"latitude": None}, {"latitude": 0, "longitude": 0})]
    first, second = shares(client.post("/predict?probabilities=true", json={"samples": nowhere}))
    assert first == second, "what is outside of the bounds counts as not known"


def test_a_feature_that_a_transform_makes_is_a_clients_unknown_field(client: Any) -> None:
    """There is one way that a feature comes about: what a client says of it is reported, and not read."""
    body = {"samples": [SAMPLE | {"season": "Winter", "station_distance_m": 1.0}]}
    answer = client.post("/predict?probabilities=true", json=body)
    assert shares(answer) == shares(client.post("/predict?probabilities=true", json={"samples": [SAMPLE]}))
    assert answer.json()["predictions"][0]["unknown_fields"] == ["season", "station_distance_m"]
    strict = client.post("/predict?strict=true", json=body)
    assert [each["type"] for each in strict.json()["detail"]] == ["extra_forbidden"] * 2


def test_the_api_describes_what_a_client_sends(client: Any) -> None:
    report = client.get("/metadata").json()
    inputs = {each["type"]: [field["name"] for field in each["inputs"]] for each in report["transforms"]}
    assert inputs == {"place": ["latitude", "longitude"], "times": ["occurred_at"]}
    made = {each["name"]: each["made_by"] for each in report["columns"]}
    assert (made["season"], made["latitude"], made["kind"]) == ("times", "place", None)
    sample = client.get("/openapi.json").json()["components"]["schemas"]["Sample"]
    assert set(sample["properties"]) == set(SAMPLE)
    assert set(sample["required"]) == {"occurred_at", "kind"}
    assert "ISO 8601" in sample["properties"]["occurred_at"]["description"]
