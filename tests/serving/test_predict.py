"""What /predict answers, and what it refuses."""

import json
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bundle import Feature
from tests import told_bundle
from tests.serving.conftest import NAMES, TARGET, Api, Trained
from tests.serving.registry_server import Registry

Samples = list[dict[str, float | str]]


@pytest.fixture(params=["linear", "forest"])
def model(request: pytest.FixtureRequest, trained: dict[str, Trained], registry: Registry) -> Trained:
    chosen = trained[request.param]
    registry.promote(3, chosen.folder)
    return chosen


@pytest.fixture
def champion(trained: dict[str, Trained], registry: Registry) -> None:
    registry.promote(3, trained["linear"].folder)


@pytest.fixture
def client(champion: None, api: Callable[..., Api]) -> Api:
    return api(max_samples=250).refresh()


def test_answers_are_the_models_own(model: Trained, api: Callable[..., Api], samples: Samples) -> None:
    answer = api().refresh().client.post("/predict?probabilities=true", json={"samples": samples})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["model"], body["version"], body["digest"]) == ("forest", "3", model.digest)
    expected = model.pipeline.predict(pd.DataFrame(samples))
    assert [each[TARGET] for each in body["predictions"]] == expected.tolist()
    assert [each["class_name"] for each in body["predictions"]] == [NAMES[value] for value in expected]
    shares = np.array(
        [[each["probabilities"][name] for name in NAMES.values()] for each in body["predictions"]]
    )
    np.testing.assert_allclose(shares, model.pipeline.predict_proba(pd.DataFrame(samples)), atol=1e-9)
    assert all(each["unknown_categories"] == [] for each in body["predictions"])


def test_one_sample_and_no_probabilities_unless_asked(client: Api, samples: Samples) -> None:
    (prediction,) = client.client.post("/predict", json={"samples": samples[:1]}).json()["predictions"]
    assert prediction["probabilities"] is None
    assert isinstance(prediction[TARGET], int)


def test_case_and_blanks_of_a_category_do_not_matter(client: Api, samples: Samples) -> None:
    written = samples[0] | {
        "wilderness_area": f" {samples[0]['wilderness_area']} ".upper(),
        "soil_type": str(samples[0]["soil_type"]).lower(),
    }
    url = "/predict?probabilities=true"
    plain, other = client.client.post(url, json={"samples": [samples[0], written]}).json()["predictions"]
    assert plain == other


@pytest.mark.parametrize("old", [False, True], ids=["of now", "of before"])
def test_a_category_is_known_however_its_look_is_encoded(
    api: Callable[..., Api], registry: Registry, tmp_path: Path, old: bool
) -> None:
    kinds = ("Lim\u00f3n-Tahit\u00ed", "Pi\u00f1a oro")
    feature = Feature("kind", "category", imputed=kinds[0], categories=kinds)
    folder = told_bundle.written(tmp_path / "bundle", kind=feature)
    if old:  # whose categories are as some workbook had them
        contract = json.loads((folder / "contract.json").read_text())
        named = next(each for each in contract["features"] if each["name"] == "kind")
        named["categories"] = [unicodedata.normalize("NFD", kind) for kind in kinds]
        named["imputed"] = named["categories"][0]
        (folder / "contract.json").write_text(json.dumps(contract))
        told_bundle.sign(folder)
    registry.promote(1, folder)
    client = api().refresh().client
    place = {"occurred_at": "2026-07-04T21:30:00", "latitude": 41.9, "longitude": -87.63}
    others = (
        ("Limo\u0301n\u2013tahiti\u0301", " LIMÓN\u2011TAHITÍ\u00a0", "L\u200bimón-Tahití\ufeff"),
        ("Pin\u0303a\u00a0oro",),
    )
    for kind, written_otherwise in zip(kinds, others, strict=True):
        sent = [{**place, "kind": each} for each in (kind, *written_otherwise)]
        answer = client.post("/predict?probabilities=true", json={"samples": sent}).json()
        first, *rest = answer["predictions"]
        assert first["unknown_categories"] == []
        assert rest == [first] * len(rest)


