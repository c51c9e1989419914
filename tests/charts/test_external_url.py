"""A UI behind a load balancer that ends TLS knows the address that the browser shows."""

from __future__ import annotations

import pytest

from tests.charts.render import ChartError, containers, named, render

URL = "https://ui.example.org:8443"
INGRESS = {"ingress": {"enabled": True, "host": "inner.example.org", "externalUrl": URL}}


def test_each_ui_goes_by_its_external_url() -> None:
    airflow = named(render("airflow", INGRESS), "ConfigMap", "airflow-config")["data"]
    assert airflow["AIRFLOW__API__BASE_URL"] == URL
    pods = [
        named(render("mlflow", INGRESS), "Deployment", "mlflow"),
        named(render("minio", INGRESS), "StatefulSet", "minio"),
    ]
    env = {
        v["name"]: v.get("value")
        for pod in pods
        for c in containers(pod["spec"]["template"])
        for v in c["env"]
    }
    assert env["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"] == env["MINIO_BROWSER_REDIRECT_URL"] == URL
    hosts = str(env["MLFLOW_SERVER_ALLOWED_HOSTS"]).split(",")
    assert {"inner.example.org", "ui.example.org:8443"} <= set(hosts)


@pytest.mark.parametrize("chart", ["airflow", "mlflow", "minio"])
@pytest.mark.parametrize("url", ["ui.example.org", "https://ui.example.org/path", "ftp://ui.example.org"])
def test_an_external_url_is_an_origin(chart: str, url: str) -> None:
    ingress = {**INGRESS["ingress"], "externalUrl": url}
    with pytest.raises(ChartError, match=r"externalUrl'?: .*does not match pattern"):
        render(chart, {"ingress": ingress})
