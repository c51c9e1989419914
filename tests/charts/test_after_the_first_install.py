"""Values that an upgrade changes reach what the first installation made, or are refused with what to do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.charts.cluster import cluster
from tests.charts.render import ChartError, named, of_kind, render

CLASS = {"global": {"storageClass": "fast"}}


def claim(name: str, size: str, storage_class: str = "standard") -> dict[str, Any]:
    spec = {"storageClassName": storage_class, "resources": {"requests": {"storage": size}}}
    metadata = {"name": name, "namespace": "quintet"}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def stateful_set(name: str, size: str) -> dict[str, Any]:
    spec = {"volumeClaimTemplates": [{"spec": {"resources": {"requests": {"storage": size}}}}]}
    metadata = {"name": name, "namespace": "quintet"}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec}


PASSWORD = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "postgres-superuser", "namespace": "quintet"},
    "data": {"password": "c2VjcmV0"},
}
"""What the first installation made beside the claim; without it an upgrade is refused for another reason."""
INSTALLED = [stateful_set("postgres", "8Gi"), claim("data-postgres-0", "8Gi")]


@pytest.mark.parametrize(
    ("chart", "objects", "values", "sentence"),
    [
        pytest.param(
            "postgres",
            INSTALLED,
            {"storage": "16Gi"},
            "postgres.storage is 16Gi, and the claim data-postgres-0 has 8Gi.*patch persistentvolumeclaim "
            "data-postgres-0 .*delete statefulset postgres --cascade=orphan",
            id="more",
        ),
        pytest.param(
            "postgres", INSTALLED, {"storage": "4Gi"}, "a claim never shrinks. Set it to 8Gi", id="less"
        ),
        pytest.param(
            "minio",
            [stateful_set("minio", "20Gi"), claim("data-minio-0", "40Gi")],
            {"storage": "40Gi"},
            "StatefulSet minio was made with 20Gi, .*delete statefulset minio --cascade=orphan",
            id="the claim has grown",
        ),
        pytest.param(
            "postgres",
            [claim("data-postgres-0", "4Gi")],
            {},
            "postgres.storage is 8Gi, and the claim data-postgres-0 has 4Gi.*then upgrade again",
            id="a claim of a former installation",
        ),
        pytest.param(
            "postgres", INSTALLED, CLASS, "the claim of the StatefulSet postgres was made of", id="class"
        ),
        pytest.param(
            "api-data", [claim("api-data", "1Gi")], {}, "a claim never shrinks. Set it to 1Gi", id="own"
        ),
        pytest.param(
            "api-data",
            [claim("api-data", "100Mi")],
            CLASS,
            "the claim api-data is of class standard",
            id="own class",
        ),
    ],
)
def test_a_claim_that_cannot_follow_its_value_is_refused(
    chart: str, objects: list[dict[str, Any]], values: dict[str, Any], sentence: str
) -> None:
    with cluster([*objects, PASSWORD]) as url, pytest.raises(ChartError, match=sentence):
        render(chart, values, cluster=url)


@pytest.mark.parametrize(
    ("chart", "objects", "values"),
    [
        pytest.param("postgres", INSTALLED, {"storage": "8192Mi"}, id="the same, in other words"),
        pytest.param(
            "postgres",
            [INSTALLED[0], claim("data-postgres-0", "9Gi")],
            {},
            id="a claim that a person has grown",
        ),
        pytest.param(
            "postgres", [claim("data-postgres-0", "16Gi")], {"storage": "16Gi"}, id="the set let go"
        ),
        pytest.param("api-data", [claim("api-data", "50Mi")], {}, id="a claim that Helm grows"),
    ],
)
def test_a_claim_that_fits_is_no_obstacle(
    chart: str, objects: list[dict[str, Any]], values: dict[str, Any]
) -> None:
    with cluster([*objects, PASSWORD]) as url:
        assert render(chart, values, cluster=url)


@pytest.mark.parametrize(("condition", "again"), [("Failed", True), ("Complete", False)])
def test_a_failed_job_is_run_again_by_an_upgrade_with_the_same_values(condition: str, again: bool) -> None:
    def name(objects: list[dict[str, Any]]) -> str:
        with cluster(objects) as url:
            job = named(render("postgres", cluster=url), "Job", "postgres-setup")
        return str(job["metadata"]["name"])

    first = name([])
    metadata = {"name": first, "namespace": "quintet"}
    status = {"conditions": [{"type": condition, "status": "True"}]}
    there = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "status": status}
    assert (name([there]) != first) == again


def test_each_job_of_the_platform_is_found_again_under_its_name() -> None:
    jobs = [job for job in of_kind(render("quintet"), "Job") if "annotations" not in job["metadata"]]
    failed = [{**job, "status": {"conditions": [{"type": "Failed", "status": "True"}]}} for job in jobs]
    with cluster(failed) as url:
        renamed = of_kind(render("quintet", cluster=url), "Job")
    before, after = ({job["metadata"]["name"] for job in some} for some in (jobs, renamed))
    assert len(jobs) == 5
    assert not before & after
