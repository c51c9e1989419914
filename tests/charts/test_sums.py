"""Values that contradict each other are refused with a sentence, before Kubernetes or nobody says so."""

from __future__ import annotations

from typing import Any

import pytest

from tests.charts.render import ChartError, Manifest, containers, named, render

MORE = {"requests": {"memory": "2Gi"}, "limits": {"memory": "1900M"}}
SMALL = {"cpu": "200m"}


@pytest.mark.parametrize(
    ("chart", "values", "sentence"),
    [
        (
            "minio",
            {"resources": MORE},
            r"minio\.resources\.requests\.memory is 2Gi, more than its limit of 1900M",
        ),
        ("mlflow", {"resources": MORE}, r"mlflow\.resources\.requests\.memory is 2Gi"),
        ("postgres", {"resources": MORE}, r"postgres\.resources\.requests\.memory is 2Gi"),
        ("api-data", {"resources": MORE}, r"api-data\.resources\.requests\.memory is 2Gi"),
        ("airflow", {"triggerer": {"resources": MORE}}, r"airflow\.triggerer\.resources\.requests\.memory"),
        (
            "airflow",
            {"steps": {"overrides": {"forest-train": {"resources": MORE}}}},
            r"overrides\.forest-train",
        ),
        ("airflow", {"steps": {"defaultRequests": {"cpu": 2}}}, r"airflow\.steps.*requests\.cpu is 2, more"),
        (
            "inference",
            {"defaults": {"resources": {"requests": {"cpu": 2}}}},
            r"\w+\.resources\.requests\.cpu",
        ),
        ("minio", {"resources": {"requests": {"memory": "much"}}}, "much is not an amount of Kubernetes"),
        (
            "inference",
            {"models": {"forest": {"autoscaling": {"minReplicas": 5}}}},
            r"models\.forest\.autoscaling: minReplicas is 5, more than maxReplicas, which is 4",
        ),
        (
            "inference",
            {"defaults": {"resources": {"limits": SMALL}}},
            r"autoscaling\.targetCpu is 225m, and no pod uses more than its limit of 200m",
        ),
        (
            "postgres",
            {"config": {"max_connections": 282}},
            r"is 282, and the roles may open 273 sessions, with postgres\.reservedConnections 283",
        ),
        (
            "postgres",
            {"config": {"shared_buffers": "1GB"}},
            r"shared_buffers of 1024 MB and 283 sessions of 2\.5 MB take 1731 MB, .* which is 1280Mi",
        ),
        ("postgres", {"pipelineRole": {"connections": 99}}, "take 3475 MB, more"),
        (
            "postgres",
            {"config": {"shared_buffers": "a lot"}},
            "shared_buffers is a lot: write a whole number",
        ),
        (
            "quintet",
            {"airflow": {"pools": {"steps": 3}}},
            r"up to 12 sessions, more than postgres\.pipelineRole",
        ),
        (
            "airflow",
            {"pools": {"steps": 21}},
            r"the namespace of the steps holds 20 pods: raise airflow\.steps",
        ),
        (
            "airflow",
            {"config": {"AIRFLOW__CORE__PARALLELISM": 16}},
            r"as many workers takes up to 2420Mi, more than airflow\.scheduler\.resources\.limits\.memory",
        ),
        ("api-data", {"workers": 4}, r"api-data\.workers is 4: .* 460Mi, more than .* which is 384Mi"),
        ("quintet", {"global": {"tasks": {"namespace": "quintet"}}}, r"global\.tasks\.namespace is quintet"),
        ("airflow", {"global": {"tasks": {"namespace": "quintet"}}}, r"global\.tasks\.namespace is quintet"),
    ],
)
def test_a_contradiction_is_refused_with_a_sentence(
    chart: str, values: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ChartError, match=sentence):
        render(chart, values)


@pytest.mark.parametrize("request_", ["10m", "1"])
def test_a_pod_is_added_at_the_same_load_whatever_it_requests(request_: str) -> None:
    release = render("inference", {"defaults": {"resources": {"requests": {"cpu": request_}}}})
    (metric,) = named(release, "HorizontalPodAutoscaler", "inference-forest")["spec"]["metrics"]
    assert metric["containerResource"]["target"] == {"type": "AverageValue", "averageValue": "225m"}


def test_a_pod_is_added_by_the_load_of_the_api_alone() -> None:
    release = render("inference")
    (metric,) = named(release, "HorizontalPodAutoscaler", "inference-forest")["spec"]["metrics"]
    (container,) = named(release, "Deployment", "inference-forest")["spec"]["template"]["spec"]["containers"]
    assert (metric["type"], metric["containerResource"]["name"]) == ("ContainerResource", "cpu")
    assert metric["containerResource"]["container"] == container["name"]


def server_settings(release: tuple[Manifest, ...]) -> dict[str, str]:
    text = named(release, "ConfigMap", "postgres-config")["data"]["postgresql.conf"]
    return dict(line.replace("'", "").split(" = ") for line in text.splitlines())


@pytest.mark.parametrize(
    ("values", "connections", "buffers"),
    [
        pytest.param({}, "283", "320MB", id="the defaults"),
        pytest.param({"pipelineRole": {"connections": 11}}, "294", "320MB", id="more sessions"),
        pytest.param({"servingRole": {"connections": 5}}, "301", "320MB", id="more pods of the API"),
        pytest.param({"resources": {"limits": {"memory": "2Gi"}}}, "283", "512MB", id="more memory"),
        pytest.param({"config": {"shared_buffers": "96MB"}}, "283", "96MB", id="ones own share"),
        pytest.param({"ownReleases": 0}, "198", "320MB", id="no pipeline in a release of its own"),
    ],
)
def test_postgres_has_room_for_what_its_roles_may_open(
    values: dict[str, Any], connections: str, buffers: str
) -> None:
    settings = server_settings(render("postgres", values))
    assert (settings["max_connections"], settings["shared_buffers"]) == (connections, buffers)


@pytest.mark.parametrize(("limit", "share"), [("768Mi", "384MiB"), ("2Gi", "1664MiB"), ("200Mi", "100MiB")])
def test_minio_frees_memory_below_its_limit(limit: str, share: str) -> None:
    minio = named(render("minio", {"resources": {"limits": {"memory": limit}}}), "StatefulSet", "minio")
    (container,) = containers(minio["spec"]["template"])
    assert {"name": "GOMEMLIMIT", "value": share} in container["env"]
