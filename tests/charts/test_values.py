"""What a values file may say, and what it says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from quintet.pipelines import pipelines
from tests.charts.render import (
    CHARTS,
    NAMES,
    ChartError,
    containers,
    default_values,
    of_kind,
    pod_templates,
    render,
)

# Maps whose keys are the user's own names.
NAMED_BY_THE_USER = {
    ("global", "images"),
    ("global", "secrets", "existing"),
    ("global", "pipelines"),
    ("postgres", "databases"),
    ("postgres", "config"),
    ("minio", "buckets"),
    ("minio", "users"),
    ("mlflow", "users"),
    ("airflow", "variables", "values"),
    ("airflow", "connections", "values"),
    ("airflow", "connections", "secrets"),
    ("airflow", "pools"),
    ("airflow", "config"),
    ("airflow", "steps", "overrides"),
    ("inference", "models"),
}
# The same at any depth: prefixes of keys, amounts of the node, environments.
FREE = {"expireDays", "annotations", "requests", "limits", "quota", "defaultLimits", "defaultRequests"}
FREE |= {"env", "secretEnv", "configEnv"}
DEFINED_ELSEWHERE = {"resources", "env", "secretEnv", "configEnv"}


def objects(values: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of each map in some values."""
    yield path
    for key, value in values.items():
        if isinstance(value, dict):
            yield from objects(value, (*path, key))


def nested(path: tuple[str, ...], leaf: dict[str, Any]) -> dict[str, Any]:
    for key in reversed(path):
        leaf = {key: leaf}
    return leaf


CLOSED = [
    (chart, path)
    for chart in NAMES
    if chart != "quintet"
    for path in objects(default_values(chart))
    if (chart, *path) not in NAMED_BY_THE_USER and not FREE & set(path[-1:])
]
GLOBAL = [
    ("global", *path)
    for path in objects(default_values("quintet")["global"])
    if ("global", *path) not in NAMED_BY_THE_USER
]


@pytest.mark.parametrize(("chart", "path"), CLOSED, ids=["/".join((chart, *path)) for chart, path in CLOSED])
def test_a_misspelt_key_is_refused_by_name_at_every_level(chart: str, path: tuple[str, ...]) -> None:
    with pytest.raises(ChartError, match="additional properties 'misspelt' not allowed"):
        render(chart, nested(path, {"misspelt": True}))


@pytest.mark.parametrize("chart", NAMES)
def test_a_misspelt_key_is_refused_by_each_chart_and_from_the_umbrella(chart: str) -> None:
    with pytest.raises(ChartError, match="misspelt"):
        render(chart, {"misspelt": 1})
    if chart != "quintet":
        with pytest.raises(ChartError, match="misspelt"):
            render("quintet", {chart: {"misspelt": 1}})


@pytest.mark.parametrize("chart", NAMES)
@pytest.mark.parametrize("path", GLOBAL, ids=".".join)
def test_a_misspelt_global_key_is_refused_by_each_chart(chart: str, path: tuple[str, ...]) -> None:
    with pytest.raises(ChartError, match="misspelt"):
        render(chart, nested(path, {"misspelt": 1}))


def test_a_chart_alone_says_which_global_keys_there_are() -> None:
    sentence = (
        r"global\.image\.registri is not a value of Quintet; "
        r"there are: pullPolicy, pullSecrets, registry, tag\."
    )
    with pytest.raises(ChartError, match=sentence):
        render("minio", {"global": {"image": {"registri": "registry.example.com"}}})
    with pytest.raises(ChartError, match=r"global\.image must be a map of: pullPolicy"):
        render("minio", {"global": {"image": "registry.example.com"}})


@pytest.mark.parametrize(
    ("chart", "values"),
    [
        ("postgres", {"storage": "8 gigabytes"}),
        ("postgres", {"databases": {"airflow": {"statementTimeout": "5 minutes"}}}),
        ("postgres", {"external": {"enabled": True}}),
        ("minio", {"buckets": {"data": {"expireDays": {"tmp/": -1}}}}),
        ("minio", {"users": {"root": {"buckets": ["data"]}}}),
        ("mlflow", {"users": {"serving": {"models": "WRITE"}}}),
        ("mlflow", {"users": {"a-person": {"experiments": "READ", "models": {"forest": "WRITE"}}}}),
        ("quintet", {"global": {"image": {"registry": "registry.example.com/"}}}),
        ("quintet", {"global": {"image": {"pullPolicy": "Sometimes"}}}),
    ],
)
def test_an_impossible_value_is_refused(chart: str, values: dict[str, Any]) -> None:
    with pytest.raises(ChartError, match="values don't meet the specifications"):
        render(chart, values)


