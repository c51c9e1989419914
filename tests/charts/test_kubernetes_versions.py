"""Every object is valid, with no unknown field, in the Kubernetes versions that we support."""

from __future__ import annotations

import kubernetes_validate
import pytest

from tests.charts.render import NAMES, Manifest, render

INGRESSES = {
    chart: {"ingress": {"enabled": True, "host": "a.example.com"}} for chart in ("airflow", "mlflow", "minio")
}


def problem(manifest: Manifest, version: str) -> str:
    """Why the API of that version would refuse the object, or nothing."""
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{manifest['kind']} {manifest['metadata']['name']}: {error.message}"
    return ""


@pytest.mark.parametrize("version", ["1.32", "1.34", "1.36"])
@pytest.mark.parametrize("chart", NAMES)
def test_objects_are_valid(chart: str, version: str) -> None:
    release = [*render(chart), *(render(chart, INGRESSES) if chart == "quintet" else ())]
    assert [text for manifest in release if (text := problem(manifest, version))] == []


def test_an_unknown_field_is_found() -> None:
    (service,) = [m for m in render("mlflow") if m["kind"] == "Service"]
    assert "replicas" in problem({**service, "spec": {**service["spec"], "replicas": 1}}, "1.34")
