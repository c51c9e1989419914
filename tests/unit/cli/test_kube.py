"""What the command line learns from the release about names that the user chose."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from quintet.kube import Kube


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def helm_secret(version: int, values: dict[str, Any]) -> dict[str, Any]:
    """A revision as Helm keeps it."""
    release = {"name": "quintet", "version": version, "config": values}
    packed = base64.b64encode(gzip.compress(json.dumps(release).encode())).decode()
    return {
        "metadata": {"name": f"sh.helm.release.v1.quintet.v{version}", "labels": {"version": str(version)}},
        "data": {"release": encoded(packed)},
    }


@pytest.fixture
def kube(tmp_path: Path) -> Iterator[Callable[..., Kube]]:
    """Makes a platform whose API server holds revisions with some values, the last one in force."""
    answers: dict[str, Any] = {}

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answers.get(self.path.partition("?")[0])
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(found or {"message": self.path}).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    path = tmp_path / "kubeconfig"
    name = "test"
    path.write_text(
        yaml.safe_dump(
            {
                "clusters": [{"name": name, "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
                "users": [{"name": name, "user": {}}],
                "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
                "current-context": name,
            }
        )
    )

    def make(*revisions: dict[str, Any], **passwords: str) -> Kube:
        secrets = [helm_secret(version, values) for version, values in enumerate(revisions, 1)]
        answers["/api/v1/namespaces/ml/secrets"] = {"items": secrets}
        for name, password in passwords.items():
            answers[f"/api/v1/namespaces/ml/secrets/{name}"] = {"data": {"password": encoded(password)}}
        return Kube("ml", path)

    yield make
    server.shutdown()
    server.server_close()


def test_without_choices_names_are_the_platforms_own(kube: Callable[..., Kube]) -> None:
    platform = kube({}, **{"airflow-admin": "generated"})
    assert platform.tasks_namespace == "ml-tasks"
    assert platform.secret("airflow-admin", "password") == "generated"


def test_the_users_own_secret_and_namespace_are_found(kube: Callable[..., Kube]) -> None:
    chosen = {
        "global": {"secrets": {"existing": {"airflow-admin": "vault"}}, "tasks": {"namespace": "steps"}}
    }
    platform = kube({}, chosen, vault="theirs", **{"airflow-admin": "generated"})
    assert platform.tasks_namespace == "steps"
    assert platform.secret("airflow-admin", "password") == "theirs"


def test_before_the_first_release_names_are_the_platforms_own(kube: Callable[..., Kube]) -> None:
    assert kube().tasks_namespace == "ml-tasks"