def keys(node: yaml.MappingNode) -> Iterator[tuple[str, int]]:
    """The keys of a map and of the maps in it, with their lines, but what Kubernetes or Airflow define."""
    for key, value in node.value:
        yield key.value, key.start_mark.line
        if (
            isinstance(value, yaml.MappingNode)
            and not value.flow_style
            and key.value not in DEFINED_ELSEWHERE
        ):
            yield from keys(value)


@pytest.mark.parametrize("chart", NAMES)
def test_every_key_of_the_values_has_a_comment_above_it(chart: str) -> None:
    text = (CHARTS / chart / "values.yaml").read_text(encoding="utf-8")
    lines = text.splitlines()
    assert lines[0] == "# yaml-language-server: $schema=values.schema.json"
    document = yaml.compose(text)
    assert isinstance(document, yaml.MappingNode)
    assert [key for key, line in keys(document) if not lines[line - 1].strip().startswith("#")] == []


@pytest.mark.parametrize("chart", NAMES)
def test_the_defaults_obey_the_schema(chart: str) -> None:
    # Without pipelines nothing is served, and no source is asked.
    assert bool(render(chart, default_values(chart), samples=False)) == (
        chart not in ("inference", "sources")
    )


def test_the_values_of_the_kind_cluster_are_the_platform() -> None:
    kind = yaml.safe_load((CHARTS / "quintet" / "values-kind.yaml").read_text(encoding="utf-8"))
    names = {m["metadata"]["name"] for m in of_kind(render("quintet", kind), "Deployment")}
    servers = [pipeline.server for pipeline in pipelines().values() if pipeline.server]
    # The outside world is not asked.
    assert {server.service for server in servers} <= names


def test_one_registry_and_tag_reach_every_image_and_a_reference_wins() -> None:
    image = {
        "registry": "registry.example.com/q",
        "tag": "1.2",
        "pullPolicy": "Always",
        "pullSecrets": ["login"],
    }
    release = render("quintet", {"global": {"image": image, "images": {"mlflow": "own/mlflow:3"}}})
    for pod in pod_templates(release).values():
        assert pod["spec"]["imagePullSecrets"] == [{"name": "login"}]
        for container in containers(pod):
            assert container["imagePullPolicy"] == "Always"
            assert container["image"] == "own/mlflow:3" or re.fullmatch(
                r"registry\.example\.com/q/[a-z-]+:1\.2", container["image"]
            )


@pytest.mark.parametrize("chart", [name for name in NAMES if name != "sources"])
def test_images_that_no_value_names_are_refused(chart: str) -> None:
    with pytest.raises(
        ChartError, match=r"No value says where the image [a-z-]+ is: .* set global\.images\."
    ):
        render(chart, registry="")


def test_an_image_of_a_step_that_no_value_names_is_refused() -> None:
    images = {"airflow": "registry.example.com/airflow:1"}
    with pytest.raises(ChartError, match=r"where the image bitcoin-[a-z]+ is"):
        render("airflow", {"global": {"images": images}}, registry="")


def test_a_claim_of_a_release_outlives_it() -> None:
    # Those of a StatefulSet are not part of the release; Kubernetes keeps them.
    claims = of_kind(render("quintet"), "PersistentVolumeClaim")
    assert [claim["metadata"]["name"] for claim in claims] == ["api-data"]
    assert claims[0]["metadata"].get("annotations") == {"helm.sh/resource-policy": "keep"}
    sets = of_kind(render("quintet"), "StatefulSet")
    assert not [m for m in sets if "persistentVolumeClaimRetentionPolicy" in m["spec"]]


def test_a_storage_class_reaches_every_claim() -> None:
    release = render("quintet", {"global": {"storageClass": "fast"}})
    claims = [m for m in release if m["kind"] == "PersistentVolumeClaim"]
    claims += [
        claim for m in release if m["kind"] == "StatefulSet" for claim in m["spec"]["volumeClaimTemplates"]
    ]
    assert {claim["metadata"]["name"] for claim in claims} == {"api-data", "data"}
    assert {claim["spec"]["storageClassName"] for claim in claims} == {"fast"}
