"""`quintet retention`: the Jobs that it starts, and what S3 is about to delete."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quintet.ops import retention
from quintet.ops.kube import Kube
from quintet.progress import UserError
from stepkit import lifecycle, s3
from stepkit.s3 import ObjectStore

BATCH = "/apis/batch/v1/namespaces/quintet"
CORE = "/api/v1/namespaces/quintet"
CRON_JOB = {
    "metadata": {"name": "mlflow-retention"},
    "spec": {
        "schedule": "53 3 * * *",
        "jobTemplate": {
            "spec": {
                "backoffLimit": 2,
                "template": {"spec": {"containers": [{"name": "retention", "env": [{"name": "DAYS"}]}]}},
            }
        },
    },
}


@pytest.fixture
def cluster(answers: dict[str, Any]) -> dict[str, Any]:
    """A cluster with one CronJob, whose pod succeeds."""
    answers |= {
        f"{BATCH}/cronjobs": {"items": [CRON_JOB]},
        f"{BATCH}/jobs": {"metadata": {"name": "mlflow-retention-x"}},
        f"{BATCH}/jobs/mlflow-retention-x": {"status": "Success"},
        f"{CORE}/pods": {"items": [{"metadata": {"name": "pod"}, "status": {"phase": "Succeeded"}}]},
        f"{CORE}/pods/pod/log": "MLflow: 3 runs",
        "/apis/apps/v1/namespaces/quintet/deployments": {"items": []},
        "/apis/apps/v1/namespaces/quintet/statefulsets": {"items": []},
    }
    return answers


@pytest.mark.parametrize("dry_run", [True, False])
def test_each_cron_job_is_run_once_and_told_whether_to_delete(
    cluster: dict[str, Any],
    asked: list[tuple[str, str, Any]],
    kube: Kube,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    dry_run: bool,
) -> None:
    monkeypatch.setattr(retention, "expiring", lambda kube: iter(["data/x/: 1 objects"]))
    retention.main(kube, dry_run=dry_run)
    (job,) = [body for method, _, body in asked if method == "POST"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert ({"name": "DRY_RUN", "value": "true"} in container["env"]) is dry_run
    assert job["spec"]["backoffLimit"] == 0
    said = capsys.readouterr().out
    assert "MLflow: 3 runs" in said
    assert "data/x/: 1 objects" in said
    assert next(path for method, path, _ in asked if method == "DELETE").startswith(f"{BATCH}/jobs/mlflow")


def test_a_failed_one_ends_with_its_log(cluster: dict[str, Any], kube: Kube) -> None:
    cluster[f"{CORE}/pods"] = {"items": [{"metadata": {"name": "pod"}, "status": {"phase": "Failed"}}]}
    with pytest.raises(UserError, match=r"mlflow-retention failed:\n.*MLflow: 3 runs"):
        retention.main(kube, dry_run=True)


def test_a_proxy_that_a_mesh_put_beside_it_is_not_waited_for(
    cluster: dict[str, Any], asked: list[tuple[str, str, Any]], kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    def container(name: str, state: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, "state": state, "image": "i", "imageID": "i", "ready": True, "restartCount": 0}

    proxy, own = container("linkerd-proxy", {"running": {}}), {"terminated": {"exitCode": 3}}
    status = {"phase": "Running", "containerStatuses": [proxy, container("retention", own)]}
    cluster[f"{CORE}/pods"] = {"items": [{"metadata": {"name": "pod"}, "status": status}]}
    monkeypatch.setattr(retention, "SECONDS", 1)
    with pytest.raises(UserError, match=r"mlflow-retention failed:\n.*MLflow: 3 runs"):
        retention.main(kube, dry_run=True)
    assert any("/log?container=retention" in path for _, path, _ in asked)


def test_what_s3_is_about_to_delete_is_counted(bucket: str) -> None:
    for key, size in (("a/old", 3 << 20), ("a/b/old", 1 << 20), ("kept", 5)):
        ObjectStore().put(f"s3://{bucket}/{key}", bytes(size))
    now = datetime.now(UTC)
    assert list(retention.due(s3.client(), [bucket], now)) == [f"{bucket}: every object stays"]
    lifecycle.expire(bucket, {"a/": 60})
    due = [list(retention.due(s3.client(), [bucket], now + timedelta(days=days))) for days in (59, 61)]
    assert due == [
        [f"{bucket}/a/: 0 objects older than 60 days, 0.0 MiB"],
        [f"{bucket}/a/: 2 objects older than 60 days, 4.0 MiB"],
    ]
