"""The inference chart: what a model's values make of its API."""

from __future__ import annotations

from typing import Any

import pytest

from app.settings import Settings
from tests.charts import render as charts
from tests.charts.render import ChartError, Manifest, named, of_kind

CANDIDATE = {"alias": "candidate", "record": "registry"}
TWO_MODELS = {"models": {"forest": {}, "penguins": {**CANDIDATE, "resources": {"limits": {"memory": "2Gi"}}}}}


def render(values: dict[str, Any], **pipelines: Any) -> tuple[Manifest, ...]:
    """The chart with some pipelines, none unless a test gives one."""
    return charts.render("inference", {"global": {"pipelines": pipelines}, **values}, samples=False)


def pipeline(name: str = "weather", **more: Any) -> dict[str, Any]:
    """A pipeline that trains and promotes a model."""
    model = {"name": name, "experiment": name, "promotion": {"step": "promote"}, **more}
    return {"steps": {"promote": {}}, "schemas": [name], "model": model}


def container(release: tuple[Manifest, ...], model: str) -> Manifest:
    """The one container of a model's API."""
    (found,) = named(release, "Deployment", f"inference-{model}")["spec"]["template"]["spec"]["containers"]
    content: Manifest = found
    return content


def variables(release: tuple[Manifest, ...], model: str) -> dict[str, str | None]:
    """Its environment; None stands for what comes from a Secret."""
    return {variable["name"]: variable.get("value") for variable in container(release, model)["env"]}


def test_each_model_has_an_api_of_its_own() -> None:
    release = render(TWO_MODELS)
    for kind in ("Deployment", "Service", "HorizontalPodAutoscaler"):
        assert {m["metadata"]["name"] for m in of_kind(release, kind)} == {
            "inference-forest",
            "inference-penguins",
        }
    forest, penguins = (variables(release, model) for model in TWO_MODELS["models"])
    assert (forest["MLFLOW_MODEL_NAME"], forest["MODEL_ALIAS"]) == ("forest", "champion")
    assert (penguins["MLFLOW_MODEL_NAME"], penguins["MODEL_ALIAS"]) == ("penguins", "candidate")


def test_a_model_may_bear_a_name_that_kubernetes_would_refuse() -> None:
    release = render({"models": {"forest-eu": {"modelName": "Forest EU"}, "forest": {}}})
    assert variables(release, "forest-eu")["MLFLOW_MODEL_NAME"] == "Forest EU"
    assert variables(release, "forest")["MLFLOW_MODEL_NAME"] == "forest"


def test_a_models_values_stand_beside_the_defaults() -> None:
    release = render(TWO_MODELS)
    assert container(release, "penguins")["resources"]["limits"] == {"cpu": "1", "memory": "2Gi"}
    assert container(release, "forest")["resources"]["limits"] == {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("model", "kinds", "replicas"),
    [
        pytest.param({}, {"HorizontalPodAutoscaler"}, None, id="as shipped"),
        pytest.param(
            {"autoscaling": {"minReplicas": 2}},
            {"HorizontalPodAutoscaler", "PodDisruptionBudget"},
            None,
            id="never alone",
        ),
        pytest.param({"autoscaling": {"enabled": False}}, set(), 1, id="one by hand"),
        pytest.param(
            {"autoscaling": {"enabled": False, "minReplicas": 2}}, set(), 1, id="what is off does not count"
        ),
        pytest.param(
            {"autoscaling": {"enabled": False}, "replicas": 3}, {"PodDisruptionBudget"}, 3, id="three by hand"
        ),
    ],
)
def test_pods_are_counted_by_one_authority(
    model: dict[str, Any], kinds: set[str], replicas: int | None
) -> None:
    release = render({"models": {"forest": model}})
    assert {m["kind"] for m in of_kind(release, "HorizontalPodAutoscaler", "PodDisruptionBudget")} == kinds
    assert named(release, "Deployment", "inference-forest")["spec"].get("replicas") == replicas


def test_limits_of_a_request_are_whole_numbers() -> None:
    model = {"maxBodyBytes": 10_485_760, "maxSamples": 5_000_000}
    api = variables(render({"models": {"forest": model}}), "forest")
    assert (api["MAX_BODY_BYTES"], api["MAX_SAMPLES"]) == ("10485760", "5000000")


PROOF = ["MAX_BUNDLE_BYTES", "PROOF_SECONDS", "PROOF_MEMORY_BYTES"]