def test_an_old_model_of_two_categories_that_look_the_same_is_refused(
    api: Callable[..., Api], registry: Registry, tmp_path: Path
) -> None:
    folder = told_bundle.written(tmp_path / "bundle")
    contract = json.loads((folder / "contract.json").read_text())
    named = next(each for each in contract["features"] if each["name"] == "kind")
    named["categories"], named["imputed"] = ["Lim\u00f3n", "Limo\u0301n"], "Lim\u00f3n"
    (folder / "contract.json").write_text(json.dumps(contract))
    told_bundle.sign(folder)
    registry.promote(1, folder)
    champion = api().refresh().champion
    assert champion.model is None
    assert champion.refusal is not None
    assert "kind has the categories 'Lim\\xf3n' and 'Limo\\u0301n'" in champion.refusal.reason


def test_an_unknown_category_is_answered_and_flagged(client: Api, samples: Samples) -> None:
    unknown = [sample | {"soil_type": "C7744"} for sample in samples[:20]]
    answer = client.client.post("/predict", json={"samples": [*samples[:1], *unknown]})
    flags = [each["unknown_categories"] for each in answer.json()["predictions"]]
    assert flags == [[], *([["soil_type"]] * 20)]
    metrics = client.admin.get("/metrics").text
    assert 'inference_unknown_categories_total{feature="soil_type"} 20.0' in metrics


def test_whole_numbers_may_be_written_as_such(client: Api, samples: Samples) -> None:
    body = json.dumps({"samples": [samples[0] | {"elevation": 2596}]})
    assert client.client.post("/predict", content=body).status_code == 200


@pytest.mark.parametrize(
    ("change", "problem", "message"),
    [
        ({"elevation": None}, "float_type", "sample 1, elevation: Input should be a valid number"),
        ({"elevation": "2596"}, "float_type", "sample 1, elevation: Input should be a valid number"),
        ({"elevation": True}, "float_type", "sample 1, elevation: Input should be a valid number"),
        ({"elevation": [1]}, "float_type", "sample 1, elevation: Input should be a valid number"),
        (
            {"elevation": float("nan")},
            "finite_number",
            "sample 1, elevation: Input should be a finite number",
        ),
        (
            {"elevation": float("-inf")},
            "finite_number",
            "sample 1, elevation: Input should be a finite number",
        ),
        ({"soil_type": 7}, "string_type", "sample 1, soil_type: Input should be a valid string"),
        ({"soil_type": None}, "string_type", "sample 1, soil_type: Input should be a valid string"),
    ],
)
def test_a_bad_field_is_named(
    client: Api, samples: Samples, change: dict[str, object], problem: str, message: str
) -> None:
    content = json.dumps({"samples": [samples[0], samples[1] | change]})
    answer = client.client.post("/predict", content=content)
    assert answer.status_code == 422
    (detail,) = answer.json()["detail"]
    assert (detail["type"], detail["msg"]) == (problem, message)
    assert detail["loc"] == ["body", "samples", 1, *change]


@pytest.mark.parametrize("value", [1e308, 1.0001e100, -1e101, pytest.param(10**101, id="whole")])
def test_a_number_that_would_overflow_the_model_is_refused(
    client: Api, samples: Samples, value: float
) -> None:
    for query in ("", "probabilities=1"):
        body = {"samples": [samples[0], samples[1] | {"elevation": value}]}
        answer = client.client.post(f"/predict?{query}", json=body)
        assert answer.status_code == 422
        (detail,) = answer.json()["detail"]
        assert detail["loc"] == ["body", "samples", 1, "elevation"]
        assert detail["msg"] == "sample 1, elevation: Input should be a number from -1e+100 to 1e+100"


@pytest.mark.parametrize("value", [1e100, -1e100, pytest.param(10**100, id="whole")])
def test_the_largest_numbers_have_finite_answers(
    model: Trained, api: Callable[..., Api], samples: Samples, value: float
) -> None:
    body = {"samples": [samples[0] | {"elevation": value}]}
    answer = api().refresh().client.post("/predict?probabilities=true", json=body)
    assert answer.status_code == 200
    shares = answer.json()["predictions"][0]["probabilities"].values()
    assert sum(shares) == pytest.approx(1)


