"""Values that contradict each other are refused with a sentence, before Kubernetes or nobody says so."""

from __future__ import annotations

from typing import Any

import pytest

from tests.charts.render import ChartError, named, render

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
            r"forest\.resources\.requests\.cpu",
        ),
        ("minio", {"resources": {"requests": {"memory": "much"}}}, "much is no amount of Kubernetes"),
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
    assert metric["resource"]["target"] == {"type": "AverageValue", "averageValue": "225m"}
