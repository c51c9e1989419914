"""Load on the API from inside the cluster, bounded in time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import yaml

from quintet.kube import Kube
from quintet.predict import EXAMPLE

SECONDS = 240
CLIENTS = 4
PROGRAM = f"""
import os, threading, time, urllib.error, urllib.request
until = time.monotonic() + {SECONDS}
def ask():
    while time.monotonic() < until:
        request = urllib.request.Request(os.environ["URL"], os.environ["BODY"].encode())
        request.add_header("Content-Type", "application/json")
        try:
            urllib.request.urlopen(request, timeout=30).read()
        except urllib.error.URLError:
            time.sleep(0.1)
for _ in range({CLIENTS}):
    threading.Thread(target=ask).start()
"""


@contextlib.contextmanager
def job(kube: Kube, samples: str) -> Iterator[None]:
    """Let a Job, made from the example's, send requests while the block runs, and for SECONDS at most."""
    made: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    (container,) = made["spec"]["template"]["spec"]["containers"]
    container["image"] = kube.workloads("inference-forest")[0].spec.template.spec.containers[0].image
    container["args"] = [PROGRAM]
    next(entry for entry in container["env"] if entry["name"] == "BODY")["value"] = samples
    made["spec"]["activeDeadlineSeconds"] = SECONDS + 60
    made["metadata"] = {"name": "load"}
    kube.batch.create_namespaced_job(kube.namespace, made)
    try:
        yield
    finally:
        kube.batch.delete_namespaced_job("load", kube.namespace, propagation_policy="Foreground")
