"""Loads that a Job sends from inside the cluster, with the image of the API and `load.py`."""

from __future__ import annotations

import json
import secrets
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from bench.serving.load import Load, write_requests
from bench.serving.models import COVERTYPE
from forest.schema import NAMES
from forest.snapshot import FEATURES, clean
from quintet.ops.kube import Kube
from quintet.ops.predict import EXAMPLE
from quintet.progress import UserError
from tests.e2e.evidence import wait_for

API = "inference-forest"
CLIENT = "bench-serving"
ROWS = 800
"""So many rows, as single ones and in bodies of 100, fit into a ConfigMap."""
WAIT_SECONDS = 300

Words = list[str]


def words(rows: int, connections: int, seconds: float, each_second: float = 0) -> Words:
    """Returns what `load.py` is told in the Job's pod."""
    requests = f"/bench/{rows}.requests"
    return [API, "80", *map(str, (connections, seconds, requests, each_second))]


def run(kube: Kube, loads: list[list[Words]]) -> list[Load]:
    """Runs loads one after the other in a Job and gives their results."""
    seconds = sum(max(float(each[3]) for each in together) for together in loads)
    with job(kube, loads) as name:
        return results(kube, name, seconds)


@contextmanager
def job(kube: Kube, loads: list[list[Words]]) -> Iterator[str]:
    """Starts loads in a Job and gives its name; it goes at the end of the block.

    One whose block was killed ends after an hour, and goes a few minutes later with all that is its own.
    """
    made: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    name = f"{CLIENT}-{secrets.token_hex(3)}"
    made["metadata"] = {"name": name}
    made["spec"] |= {"activeDeadlineSeconds": 3600, "ttlSecondsAfterFinished": WAIT_SECONDS}
    pod = made["spec"]["template"]["spec"]
    api = kube.workloads(API)[0].spec.template.spec
    pod["imagePullSecrets"] = [{"name": secret.name} for secret in api.image_pull_secrets or []]
    pod["volumes"] = [{"name": "bench", "configMap": {"name": name}}]
    (container,) = pod["containers"]
    container |= {
        "name": CLIENT,
        "image": api.containers[0].image,
        "command": ["python", "/bench/in_pod.py", json.dumps(loads)],
        "args": [],
        "volumeMounts": [{"name": "bench", "mountPath": "/bench"}],
        "resources": {
            "requests": {"cpu": "10m", "memory": "64Mi"},
            "limits": {"cpu": "1", "memory": "256Mi"},
        },
    }
    created = kube.batch.create_namespaced_job(kube.namespace, made)
    try:
        kube.core.create_namespaced_config_map(kube.namespace, _files(name, created.metadata.uid))
        yield name
    finally:
        kube.batch.delete_namespaced_job(name, kube.namespace, propagation_policy="Foreground")
        wait_for("the Job to go", lambda: not kube.pods({"job-name": name}), WAIT_SECONDS)


def _files(job_name: str, job_uid: str) -> dict[str, Any]:
    """Returns the ConfigMap with the load's programs and requests; it goes with the Job."""
    here = Path(__file__).parent
    files = {name: (here / name).read_bytes() for name in ("load.py", "in_pod.py")}
    rows_sent = clean(pd.read_csv(COVERTYPE, nrows=ROWS).set_axis(list(NAMES), axis=1))
    samples = rows_sent[list(FEATURES)].to_dict("records")
    with tempfile.TemporaryDirectory() as folder:
        for rows in (1, 100):
            path = Path(folder, f"{rows}.requests")
            bodies = [
                json.dumps({"samples": samples[at : at + rows]}).encode()
                for at in range(0, len(samples), rows)
            ]
            write_requests(path, "/predict", bodies)
            files[path.name] = path.read_bytes()
    content = {name: b64encode(each).decode() for name, each in files.items()}
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job_name, "uid": job_uid}
    return {"metadata": {"name": job_name, "ownerReferences": [owner]}, "binaryData": content}


def results(kube: Kube, name: str, seconds: float) -> list[Load]:
    """Waits for a Job of loads and gives their results.

    Args:
        kube: the platform.
        name: of the Job.
        seconds: that the loads take.

    Raises:
        UserError: it failed, or did not end in time.
    """
    wait_for(
        "the load to end", lambda: phase_of(kube, name) in ("Succeeded", "Failed"), seconds + WAIT_SECONDS
    )
    (pod,) = kube.pods({"job-name": name})
    answer = kube.core.read_namespaced_pod_log(pod.metadata.name, kube.namespace, _preload_content=False)
    said = answer.data.decode()
    if phase_of(kube, name) == "Failed":
        raise UserError(f"The load failed: {said}")
    return [Load(**json.loads(line)) for line in said.splitlines()]


def phase_of(kube: Kube, name: str) -> str:
    """Returns the phase of a Job's pod; nothing before there is one."""
    return "".join(pod.status.phase for pod in kube.pods({"job-name": name}))
