"""The platform's own API under load from inside its cluster: `python -m bench.serving.cluster WHAT`.

    replicas   requests/s through the Service with 1 and with 3 pods
    rollout    200 requests/s for 10 minutes through two promotions, a rollout and a scale-down
    overload   5 times what one pod can do, for 60 seconds, of single rows and of 100-row bodies

The autoscaler is held at a number of pods meanwhile and gets its own limits back; `rollout` goes back to the
version before the champion and forth again, which the record of promotions keeps.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from kubernetes.client import AutoscalingV2Api

from bench.platform import MEBIBYTE, working_sets
from bench.serving.client_job import API, WAIT_SECONDS, job, phase_of, results, run, words
from bench.serving.load import Load
from quintet.ops import status
from quintet.ops.env import connections
from quintet.ops.kube import Kube
from quintet.pipelines import pipelines
from quintet.progress import UserError
from tests.e2e.evidence import wait_for

ROLLOUT_SECONDS, ROLLOUT_RATE = 600, 200
OVERLOAD_SECONDS, OVERLOAD, OVERLOAD_CONNECTIONS = 60, 5, 1000
RECOVERY_SECONDS, RECOVERY_LOADS = 0.5, 20


def replicas(kube: Kube) -> None:
    """Prints the rates with one and with three pods, which share the node's cores with the client."""
    print("| pods | rows | requests/s | p50 ms | p99 ms |\n|---:|---:|---:|---:|---:|")
    for count in (1, 3):
        with pods(kube, count):
            for rows, load in zip(
                (1, 100), run(kube, [[words(1, 16, 10)], [words(100, 16, 10)]]), strict=True
            ):
                refuse_errors(load)
                print(
                    f"| {count} | {rows} | {load.rate:,.0f} | {load.p50_ms:.2f} | {load.p99_ms:.2f} |",
                    flush=True,
                )


def rollout(kube: Kube) -> None:
    """Prints what clients saw in ten minutes in which everything happened that happens to an API."""
    champion = status.metadata(kube, "forest")["version"]
    if champion is None or int(champion) < 2:
        raise UserError(
            "Going back and forth takes two versions of the forest: run forest_training_pipeline again."
        )
    with pods(kube, 2):
        print(f"memory of the pods at the start: {memory(kube)}")
        with job(kube, [[words(1, 16, ROLLOUT_SECONDS, ROLLOUT_RATE)]]) as name:
            wait_for("the load to begin", lambda: phase_of(kube, name) == "Running", WAIT_SECONDS)
            say("the load has begun")
            for version in (str(int(champion) - 1), champion):
                pause()
                promote(kube, version)
                wait_for(
                    "the new champion",
                    lambda: status.metadata(kube, "forest")["version"] == version,  # noqa: B023
                    WAIT_SECONDS,
                )
                say(f"version {version} serves")
            pause()
            restart(kube)
            say("all pods are new")
            pause()
            scale(kube, 1)
            say("one pod is left")
            (load,) = results(kube, name, ROLLOUT_SECONDS)
        print(f"memory of the pods at the end: {memory(kube)}; restarts: {restarts(kube)}")
    failed = load.lost + load.answers - load.statuses.get("200", 0)
    print(
        f"{load.answers:,} requests in {load.seconds:.0f} s: {failed} failed, {load.left_out} not sent, "
        f"p50 {load.p50_ms:.2f} ms, p99 {load.p99_ms:.2f} ms"
    )


def promote(kube: Kube, version: str) -> None:
    """Makes a version of the forest champion, by the way back that docs/operations.md describes."""
    with (
        kube.forward("postgres", 5432) as postgres,
        kube.forward("minio", 9000) as s3,
        kube.forward("mlflow", 5000) as mlflow,
    ):
        ports = {"postgres": postgres, "s3": s3, "mlflow": mlflow}
        environment = os.environ | connections(kube, ports, pipelines()["forest"], promotion=True)
        command = [sys.executable, "-m", "forest.promote", "--run-id", f"bench-{time.time_ns()}"]
        command += ["--rollback-to", version, "--reason", "bench.serving.cluster goes back and forth"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"Version {version} was not promoted: {done.stderr}")


def pause() -> None:
    """Waits a minute under the load, in which nothing else happens."""
    threading.Event().wait(60)


