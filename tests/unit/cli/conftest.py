"""A server that speaks as much of Airflow's and Kubernetes' APIs as a test gives it answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from quintet.ops.airflow_api import AirflowApi
from quintet.ops.kube import Kube


@pytest.fixture
def answers() -> dict[str, Any]:
    """What the server says to each path; a list is said item by item, the last one again and again."""
    return {
        "/auth/token": {"access_token": "t"},
        "/api/v2/dags/forest/details": {"params": {"seed": 1}},
        "/api/v2/dags/forest/dagRuns": {"dag_run_id": "manual-1"},
    }


@pytest.fixture
def asked() -> list[tuple[str, str, Any]]:
    """What the server was asked: method, path with query, and JSON."""
    return []


@pytest.fixture
def api(answers: dict[str, Any], asked: list[tuple[str, str, Any]]) -> Iterator[str]:
    """The server's URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append((self.command, self.path, json.loads(sent or b"null")))
            path = self.path.partition("?")[0]
            answer = answers.get(path)
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
            body = json.dumps(answer or {"detail": "not here"}).encode()
            self.send_response(200 if answer else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PATCH = do_DELETE = do_GET

        def log_message(self, *_: Any) -> None:
            """Keep the test's output to the command's own."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def airflow(api: str) -> AirflowApi:
    return AirflowApi(api, "admin", "secret")


@pytest.fixture
def kube(api: str, tmp_path: Path) -> Kube:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": api}}],
        "users": [{"name": "test", "user": {"token": "none"}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    return Kube("quintet", kubeconfig)