def test_a_number_too_large_for_a_double_is_refused(client: Api, samples: Samples) -> None:
    for written in ("1e999", "1" + "0" * 400):
        content = json.dumps({"samples": samples[:1]}).replace(
            f'"elevation": {samples[0]["elevation"]}', f'"elevation": {written}'
        )
        answer = client.client.post("/predict", content=content)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", "samples", 0, "elevation"]


def test_a_missing_field_is_named(client: Api, samples: Samples) -> None:
    short = {name: value for name, value in samples[0].items() if name != "aspect"}
    (detail,) = client.client.post("/predict", json={"samples": [short]}).json()["detail"]
    assert detail["loc"] == ["body", "samples", 0, "aspect"]
    assert detail["msg"] == "sample 0, aspect: Field required"


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"", ["body"]),
        (b"<html>", ["body"]),
        (b'{"samples": [', ["body"]),
        (b"\xff\xfe", ["body"]),
        (b"[]", ["body"]),
        (b"{}", ["body", "samples"]),
        (b'{"samples": {}}', ["body", "samples"]),
        (b'{"samples": []}', ["body", "samples"]),
        (b'{"samples": [3]}', ["body", "samples", 0]),
        (b'{"samples": ' + b"[" * 5000, ["body"]),
    ],
)
def test_a_body_of_another_form_is_refused(client: Api, content: bytes, place: list[object]) -> None:
    answer = client.client.post("/predict", content=content)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == place


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16-LE"),
        ("utf-32", "UTF-32"),
        ("cp1252", "its byte 15 is 0xf1"),
    ],
)
def test_a_body_in_another_encoding_is_told_by_it(client: Api, encoding: str, said: str) -> None:
    answer = client.client.post("/predict", content='{"samples": ["ñ"]}'.encode(encoding))
    assert answer.status_code == 422
    (detail,) = answer.json()["detail"]
    assert detail["msg"] == f"The body is not UTF-8 ({said}): send JSON in UTF-8"


def test_an_extra_field_beside_the_samples_is_refused(client: Api, samples: Samples) -> None:
    answer = client.client.post("/predict", json={"samples": samples[:1], "sample": []})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "sample"]


def test_too_many_samples_are_refused_with_the_limit(client: Api, samples: Samples) -> None:
    assert client.client.post("/predict", json={"samples": (samples * 2)[:250]}).status_code == 200
    answer = client.client.post("/predict", json={"samples": (samples * 2)[:251]})
    assert answer.status_code == 422
    assert "at most 250 items" in answer.json()["detail"][0]["msg"]


def test_many_errors_are_cut(client: Api) -> None:
    detail = client.client.post("/predict", json={"samples": [{}] * 100}).json()["detail"]
    assert len(detail) == 21
    assert detail[-1]["msg"] == "more errors than the 20 that are listed"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_too_large_is_refused(
    champion: None, api: Callable[..., Api], samples: Samples, chunked: bool
) -> None:
    client = api(max_body_bytes=10_000).refresh().client
    body = json.dumps({"samples": samples}).encode()

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    answer = client.post("/predict", content=pieces() if chunked else body)
    assert answer.status_code == 413
    assert "10000 bytes" in answer.json()["detail"]
    assert client.post("/predict", json={"samples": samples[:2]}).status_code == 200


def test_openapi_describes_the_champions_columns_and_answer(client: Api) -> None:
    document = client.client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    sample = schemas["Sample"]
    assert list(sample["properties"])[:2] == ["elevation", "aspect"]
    assert sample["required"] == list(sample["properties"])
    assert "in training" in sample["properties"]["elevation"]["description"]
    responses = document["paths"]["/predict"]["post"]["responses"]
    assert {"200", "413", "422", "429", "503"} <= set(responses)
    answer = responses["200"]["content"]["application/json"]["schema"]
    assert answer == {"$ref": "#/components/schemas/Predictions"}
    assert schemas["Predictions"]["properties"]["predictions"]["items"] == {
        "$ref": "#/components/schemas/Prediction"
    }
    assert next(iter(schemas["Prediction"]["properties"])) == TARGET


def test_docs_need_no_other_server(client: Api) -> None:
    page = client.client.get("/")
    assert page.url.path == "/docs"
    assert "https://" not in page.text
