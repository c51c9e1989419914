"""What an upgrade makes of the Secrets that a cluster holds, told by an API server that knows only those."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import yaml

from quintet.paths import versions
from tests.charts.render import CHARTS, REGISTRY, decoded, helm, named

ROOT = "/api/v1/namespaces/quintet/secrets/"


def resources(group: str, **kinds: str) -> dict[str, Any]:
    """What the API server says of a group's version: the kinds that the charts look up, by their paths."""
    found = [
        {"name": name, "namespaced": True, "kind": kind, "verbs": ["get"]} for name, kind in kinds.items()
    ]
    return {"kind": "APIResourceList", "groupVersion": group, "resources": found}


DISCOVERY: dict[str, Any] = {
    "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": resources("v1", secrets="Secret", persistentvolumeclaims="PersistentVolumeClaim"),
    "/apis/apps/v1": resources("apps/v1", statefulsets="StatefulSet"),
    "/apis/batch/v1": resources("batch/v1", jobs="Job"),
}
NOT_FOUND = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}


@pytest.fixture
def held() -> dict[str, dict[str, str]]:
    """What the cluster's Secrets hold, by name."""
    return {}


@pytest.fixture
def cluster(held: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """The URL of the API server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            answer = DISCOVERY.get(path)
            if data := held.get(path.removeprefix(ROOT)):
                values = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
                metadata = {"name": path.removeprefix(ROOT), "namespace": "quintet"}
                answer = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": values}
            body = json.dumps(answer or NOT_FOUND).encode()
            self.send_response(200 if answer else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Keep the test's output to Helm's own."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def upgraded(chart: str, cluster: str) -> subprocess.CompletedProcess[str]:
    command = [helm(), "template", "quintet", str(CHARTS / chart), "--namespace", "quintet"]
    command += ["--dry-run=server", "--kube-apiserver", cluster, "--kubeconfig", "/dev/null"]
    command += ["--kube-version", versions()["kubernetes"]["version"]]
    command += ["--set", f"global.image.registry={REGISTRY}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def secret_of(ended: subprocess.CompletedProcess[str], name: str) -> dict[str, str]:
    assert ended.returncode == 0, ended.stderr
    return decoded(named([m for m in yaml.safe_load_all(ended.stdout) if m], "Secret", name))


def test_a_password_and_its_url_stay(cluster: str, held: dict[str, dict[str, str]]) -> None:
    url = "postgresql+psycopg2://mlflow:kept@postgres:5432/mlflow_db"
    held["postgres-mlflow"] = {"username": "mlflow", "password": "kept", "url": url}
    assert secret_of(upgraded("postgres", cluster), "postgres-mlflow") == held["postgres-mlflow"]


def test_a_password_that_was_edited_by_hand_is_refused(cluster: str, held: dict[str, dict[str, str]]) -> None:
    url = "postgresql+psycopg2://mlflow:kept@postgres:5432/mlflow_db"
    held["postgres-mlflow"] = {"username": "mlflow", "password": "edited", "url": url}
    refused = upgraded("postgres", cluster)
    assert refused.returncode == 1
    assert (
        "The Secret postgres-mlflow of namespace quintet has a password that its url does not hold: it was "
        "edited by hand, and Postgres does not know it. `make rotate SECRET=postgres-mlflow` gives it "
        "another one everywhere."
    ) in refused.stderr
    assert "kept" not in refused.stderr
    assert "edited" not in refused.stderr.replace("edited by hand", "")


def test_an_access_key_that_was_rotated_stays(cluster: str, held: dict[str, dict[str, str]]) -> None:
    held["minio-mlflow"] = {"access-key": "mlflow-1a2b3c4d", "secret-key": "kept"}
    assert secret_of(upgraded("minio", cluster), "minio-mlflow") == held["minio-mlflow"]
