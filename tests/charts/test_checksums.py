"""What restarts a pod, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.charts.render import pod_templates, render

CHANGES: list[tuple[dict[str, Any], set[str]]] = [
    ({}, set()),
    ({"postgres": {"config": {"max_connections": 284}}}, {"StatefulSet postgres"}),
    ({"postgres": {"pipelineRole": {"statementTimeout": "11min"}}}, {"Job postgres-setup"}),
    ({"postgres": {"servingRole": {"statementTimeout": "4s"}}}, {"Job postgres-setup"}),
    ({"minio": {"buckets": {"data": {"expireDays": {"forest/export/": 61}}}}}, {"Job minio-setup"}),
    ({"mlflow": {"users": {"serving": {"experiments": "USE"}}}}, {"Job mlflow-users"}),
    ({"mlflow": {"models": ["another"]}}, {"Job mlflow-users"}),
    ({"mlflow": {"s3": {"region": "eu-west-1"}}}, {"Deployment mlflow"}),
    ({"global": {"images": {"forest-train": "registry.example.com/forest-train:1"}}}, set()),
]


@pytest.mark.parametrize(("values", "changed"), CHANGES, ids=[str(values) for values, _ in CHANGES])
def test_a_change_reaches_the_pods_that_read_it_and_no_other(
    values: dict[str, Any], changed: set[str]
) -> None:
    # An own key for the cache: passwords are generated again, so a checksum over one would show here.
    before = pod_templates(render("quintet", {"global": {"storageClass": ""}}))
    after = pod_templates(render("quintet", values))
    assert {name for name in before if before[name] != after[name]} == changed
