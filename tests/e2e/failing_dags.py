"""DAGs that fail, each in its own way: put beside the platform's by failures.py, and read by Airflow alone.

All stand on the forest pipeline's images and on the pods that every step gets; one setting is wrong in each.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.cncf.kubernetes.secret import Secret
from airflow.sdk import DAG
from kubernetes.client import models as k8s
from pods import step
from step_files import read_json

CLOSED = "http://127.0.0.1:9"
EXTRACT = {"arguments": {"group_number": 3, "pipeline_prefix": "forest/why"}}

STEP = """
import time
from pathlib import Path
from stepkit.step import run

def extract(settings):
    {work}
    return {{}}

run(extract)
"""
SERVED = """
import runpy, threading
from http.server import BaseHTTPRequestHandler, HTTPServer

class Source(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

BODY = {body!r}
server = HTTPServer(("127.0.0.1", 8099), Source)
threading.Thread(target=server.serve_forever, daemon=True).start()
runpy.run_module("forest.extract", run_name="__main__")
"""
ROW = '["2596","51","3","258","0","510","221","232","148","6279","Rawah","C7745","0"]'
CHANGED_ROW = ROW.replace("2596", "high")


def python(program: str, **settings: Any) -> dict[str, Any]:
    """Settings of a step that runs a program instead of its own module."""
    return {"cmds": ["python", "-c", program], **settings}


def served(body: str) -> dict[str, Any]:
    """Settings of an extract step whose source answers with a body."""
    program = SERVED.format(body=body.encode())
    return python(program, environment={"SOURCE_API_BASE_URL": "http://127.0.0.1:8099"}, **EXTRACT)


def work(line: str, **settings: Any) -> dict[str, Any]:
    """Settings of a step that does one line of work as every step does its own."""
    return python(STEP.format(work=line), **settings)


def resources(**limits: str) -> k8s.V1ResourceRequirements:
    """Those of a container that asks for next to no processor, so that a busy node has room for it."""
    own = {name.replace("_", "-"): value for name, value in limits.items()}
    return k8s.V1ResourceRequirements(
        requests={"cpu": "1m", "memory": "64Mi", **own}, limits={"cpu": "1", "memory": "512Mi", **own}
    )


def wrong_tag() -> str:
    """The image of `extract` with a tag that nobody has pushed."""
    return f"{read_json('STEP_IMAGES_FILE')['forest-extract'].rpartition(':')[0]}:no-such-tag"


def mounted(path: str, **source: Any) -> dict[str, Any]:
    """Settings of a step with one more volume."""
    return {
        "volumes": [k8s.V1Volume(name="more", **source)],
        "volume_mounts": [k8s.V1VolumeMount(name="more", mount_path=path)],
    }


FAILURES: dict[str, tuple[str, dict[str, Any]]] = {
    "image_missing": ("extract", {"image": wrong_tag(), **EXTRACT}),
    "step_without_image": ("harvest", {}),
    "oom_kill": ("extract", work("b'x' * (1 << 30)", container_resources=resources(memory="64Mi"))),
    "unschedulable": ("extract", {"container_resources": resources(memory="900Gi"), **EXTRACT}),
    "missing_secret": (
        "extract",
        {"secrets": [Secret("env", "LICENCE", "no-such-secret", "key")], **EXTRACT},
    ),
    "start_timeout": (
        "extract",
        {
            **mounted("/licence", config_map=k8s.V1ConfigMapVolumeSource(name="no-such-config-map")),
            "startup_timeout_seconds": 5,
            **EXTRACT,
        },
    ),
    "source_down": ("extract", {"environment": {"SOURCE_API_BASE_URL": CLOSED}, **EXTRACT}),
    "fields_changed": (
        "extract",
        served(f'{{"group_number": 3, "batch_number": 1, "data": [{ROW}, {CHANGED_ROW}, {CHANGED_ROW}]}}'),
    ),
    "empty_answer": ("extract", served("")),
    "s3_down": ("extract", {"environment": {"AWS_ENDPOINT_URL_S3": CLOSED}, **EXTRACT}),
    "mlflow_down": (
        "train",
        work(
            "from stepkit import tracking\n    with tracking.run(settings, 'why'): pass",
            environment={"MLFLOW_TRACKING_URI": CLOSED},
        ),
    ),
    "disk_full": (
        "extract",
        work(
            "Path('/scratch/big').write_bytes(bytes(8 << 20))",
            **mounted("/scratch", empty_dir=k8s.V1EmptyDirVolumeSource(medium="Memory", size_limit="1Mi")),
        ),
    ),
    "disk_limit": (
        "extract",
        work(
            "Path('/tmp/big').write_bytes(bytes(64 << 20)); time.sleep(120)",
            container_resources=resources(ephemeral_storage="10Mi"),
        ),
    ),
    "code_exception": ("extract", work("{'batch': 1}['rows']")),
    "postgres_down": (
        "load",
        work(
            "from stepkit import postgres\n    with postgres.transaction(settings): pass",
            environment={"DATABASE_URL": "postgresql://forest@127.0.0.1:9/quintet"},
        ),
    ),
    "nothing_to_do": ("extract", served('{"group_number": 3, "batch_number": 1, "data": []}')),
    # Ends while it is awaited inline: Airflow may take a task for killed whose trigger fires as it defers
    # (apache/airflow#67287).
    "time_limit": ("extract", work("time.sleep(120)", active_deadline_seconds=5, inline_wait=30)),
}

for name, (of_step, settings) in FAILURES.items():
    with DAG(
        f"why_{name}",
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        is_paused_upon_creation=False,
        tags=["why"],
    ):
        usual = {
            "retries": 0,
            "pool": "default_pool",
            "timeout": timedelta(minutes=3),
            "container_resources": resources(),
        }
        step("forest", of_step, **{**usual, **settings})
