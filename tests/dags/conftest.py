"""An Airflow of its own for the tests, with the DAG folder of the repository and a cluster that obeys."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
AIRFLOW_HOME = tempfile.mkdtemp(prefix="airflow-")
DAGS_FOLDER = Path(AIRFLOW_HOME) / "dags"
# Airflow reads its configuration when it is first imported, so this cannot wait for a fixture.
os.environ |= {
    "AIRFLOW_HOME": AIRFLOW_HOME,
    "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS_FOLDER),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{AIRFLOW_HOME}/airflow.db",
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}
sys.path[:0] = [str(ROOT / "dags"), str(ROOT / "cli")]

from airflow.dag_processing.dagbag import DagBag  # noqa: E402
from airflow.sdk import DAG  # noqa: E402
from airflow.utils import db  # noqa: E402

from quintet.local.dag_runner import serve_tasks_by_one_version  # noqa: E402
from tests.dags.apiserver import Cluster, serve  # noqa: E402

VALUES = yaml.safe_load((ROOT / "charts/airflow/values.yaml").read_text())
IMAGES = [
    f"{pipeline}-{step}"
    for pipeline, given in VALUES["steps"]["pipelines"].items()
    for step in given["steps"]
]
PODS = {
    "namespace": "quintet-tasks",
    "service_account": "step",
    "image_pull_policy": "IfNotPresent",
    "image_pull_secrets": ["registry"],
    "security_context": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "labels": {"app.kubernetes.io/name": "step"},
    "env": {"DATA_BUCKET": "data", "GROUP_NUMBER": "1"},
    "secret_env": {"MLFLOW_TRACKING_PASSWORD": {"secret": "mlflow-forest", "key": "password"}},
    "pipelines": {
        "forest": {
            "env": {"GROUP_NUMBER": "3"},
            "secret_env": {"DATABASE_URL": {"secret": "postgres-forest", "key": "url"}},
            "config_env": {"SOURCE_API_BASE_URL": {"config_map": "sources", "key": "forest"}},
        }
    },
    "steps": {
        "forest-promote": {
            "secret_env": {
                "MLFLOW_TRACKING_PASSWORD": {"secret": "mlflow-forest-promotion", "key": "password"}
            },
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "50m"}},
        }
    },
}


@pytest.fixture(scope="session", autouse=True)
def airflow() -> None:
    """Airflow's database, and its API for tasks with the routes of one version, as without a cluster."""
    db.initdb()
    serve_tasks_by_one_version()


def read(file: str) -> dict[str, DAG]:
    """Return the DAGs of a file, which alone is then in Airflow's folder: each `DAG.test` reads it all."""
    DAGS_FOLDER.mkdir(exist_ok=True)
    for former in DAGS_FOLDER.glob("*.py"):
        former.unlink()
    (DAGS_FOLDER / file).symlink_to(ROOT / "dags" / file)
    bag = DagBag(dag_folder=str(DAGS_FOLDER))
    assert bag.import_errors == {}
    return bag.dags


@pytest.fixture(autouse=True)
def step_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The two files that the chart mounts; the answer is the folder that holds them."""
    (tmp_path / "pods.json").write_text(json.dumps(PODS))
    images = {image: f"registry.test/quintet/{image}:1" for image in IMAGES}
    (tmp_path / "images.json").write_text(json.dumps(images))
    monkeypatch.setenv("STEP_PODS_FILE", str(tmp_path / "pods.json"))
    monkeypatch.setenv("STEP_IMAGES_FILE", str(tmp_path / "images.json"))
    return tmp_path


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster that Kubernetes clients find by KUBECONFIG."""
    cluster = Cluster()
    server = serve(cluster)
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "test", "user": {"token": "none"}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    # The client reads the variable when it is imported.
    monkeypatch.setattr(
        "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig")
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield cluster
    server.shutdown()
    thread.join()
    server.server_close()
