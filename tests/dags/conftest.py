"""An Airflow of its own for the tests, with the DAG files of the pipelines and a cluster that obeys."""

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
    # Reading a file may take longer where other tests run at the same time.
    "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "300",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{AIRFLOW_HOME}/airflow.db",
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}
sys.path[:0] = [str(ROOT / "dags"), str(ROOT / "cli")]

from airflow.dag_processing import dagbag  # noqa: E402
from airflow.sdk import DAG  # noqa: E402
from airflow.utils import db  # noqa: E402

from quintet.local.dag_runner import serve_tasks_by_one_version  # noqa: E402
from quintet.pipelines import Pipeline, pipelines  # noqa: E402
from tests.dags.apiserver import Cluster, serve  # noqa: E402

# Only now: the image's own settings, in the same folder, are for Postgres.
sys.path.append(str(ROOT / "images/airflow"))

IMAGES = [step.image for pipeline in pipelines().values() for step in pipeline.steps.values()]
PODS = {
    "namespace": "quintet-tasks",
    "service_account": "step",
    "image_pull_policy": "IfNotPresent",
    "image_pull_secrets": ["registry"],
    "security_context": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "labels": {"app.kubernetes.io/name": "step"},
    "env": {"DATA_BUCKET": "data", "GROUP_NUMBER": "1"},
    "secret_env": {"MLFLOW_TRACKING_PASSWORD": {"secret": "mlflow", "key": "password"}},
    "steps": {
        "forest-extract": {
            "config_env": {"SOURCE_API_BASE_URL": {"config_map": "sources", "key": "forest"}},
            "labels": {"quintet/source": "forest"},
        },
        "forest-promote": {
            "env": {"GROUP_NUMBER": "3"},
            "secret_env": {
                "DATABASE_URL": {"secret": "postgres-forest-promotion", "key": "url"},
                "MLFLOW_TRACKING_PASSWORD": {"secret": "mlflow-forest-promotion", "key": "password"},
            },
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "50m"}},
        },
    },
}


@pytest.fixture(scope="session", autouse=True)
def airflow() -> None:
    """Airflow's database, and its API for tasks with the routes of one version, as without a cluster."""
    db.initdb()
    serve_tasks_by_one_version()


def read(pipeline: str) -> dict[str, DAG]:
    """Return a pipeline's DAGs; its files alone are then in Airflow's folder."""
    DAGS_FOLDER.mkdir(exist_ok=True)
    for former in DAGS_FOLDER.glob("*.py"):
        former.unlink()
    for file in pipelines()[pipeline].dag_files:
        (DAGS_FOLDER / file.name).symlink_to(file)
    bag = dagbag.DagBag(dag_folder=DAGS_FOLDER, bundle_path=DAGS_FOLDER)
    assert bag.import_errors == {}
    # Each `DAG.test` would read the folder once more: it is given this, as it is without a cluster.
    dagbag.BundleDagBag = lambda **_: bag  # type: ignore[assignment,misc]
    return bag.dags


@pytest.fixture(params=pipelines().values(), ids=pipelines())
def pipeline(request: pytest.FixtureRequest) -> Pipeline:
    """Each pipeline of the repository."""
    given: Pipeline = request.param
    return given


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
