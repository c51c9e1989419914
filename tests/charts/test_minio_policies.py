"""What each user of S3 may do, by the policies as the chart renders them."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import pytest

from quintet.pipelines import pipelines
from tests.charts.render import default_values, named, render

PIPELINES = sorted(pipelines())
BUCKET = "arn:aws:s3:::data"
WRITING = ("s3:PutObject", "s3:DeleteObject")
OWN = {
    "bitcoin": ["bitcoin/raw/a", "bitcoin/latest/BTCUSDT-1h.json"],
    "crime": ["0-raw-data/data/a", "1-enriched-data/a", "2-processed-data/a", "crime/evaluation/a"],
    "excel": ["landing_zone/a.xlsx", "archive/a", "rejected/a", "excel/a/manifest.json"],
    "forest": ["forest/raw/a", "forest/preprocessed/a", "forest/latest_model.json"],
    "penguins": ["penguins/preprocessed/a"],
    "sipsa": ["sipsa/raw/a"],
}


@cache
def statements(user: str) -> list[dict[str, Any]]:
    setup = named(render("minio"), "ConfigMap", "minio-setup")["data"]
    found: list[dict[str, Any]] = json.loads(setup[f"policy-{user}.json"])["Statement"]
    return found


def may(user: str, action: str, resource: str, prefix: str = "") -> bool:
    """Whether a statement allows it; there is none that denies."""

    def allows(statement: dict[str, Any]) -> bool:
        assert statement["Effect"] == "Allow"
        wanted = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix", ["*"])
        return (
            action in statement["Action"]
            and any(fnmatchcase(resource, pattern) for pattern in statement["Resource"])
            and any(fnmatchcase(prefix, pattern) for pattern in wanted)
        )

    return any(map(allows, statements(user)))


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_pipeline_reaches_its_own_keys_and_no_others(pipeline: str) -> None:
    reached = {
        (owner, key)
        for owner, keys in OWN.items()
        for key in keys
        for action in ("s3:GetObject", *WRITING)
        if may(pipeline, action, f"{BUCKET}/{key}") or may(pipeline, "s3:ListBucket", BUCKET, key)
    }
    assert reached == {(pipeline, key) for key in OWN[pipeline]}
    assert not may(pipeline, "s3:ListBucket", BUCKET)
    for bucket in ("airflow-logs", "dags", "mlflow-artifacts"):
        assert not may(pipeline, "s3:GetObject", f"arn:aws:s3:::{bucket}/a")
        assert not may(pipeline, "s3:PutObject", f"arn:aws:s3:::{bucket}/a")


def test_what_airflow_runs_of_other_releases_is_written_by_their_jobs_alone() -> None:
    users = [*default_values("minio")["users"], *PIPELINES]
    key = "arn:aws:s3:::dags/a"
    assert [user for user in users if may(user, "s3:GetObject", key)] == ["dags-reader", "dags-publisher"]
    for action in WRITING:
        assert [user for user in users if may(user, action, key)] == ["dags-publisher"]


def test_nobody_changes_what_expires_and_only_crime_looks() -> None:
    users = [*default_values("minio")["users"], *PIPELINES]
    assert not [user for user in users if "PutLifecycle" in json.dumps(statements(user))]
    assert [user for user in users if may(user, "s3:GetLifecycleConfiguration", BUCKET)] == ["crime"]


def test_serving_reads_what_it_serves_and_nothing_else() -> None:
    objects = {
        "s3://data/bitcoin/latest/BTCUSDT-1h.json",
        *(f"s3://data/{name}/latest_model.json" for name in ("bitcoin", "crime", "forest", "penguins")),
    }
    for uri in objects:
        resource = uri.replace("s3://", "arn:aws:s3:::")
        assert may("serving", "s3:GetObject", resource)
        assert not [action for action in WRITING if may("serving", action, resource)]
    for keys in OWN.values():
        read = {key for key in keys if may("serving", "s3:GetObject", f"{BUCKET}/{key}")}
        assert read <= {uri.removeprefix("s3://data/") for uri in objects}


def test_what_expires_belongs_to_a_pipeline() -> None:
    prefixes = [prefix for pipeline in pipelines().values() for prefix in pipeline.expire_days]
    assert len(prefixes) > 10
    owners = {
        prefix: [user for user in PIPELINES if may(user, "s3:PutObject", f"{BUCKET}/{prefix}a")]
        for prefix in prefixes
    }
    assert {prefix for prefix, users in owners.items() if len(users) != 1} == set()


def test_serving_reads_nothing_where_no_pipeline_has_a_model() -> None:
    setup = named(render("minio", samples=False), "ConfigMap", "minio-setup")["data"]
    actions = [each["Action"] for each in json.loads(setup["policy-serving.json"])["Statement"]]
    assert actions == [["s3:GetBucketLocation"]]


def test_serving_reads_what_the_values_add_too() -> None:
    values = {"users": {"serving": {"prefixes": ["weather/"]}}}
    setup = named(render("minio", values), "ConfigMap", "minio-setup")["data"]
    reading = json.loads(setup["policy-serving.json"])["Statement"][-1]["Resource"]
    assert {f"{BUCKET}/weather/*", f"{BUCKET}/forest/latest_model.json*"} <= set(reading)
