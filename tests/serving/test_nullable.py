"""Samples that lack a feature, of a model whose training rows lacked it too."""

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tests.serving.conftest import Api, Trained, exported
from tests.serving.registry_server import Registry

Samples = list[dict[str, float | str | None]]
HOLES = ("elevation", "soil_type")


@pytest.fixture
def of_holes(
    rows: pd.DataFrame, trained: dict[str, Trained], tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    """A forest, said to have been trained on rows of which some lack a number or a category."""
    features = rows.drop(columns="cover_type")
    for at, name in enumerate(HOLES):
        features.loc[features.index[at::20], name] = None
    return exported(trained["forest"].pipeline, features, tmp_path_factory.mktemp("bundles") / "holes")


@pytest.fixture
def client(of_holes: Trained, registry: Registry, api: Callable[..., Api]) -> Api:
    registry.promote(1, of_holes.folder)
    return api().refresh()


@pytest.mark.parametrize("query", ["probabilities=true", "probabilities=1"], ids=["direct", "FastAPI"])
def test_null_is_answered_as_the_pipeline_answers_it(
    client: Api, of_holes: Trained, samples: Samples, query: str
) -> None:
    given = [{**sample, **{HOLES[at % 2]: None}} for at, sample in enumerate(samples)]
    given[0] |= dict.fromkeys(HOLES)
    answer = client.client.post(f"/predict?{query}", json={"samples": given})
    assert answer.status_code == 200, answer.text
    shares = [list(each["probabilities"].values()) for each in answer.json()["predictions"]]
    expected = of_holes.pipeline.predict_proba(pd.DataFrame(given))
    np.testing.assert_allclose(shares, expected, rtol=0, atol=1e-12)
    complete = of_holes.pipeline.predict_proba(pd.DataFrame(samples))
    assert (expected != complete).any()
    assert all(each["unknown_categories"] == [] for each in answer.json()["predictions"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slope": None}, "sample 0, slope: Input should be a valid number"),
        ({"wilderness_area": None}, "sample 0, wilderness_area: Input should be a valid string"),
        ({"elevation": "high"}, "sample 0, elevation: Input should be a valid number"),
        ({"elevation": float("nan")}, "sample 0, elevation: Input should be a finite number"),
        ({"soil_type": 7}, "sample 0, soil_type: Input should be a valid string"),
    ],
)
def test_what_training_never_lacked_and_what_is_no_value_is_refused(
    client: Api, samples: Samples, change: dict[str, object], message: str
) -> None:
    answer = client.client.post("/predict", content=json.dumps({"samples": [samples[0] | change]}))
    assert answer.status_code == 422
    assert [each["msg"] for each in answer.json()["detail"]] == [message]


@pytest.mark.parametrize("query", ["probabilities=true", "probabilities=1", "probabilities=1&strict=true"])
def test_a_nullable_feature_that_is_left_out_is_null(client: Api, samples: Samples, query: str) -> None:
    null = [{**sample, **{HOLES[at % 2]: None}} for at, sample in enumerate(samples[:40])]
    null[0] |= dict.fromkeys(HOLES)
    absent = [{name: value for name, value in each.items() if value is not None} for each in null]
    said, left_out = (
        client.client.post(f"/predict?{query}", json={"samples": each}) for each in (null, absent)
    )
    assert (left_out.status_code, left_out.text) == (200, said.text)


def test_a_feature_that_training_never_lacked_is_refused_when_it_is_left_out(
    client: Api, samples: Samples
) -> None:
    sample = {name: value for name, value in samples[0].items() if name != "slope"}
    answer = client.client.post("/predict", json={"samples": [sample]})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["msg"] == "sample 0, slope: Field required"


def test_metadata_and_the_schema_say_which_features_may_be_null(client: Api) -> None:
    columns = client.client.get("/metadata").json()["columns"]
    assert {each["name"] for each in columns if each["nullable"]} == set(HOLES)
    sample = client.client.get("/openapi.json").json()["components"]["schemas"]["Sample"]
    fields = sample["properties"]
    assert set(fields) - set(sample["required"]) == set(HOLES)
    assert {name for name, field in fields.items() if {"type": "null"} in field.get("anyOf", [])} == set(
        HOLES
    )
    assert "null or left out where it is not known" in fields["elevation"]["description"]
