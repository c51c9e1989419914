"""A cluster as Helm's templates look it up: an API server that holds given objects and no others."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from quintet.paths import versions

GROUPS = {
    "v1": {
        "ConfigMap": "configmaps",
        "Namespace": "namespaces",
        "PersistentVolumeClaim": "persistentvolumeclaims",
        "Pod": "pods",
        "Secret": "secrets",
        "Service": "services",
        "ServiceAccount": "serviceaccounts",
        "LimitRange": "limitranges",
        "ResourceQuota": "resourcequotas",
    },
    "apps/v1": {"Deployment": "deployments", "StatefulSet": "statefulsets"},
    "batch/v1": {"Job": "jobs", "CronJob": "cronjobs"},
    "networking.k8s.io/v1": {"NetworkPolicy": "networkpolicies", "Ingress": "ingresses"},
    "autoscaling/v2": {"HorizontalPodAutoscaler": "horizontalpodautoscalers"},
    "policy/v1": {"PodDisruptionBudget": "poddisruptionbudgets"},
    "rbac.authorization.k8s.io/v1": {"Role": "roles", "RoleBinding": "rolebindings"},
}
NOT_NAMESPACED = {"Namespace"}
VERSION = f"v{versions()['kubernetes']['version']}"


def _discovery() -> dict[str, Any]:
    """Return what the API server says of itself, by path."""
    answers: dict[str, Any] = {
        "/version": {"major": "1", "minor": VERSION.split(".")[1], "gitVersion": VERSION},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "groups": []},
    }
    for version, kinds in GROUPS.items():
        group = version.partition("/")[0]
        path = "/api/v1" if version == "v1" else f"/apis/{version}"
        resources = [
            {
                "name": name,
                "kind": kind,
                "namespaced": kind not in NOT_NAMESPACED,
                "singularName": kind.lower(),
                "verbs": ["get", "list"],
            }
            for kind, name in kinds.items()
        ]
        answers[path] = {"kind": "APIResourceList", "groupVersion": version, "resources": resources}
        if version != "v1":
            told = {"groupVersion": version, "version": version.partition("/")[2]}
            answers["/apis"]["groups"].append({"name": group, "versions": [told], "preferredVersion": told})
    return answers


def _path(thing: Mapping[str, Any]) -> str:
    version, metadata = thing["apiVersion"], thing["metadata"]
    root = "/api/v1" if version == "v1" else f"/apis/{version}"
    return f"{root}/namespaces/{metadata['namespace']}/{GROUPS[version][thing['kind']]}/{metadata['name']}"


@contextmanager
def cluster(objects: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Serve a cluster that holds these objects of namespaces, and yield its URL."""
    answers = _discovery() | {_path(thing): thing for thing in objects}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            missing = {
                "kind": "Status",
                "apiVersion": "v1",
                "status": "Failure",
                "reason": "NotFound",
                "code": 404,
            }
            body = json.dumps(answers.get(path, missing)).encode()
            self.send_response(200 if path in answers else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