def overload(kube: Kube) -> None:
    """Prints the answers of one pod to five times its load, and how soon it is itself again."""
    print(
        "| rows | capacity/s | wanted/s | answered/s | of them 429 | p99 ms | p99 ms of 429 | lost | other"
        f" | well after s | restarts |\n|{'---:|' * 11}"
    )
    with pods(kube, 1):
        for rows in (1, 100):
            capacity, alone = run(kube, [[words(rows, 16, 5)], [words(rows, 1, 3)]])
            refuse_errors(capacity)
            rate = OVERLOAD * capacity.rate
            recovery = [[words(rows, 1, RECOVERY_SECONDS)]] * RECOVERY_LOADS
            load, *after = run(kube, [[words(rows, OVERLOAD_CONNECTIONS, OVERLOAD_SECONDS, rate)], *recovery])
            well = [each.statuses.keys() == {"200"} and each.p50_ms <= 2 * alone.p50_ms for each in after]
            cells = [
                *(str(rows), f"{capacity.rate:,.0f}", f"{rate:,.0f}", f"{load.answers / load.seconds:,.0f}"),
                f"{load.statuses.get('429', 0) / load.answers:.1%}",
                *(f"{load.p99_ms:.1f}", f"{load.refused_p99_ms:.1f}", str(load.lost)),
                str(sum(count for status, count in load.statuses.items() if status not in ("200", "429"))),
                f"{(well.index(True) + 1) * RECOVERY_SECONDS:.1f}" if any(well) else "never",
                str(restarts(kube)),
            ]
            print(f"| {' | '.join(cells)} |", flush=True)


def refuse_errors(load: Load) -> None:
    """Raises a sentence where an answer was not 200."""
    if load.statuses.keys() != {"200"} or load.lost:
        raise UserError(
            f"The API answered {load.statuses} and lost {load.lost}: only good answers are counted."
        )


def say(what: str) -> None:
    """Prints a line with the time."""
    print(f"  {datetime.now(UTC):%H:%M:%S} {what}", flush=True)


@contextmanager
def pods(kube: Kube, count: int) -> Iterator[None]:
    """Holds the autoscaler at a number of pods while the block runs."""
    scaler = AutoscalingV2Api(kube.core.api_client).read_namespaced_horizontal_pod_autoscaler(
        API, kube.namespace
    )
    own = {"minReplicas": scaler.spec.min_replicas, "maxReplicas": scaler.spec.max_replicas}
    try:
        scale(kube, count)
        yield
    finally:
        _limit(kube, own)


def scale(kube: Kube, count: int) -> None:
    """Holds the autoscaler at a number of pods and waits until as many, and no more, are there."""
    _limit(kube, {"minReplicas": count, "maxReplicas": count})
    wait_for(f"{count} pods", lambda: _ready(kube) == count == len(_running(kube)), WAIT_SECONDS)


def _limit(kube: Kube, limits: dict[str, int]) -> None:
    scalers = AutoscalingV2Api(kube.core.api_client)
    scalers.patch_namespaced_horizontal_pod_autoscaler(API, kube.namespace, {"spec": limits})


def restart(kube: Kube) -> None:
    """Replaces every pod, as `kubectl rollout restart` does."""
    before = set(_running(kube))
    annotations = {"kubectl.kubernetes.io/restartedAt": datetime.now(UTC).isoformat()}
    body = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    kube.apps.patch_namespaced_deployment(API, kube.namespace, body)
    wait_for(
        "new pods", lambda: not before & set(_running(kube)) and _ready(kube) == len(before), WAIT_SECONDS
    )


def _ready(kube: Kube) -> int:
    return int(kube.workloads(API)[0].status.ready_replicas or 0)


def _running(kube: Kube) -> list[str]:
    """Returns the names of the API's pods, also of those that take leave."""
    selector = kube.workloads(API)[0].spec.selector.match_labels
    return [pod.metadata.name for pod in kube.pods(selector)]


def restarts(kube: Kube) -> int:
    """Returns how often the containers of the API's pods were started again."""
    selector = kube.workloads(API)[0].spec.selector.match_labels
    return sum(state.restart_count for pod in kube.pods(selector) for state in pod.status.container_statuses)


def memory(kube: Kube) -> str:
    """Returns the working set of each of the API's pods, once the kubelet has counted all of them."""
    sizes = wait_for("the pods' memory", lambda: _sizes(kube), WAIT_SECONDS)
    return ", ".join(f"{size / MEBIBYTE:.0f} MiB" for size in sizes)


def _sizes(kube: Kube) -> list[int]:
    """Returns the working sets; nothing while one is not known yet."""
    own = set(_running(kube))
    sizes = [size for (_, pod), size in working_sets(kube).items() if pod in own]
    return sizes if len(sizes) == len(own) and all(sizes) else []


def main() -> None:
    """Measures what the command line names."""
    scenarios = {each.__name__: each for each in (replicas, rollout, overload)}
    if len(sys.argv) != 2 or sys.argv[1] not in scenarios:
        sys.exit(f"Say what to measure: {', '.join(scenarios)}.")
    scenarios[sys.argv[1]](Kube.of("quintet", None))


if __name__ == "__main__":
    main()