def test_what_stalls_and_piles_up_is_bounded_by_values() -> None:
    given = {"maxHeldBytes": 104_857_600, "bodySeconds": 2.5, "headSeconds": 4, "maxConnections": 1_000_000}
    given |= {"maxBundleBytes": 2_000_000_000, "proofSeconds": 40, "proofMemoryBytes": 1_073_741_824}
    release = render({"models": {"forest": given, "penguins": {}}})
    names = [*("MAX_HELD_BYTES", "BODY_SECONDS", "HEAD_SECONDS", "MAX_CONNECTIONS"), *PROOF]
    forest, penguins = (variables(release, model) for model in ("forest", "penguins"))
    assert [forest[name] for name in names] == [
        *("104857600", "2.5", "4", "1000000", "2000000000", "40", "1073741824")
    ]
    shipped = Settings(mlflow_model_name="penguins").model_dump()
    assert [float(penguins[name] or 0) for name in names] == [shipped[name.lower()] for name in names]


@pytest.mark.parametrize(
    "name", ["maxHeldBytes", "bodySeconds", "headSeconds", "maxConnections", "proofSeconds", "maxBundleBytes"]
)
def test_a_bound_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(ChartError, match=name):
        render({"models": {"forest": {name: 0}}})


def test_only_a_model_without_registry_holds_a_key_to_s3() -> None:
    run_uri = "s3://data/forest/latest_model.json"
    release = render({"models": {"forest": {}, "penguins": {"runUri": run_uri}}})
    forest, penguins = variables(release, "forest"), variables(release, "penguins")
    assert "MODEL_RUN_URI" not in forest
    keys = {"AWS_ACCESS_KEY_ID": "access-key", "AWS_SECRET_ACCESS_KEY": "secret-key"}
    assert not keys.keys() & forest.keys()
    references = {v["name"]: v.get("valueFrom") for v in container(release, "penguins")["env"]}
    for name, key in keys.items():
        assert references[name] == {"secretKeyRef": {"name": "minio-serving", "key": key}}
    assert penguins["MODEL_RUN_URI"] == run_uri
    assert penguins["AWS_ENDPOINT_URL_S3"] == "http://minio:9000"


def test_a_model_with_stored_input_holds_a_key_to_s3_and_its_registry() -> None:
    uri = "s3://data/bitcoin/latest/BTCUSDT-1h.json"
    release = render({"models": {"forest": {}, "bitcoin": {"inputUri": uri}}})
    forest, bitcoin = variables(release, "forest"), variables(release, "bitcoin")
    assert (bitcoin["MODEL_INPUT_URI"], bitcoin["AWS_ENDPOINT_URL_S3"]) == (uri, "http://minio:9000")
    assert not {"MODEL_RUN_URI", "MODEL_INPUT_URI"} & forest.keys()
    assert "MODEL_RUN_URI" not in bitcoin
    references = {v["name"]: v.get("valueFrom") for v in container(release, "bitcoin")["env"]}
    assert references["AWS_ACCESS_KEY_ID"] == {"secretKeyRef": {"name": "minio-serving", "key": "access-key"}}
    assert "AWS_ACCESS_KEY_ID" not in forest
    policy = named(release, "NetworkPolicy", "inference-bitcoin")["spec"]["podSelector"]
    assert policy["matchLabels"]["app.kubernetes.io/component"] == "bitcoin"


def test_a_model_asks_the_record_of_the_pipeline_that_promotes_it() -> None:
    models = {"forest-eu": {"pipeline": "forest_eu"}, "forest": {}, "weather": {"record": "registry"}}
    release = render({"models": models})
    for model, secret in (("forest-eu", "postgres-forest-eu-serving"), ("forest", "postgres-forest-serving")):
        references = {v["name"]: v.get("valueFrom") for v in container(release, model)["env"]}
        assert references["PROMOTION_RECORD_URL"] == {"secretKeyRef": {"name": secret, "key": "url"}}
    assert "PROMOTION_RECORD_URL" not in variables(release, "weather")
    assert not [m for m in of_kind(release, "NetworkPolicy") if m["metadata"]["name"] == "inference-weather"]


def test_another_alias_than_the_records_is_refused() -> None:
    with pytest.raises(ChartError, match=r"alias is candidate, .* set inference\.models\.forest\.record"):
        render({"models": {"forest": {"alias": "candidate"}}})


@pytest.mark.parametrize("name", ["pipeline", "modelName"])
def test_what_is_a_models_own_is_no_default(name: str) -> None:
    with pytest.raises(ChartError, match=name):
        render({"defaults": {name: "forest"}})


