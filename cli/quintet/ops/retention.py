"""``quintet retention``: delete what is older than the values say, or say what that would be."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from quintet import loopback
from quintet.ops.kube import Kube, exit_code_of
from quintet.progress import UserError

COMPONENT = {"app.kubernetes.io/component": "retention"}
SECONDS = 3600
"""In which a CronJob's pod has to end, as its chart says."""
MIB = 1 << 20


def main(kube: Kube, *, dry_run: bool) -> None:
    """Run each CronJob of retention now, and print what it says and what S3 deletes by itself.

    Raises:
        UserError: when one of them fails, with the end of its log.
    """
    selector = ",".join(f"{name}={value}" for name, value in COMPONENT.items())
    found = kube.batch.list_namespaced_cron_job(kube.namespace, label_selector=selector).items
    for cron_job in sorted(found, key=lambda item: str(item.metadata.name)):
        print(f"▸ {cron_job.metadata.name}", flush=True)
        print(run_now(kube, cron_job, dry_run=dry_run))
    if not found:
        print("No CronJob deletes anything: retention.days of charts/airflow and charts/mlflow is 0.")
    print("▸ S3, which deletes by itself within a day")
    for line in expiring(kube):
        print(line)


def run_now(kube: Kube, cron_job: Any, *, dry_run: bool) -> str:
    """Run a CronJob's pod once and return its log.

    Raises:
        UserError: when the pod fails, or does not end.
    """
    spec = cron_job.spec.job_template.spec
    spec.backoff_limit = 0
    (container,) = spec.template.spec.containers
    if dry_run:
        container.env.append({"name": "DRY_RUN", "value": "true"})
    job = {"metadata": {"generateName": f"{cron_job.metadata.name}-"}, "spec": spec}
    name = kube.batch.create_namespaced_job(kube.namespace, job).metadata.name
    try:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            for pod in kube.pods({"job-name": name}):
                if (code := exit_code_of(pod, container.name)) is not None:
                    log = kube.log(pod.metadata.name, container.name)
                    if code:
                        raise UserError(f"{cron_job.metadata.name} failed:\n{log[-2000:]}")
                    return log
            time.sleep(0.5)
        raise UserError(f"{name} has not ended in {SECONDS} s: `quintet status` names pods in trouble.")
    finally:
        kube.batch.delete_namespaced_job(name, kube.namespace, propagation_policy="Background")


def expiring(kube: Kube) -> Iterator[str]:
    """Yield a line for each prefix whose objects expire: how many are due, and how many bytes they have."""
    if not any(each.metadata.name == "minio" for each in kube.workloads()):
        yield "S3 is a service of your own: its buckets' lifecycles say what goes."
        return
    with kube.forward("minio", 9000) as port:
        client = loopback.s3(port, *(kube.secret("minio-root", key) for key in ("username", "password")))
        buckets = sorted(each["Name"] for each in client.list_buckets()["Buckets"])
        yield from due(client, buckets, datetime.now(UTC))


def due(client: Any, buckets: list[str], now: datetime) -> Iterator[str]:
    """Yield what `expiring` does, of some buckets at some time."""
    from botocore.exceptions import ClientError

    for bucket in buckets:
        try:
            rules = client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchLifecycleConfiguration":
                raise
            yield f"{bucket}: every object stays"
            continue
        for rule in rules:
            prefix, days = rule.get("Filter", {}).get("Prefix", ""), rule["Expiration"]["Days"]
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            old = [
                each["Size"]
                for page in pages
                for each in page.get("Contents", [])
                if each["LastModified"] < now - timedelta(days=days)
            ]
            yield f"{bucket}/{prefix}: {len(old)} objects older than {days} days, {sum(old) / MIB:.1f} MiB"
