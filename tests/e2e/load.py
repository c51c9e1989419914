"""Load on the API from inside the cluster, bounded in time."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import yaml

from quintet.ops.kube import Kube
from quintet.ops.predict import EXAMPLE

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
STEADY_SECONDS = 600
THREADS = 25
STEADY = f"""
import collections, json, os, threading, time, urllib.request
counts, lock, begin = collections.Counter(), threading.Lock(), time.monotonic()
def ask(number):
    turn = 0
    while time.monotonic() < begin + {STEADY_SECONDS}:
        # Each thread has its turn in the second; one that is late asks at once.
        due = begin + (number / {THREADS} + turn) * {THREADS} / float(os.environ["RATE"])
        time.sleep(max(0, due - time.monotonic()))
        turn += 1
        request = urllib.request.Request(os.environ["URL"], os.environ["BODY"].encode())
        request.add_header("Content-Type", "application/json")
        try:
            urllib.request.urlopen(request, timeout=30).read()
            answer = "answered"
        except Exception as error:
            answer = repr(error)
        with lock:
            counts[answer] += 1
for number in range({THREADS}):
    threading.Thread(target=ask, args=(number,), daemon=True).start()
while True:
    time.sleep(1)
    with lock:
        print(json.dumps(counts), flush=True)
"""


@contextlib.contextmanager
def job(kube: Kube, samples: str) -> Iterator[None]:
    """Run a Job, made from the example's, that sends requests during the block, for SECONDS at most."""
    with _job(kube, samples, PROGRAM, SECONDS + 60):
        yield


class Steady:
    """Requests at a steady rate.

    Args:
        kube: the platform.
    """

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    def counts(self) -> dict[str, int]:
        """How many requests were `answered`, and how many failed, by error; empty before the first second."""
        for pod in self._kube.pods({"job-name": "load"}):
            if pod.status.phase == "Running":
                # Unasked, the client would take a log that is JSON for an object.
                log = self._kube.core.read_namespaced_pod_log(
                    pod.metadata.name, self._kube.namespace, tail_lines=1, _preload_content=False
                ).data
                return dict(json.loads(log)) if log.strip() else {}
        return {}


@contextlib.contextmanager
def steady(kube: Kube, samples: str, rate: int) -> Iterator[Steady]:
    """Run a Job that sends so many requests a second, each by its own connection, while the block runs."""
    with _job(kube, samples, STEADY, STEADY_SECONDS, RATE=str(rate)):
        yield Steady(kube)


@contextlib.contextmanager
def _job(kube: Kube, samples: str, program: str, seconds: int, **environment: str) -> Iterator[None]:
    made: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    (container,) = made["spec"]["template"]["spec"]["containers"]
    container["image"] = kube.workloads("inference-forest")[0].spec.template.spec.containers[0].image
    container["args"] = [program]
    told = {"URL": "http://inference-forest/predict", "BODY": samples, **environment}
    container["env"] = [{"name": name, "value": value} for name, value in told.items()]
    made["spec"]["activeDeadlineSeconds"] = seconds
    made["metadata"] = {"name": "load"}
    kube.batch.create_namespaced_job(kube.namespace, made)
    try:
        yield
    finally:
        kube.batch.delete_namespaced_job("load", kube.namespace, propagation_policy="Foreground")
