"""A Kubernetes API server that knows only pods, and whose pods end as a test says.

It speaks HTTP, so that the provider's own clients (the synchronous one and the triggerer's) are under test.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Pod = dict[str, Any]
POD_PATH = re.compile(r"^/api/v1/namespaces/(?P<namespace>[^/]+)/pods(?:/(?P<name>[^/]+)(?P<log>/log)?)?$")


@dataclass(frozen=True)
class Ending:
    """How a pod ends.

    Args:
        exit_code: Of its container; None for a pod that the cluster removed before the container began.
        message: Termination message of the container, or of the pod when it has no container.
        after: Seconds from the pod's creation to its end.
        phase_lag: Seconds from the container's end until the pod's phase says so.
        reason: Of the container's end; of the pod's when it has no container.
        waiting: Reason and message of a container that does not start, instead of an end.
        evicted: Message of an eviction, which the pod tells together with its phase.
        proxy: Name of a container that a mesh has put before the step's, and that runs on after its end, so
            that the pod's phase never says it.
    """

    exit_code: int | None = 0
    message: str = "{}"
    after: float = 0.0
    phase_lag: float = 0.0
    reason: str = "Completed"
    waiting: tuple[str, str] | None = None
    evicted: str | None = None
    proxy: str | None = None


@dataclass
class Cluster:
    """The pods that were asked for and those that are there."""

    ending: Callable[[Pod], Ending] = lambda pod: Ending()
    requested: list[Pod] = field(default_factory=list)
    pods: dict[str, Pod] = field(default_factory=dict)
    ends: dict[str, tuple[float, Ending]] = field(default_factory=dict)

    def create(self, pod: Pod) -> Pod:
        name = pod["metadata"]["name"]
        pod["metadata"] |= {"uid": name, "creationTimestamp": datetime.now(UTC).isoformat()}
        self.requested.append(pod)
        self.pods[name] = pod
        ending = self.ending(pod)
        self.ends[name] = (time.monotonic(), ending)
        if ending.proxy:
            resources = {"limits": {"memory": "250Mi"}}
            proxy = {"name": ending.proxy, "image": "mesh.test/proxy:1", "resources": resources}
            pod["spec"]["containers"].insert(0, proxy)
        return self.read(name)

    def read(self, name: str) -> Pod:
        created, ending = self.ends[name]
        age = time.monotonic() - created
        return {**self.pods[name], "status": status(self.pods[name], ending, age)}

    def select(self, selector: str) -> list[Pod]:
        wanted = [term.split("=", 1) for term in selector.split(",") if "=" in term and "!=" not in term]
        checked = "already_checked!=True" in selector
        return [
            self.read(name)
            for name, pod in list(self.pods.items())
            if all(pod["metadata"]["labels"].get(key) == value for key, value in wanted)
            and not (checked and pod["metadata"]["labels"].get("already_checked") == "True")
        ]


def status(pod: Pod, ending: Ending, age: float) -> dict[str, Any]:
    """The status that a kubelet would report at the age."""
    name = pod["spec"]["containers"][-1]["name"]
    now = datetime.now(UTC).isoformat()
    container = {"name": name, "ready": False, "restartCount": 0, "image": "i", "imageID": "i"}
    if ending.waiting:
        state = {"waiting": dict(zip(("reason", "message"), ending.waiting, strict=True))}
        return {"phase": "Pending", "containerStatuses": [container | {"state": state}]}
    if age < ending.after:
        return {
            "phase": "Running",
            "containerStatuses": [container | {"state": {"running": {"startedAt": now}}}],
        }
    phase = "Failed" if ending.exit_code != 0 else "Succeeded"
    if ending.exit_code is None:
        return {"phase": phase, "reason": ending.reason, "message": ending.message}
    end = {
        "exitCode": ending.exit_code,
        "message": ending.message[:4096],
        "reason": ending.reason,
        "finishedAt": now,
    }
    over = age >= ending.after + ending.phase_lag and not ending.proxy
    told = {"reason": "Evicted", "message": ending.evicted} if over and ending.evicted else {}
    proxies = (
        [container | {"name": ending.proxy, "state": {"running": {"startedAt": now}}}] if ending.proxy else []
    )
    return {
        "phase": phase if over else "Running",
        "containerStatuses": [*proxies, container | {"state": {"terminated": end}}],
        **told,
    }


class Handler(BaseHTTPRequestHandler):
    """Answers what the provider asks about pods, their logs and their events."""

    cluster: Cluster
    protocol_version = "HTTP/1.1"
    # Head and body are two packets: the second would wait 40 ms for the client to say that it has the first.
    disable_nagle_algorithm = True

    def log_message(self, *arguments: object) -> None:
        """Keep the test's output clean."""

    def answer(self, code: int, body: object) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def handle_any(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = POD_PATH.match(url.path)
        if not asked:
            return self.answer(200, {"kind": "EventList", "metadata": {"resourceVersion": "1"}, "items": []})
        name = asked["name"]
        if self.command == "POST":
            return self.answer(201, self.cluster.create(json.loads(body)))
        if not name:
            selector = parse_qs(url.query).get("labelSelector", [""])[0]
            items = self.cluster.select(selector)
            return self.answer(200, {"kind": "PodList", "metadata": {}, "items": items})
        if name not in self.cluster.pods:
            return self.answer(404, {"kind": "Status", "code": 404, "reason": "NotFound"})
        if asked["log"]:
            return self.answer(200, b"a line\n")
        if self.command == "DELETE":
            return self.answer(200, self.cluster.pods.pop(name))
        if self.command == "PATCH":
            self.cluster.pods[name]["metadata"]["labels"] |= json.loads(body)["metadata"]["labels"]
        return self.answer(200, self.cluster.read(name))

    do_GET = do_POST = do_DELETE = do_PATCH = handle_any


def serve(cluster: Cluster) -> ThreadingHTTPServer:
    """Bind a server for the cluster to a free port of the loopback; the caller runs and closes it."""
    return ThreadingHTTPServer(("127.0.0.1", 0), type("ClusterHandler", (Handler,), {"cluster": cluster}))
