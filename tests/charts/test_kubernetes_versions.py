"""Every object is valid, with no unknown field, in the Kubernetes versions that we support."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from kubernetes_validate.utils import all_versions, major_minor, schema_contents
from referencing import Registry, Resource

from quintet.paths import versions
from tests.charts.render import CHARTS, NAMES, ChartError, Manifest, render, render_for

# Kubernetes maintains the newest three. 1.34, the oldest that the charts allow, was maintained until October
# 2026; managed clusters keep it longer.
MINOR_VERSIONS = ["1.34", "1.35", "1.36", "1.37"]

INGRESSES = {
    chart: {"ingress": {"enabled": True, "host": "a.example.com"}} for chart in ("airflow", "mlflow", "minio")
}


@cache
def validator(version: str, api_version: str, kind: str) -> Draft202012Validator:
    """Returns what validates objects of a kind; `kubernetes_validate.validate` reads all schemas for each."""
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    schema = schema_contents(f"{folder(version)}/{kind.lower()}-{group}.json", version)
    return Draft202012Validator(schema, registry=definitions(version))


@cache
def definitions(version: str) -> Registry[Any]:
    """Returns what the schemas of a version refer to."""
    shared = Resource.from_contents(schema_contents(f"{folder(version)}/_definitions.json", version))
    return (shared @ Registry()).crawl()


def folder(version: str) -> str:
    (found,) = {full for full in all_versions() if major_minor(full) == version}
    return f"kubernetes-json-schema/v{found}-local-strict"


def problem(manifest: Manifest, version: str) -> str:
    """Why the API of that version would refuse the object, or nothing."""
    error = best_match(validator(version, manifest["apiVersion"], manifest["kind"]).iter_errors(manifest))
    return f"{manifest['kind']} {manifest['metadata']['name']}: {error.message}" if error else ""


@pytest.mark.parametrize("version", MINOR_VERSIONS)
@pytest.mark.parametrize("chart", NAMES)
def test_objects_are_valid(chart: str, version: str) -> None:
    release = [*render(chart), *(render(chart, INGRESSES) if chart == "quintet" else ())]
    assert [text for manifest in release if (text := problem(manifest, version))] == []


def test_an_unknown_field_is_found() -> None:
    (service,) = [m for m in render("mlflow") if m["kind"] == "Service"]
    assert "replicas" in problem({**service, "spec": {**service["spec"], "replicas": 1}}, "1.37")


def test_the_node_of_make_up_is_one_of_them() -> None:
    assert versions()["kubernetes"]["version"].removeprefix("v").rpartition(".")[0] in MINOR_VERSIONS


def test_each_chart_names_the_oldest_of_them() -> None:
    declared = {
        path.parent.name: yaml.safe_load(path.read_text(encoding="utf-8")).get("kubeVersion")
        for path in CHARTS.glob("*/Chart.yaml")
    }
    assert declared == dict.fromkeys([*NAMES, "common", "pipeline"], f">={MINOR_VERSIONS[0]}.0-0")


@pytest.mark.parametrize("version", ["1.34.0", "1.35.3-gke.1021000", "1.37.2", "1.38.0-beta.0"])
def test_a_cluster_of_a_tested_version_or_a_later_one_takes_the_charts(version: str) -> None:
    assert render_for("sources", version)


def test_an_older_cluster_is_refused_by_its_version() -> None:
    with pytest.raises(ChartError, match=r"requires kubeVersion: >=1\.34\.0-0 .* Kubernetes v1\.33\.9"):
        render_for("sources", "1.33.9")