def test_bundles_can_outlive_their_pods_each_model_in_its_own_folder_of_a_claim() -> None:
    release = render({**TWO_MODELS, "defaults": {"cache": {"existingClaim": "bundles"}}})
    folders = set()
    for model in TWO_MODELS["models"]:
        volumes = named(release, "Deployment", f"inference-{model}")["spec"]["template"]["spec"]["volumes"]
        assert {"name": "bundles", "persistentVolumeClaim": {"claimName": "bundles"}} in volumes
        mounts = {mount["name"]: mount for mount in container(release, model)["volumeMounts"]}
        assert mounts["bundles"]["mountPath"] == "/var/cache/bundle"
        folders.add(mounts["bundles"].get("subPath"))
    assert folders == {"forest", "penguins"}


def test_clients_have_keys_where_a_secret_is_named() -> None:
    release = render({"models": {"forest": {}, "penguins": {"clientKeysSecret": "clients"}}})
    forest, penguins = (variables(release, model) for model in ("forest", "penguins"))
    assert "CLIENT_KEYS_FILE" not in forest
    assert penguins["CLIENT_KEYS_FILE"] == "/etc/quintet/clients/keys.json"
    mounts = {each["name"]: each for each in container(release, "penguins")["volumeMounts"]}
    assert mounts["clients"] == {"name": "clients", "mountPath": "/etc/quintet/clients", "readOnly": True}
    pod = named(release, "Deployment", "inference-penguins")["spec"]["template"]["spec"]
    (volume,) = [each for each in pod["volumes"] if each["name"] == "clients"]
    assert volume["secret"] == {
        "secretName": "clients",
        "items": [{"key": "keys.json", "path": "keys.json"}],
    }


def test_without_a_model_there_is_nothing() -> None:
    assert not render({})
    assert not render({}, weather={"steps": {"load": {}}})


def test_each_pipeline_with_a_model_has_an_api_of_its_values_over_the_defaults() -> None:
    serving = {"maxSamples": 10, "autoscaling": {"maxReplicas": 7}}
    release = render(
        {"models": {"rain": {"maxSamples": 20}}},
        weather=pipeline("rain", serving=serving),
        wind=pipeline("wind"),
    )
    assert {m["metadata"]["name"] for m in of_kind(release, "Deployment")} == {
        "inference-rain",
        "inference-wind",
    }
    rain, wind = variables(release, "rain"), variables(release, "wind")
    assert (rain["MLFLOW_MODEL_NAME"], rain["MAX_SAMPLES"], wind["MAX_SAMPLES"]) == ("rain", "20", "1000")
    scaling = {m["metadata"]["name"]: m["spec"] for m in of_kind(release, "HorizontalPodAutoscaler")}
    assert scaling["inference-rain"]["maxReplicas"] == 7
    assert scaling["inference-wind"]["maxReplicas"] == 4


def test_the_record_is_that_of_the_pipeline_and_absent_where_it_promotes_nothing() -> None:
    by_hand = {"steps": {"train": {}}, "model": {"name": "wind"}}
    release = render({}, weather=pipeline("rain"), wind=by_hand)
    references = {v["name"]: v.get("valueFrom") for v in container(release, "rain")["env"]}
    secret = {"secretKeyRef": {"name": "postgres-weather-serving", "key": "url"}}
    assert references["PROMOTION_RECORD_URL"] == secret
    assert "PROMOTION_RECORD_URL" not in variables(release, "wind")


def test_a_pipeline_that_is_left_out_takes_its_api_and_what_is_said_of_it_along() -> None:
    values = {"models": {"rain": {"maxSamples": 20}}}
    assert not render(values, weather={**pipeline("rain"), "enabled": False})
    assert render(values, weather=pipeline("rain"))


def test_two_pipelines_of_one_model_are_refused() -> None:
    with pytest.raises(
        ChartError, match=r"pipelines\.weather and global\.pipelines\.wind both train .* rain"
    ):
        render({}, weather=pipeline("rain"), wind=pipeline("rain"))


@pytest.mark.parametrize("serving", [{"maxSampels": 10}, {"pipeline": "wind"}, {"autoscaling": {"on": True}}])
def test_a_misspelt_value_of_a_pipelines_api_is_refused(serving: dict[str, Any]) -> None:
    with pytest.raises(ChartError, match="/global/pipelines/weather/model/serving"):
        render({}, weather=pipeline(serving=serving))
