"""The API against a real MLflow server that asks who is calling."""

import secrets
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import mlflow
import pytest
from mlflow import MlflowClient

from bundle.reader import bundle_digest
from quintet.local.mlflow import PROGRAM
from tests import services
from tests.serving.conftest import Server, Trained

PATIENCE_SECONDS = 60
Samples = list[dict[str, float | str]]


@dataclass(frozen=True)
class Mlflow:
    """A server, an administrator's client of it, and the account of serving, which may only read."""

    url: str
    client: MlflowClient
    experiment: str
    serving: dict[str, str]

    def promote(self, bundle: Path) -> str:
        """Does what training and promotion do, and gives the version."""
        run = self.client.create_run(self.experiment).info
        self.client.log_artifacts(run.run_id, str(bundle), "bundle")
        tags = {"bundle_digest": bundle_digest(bundle), "bundle_path": "bundle"}
        made = self.client.create_model_version("forest", f"{run.artifact_uri}/bundle", run.run_id, tags)
        self.client.set_registered_model_alias("forest", "champion", made.version)
        return str(made.version)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mlflow]:
    admin, serving = (secrets.token_urlsafe(16) for _ in range(2))
    folder = tmp_path_factory.mktemp("mlflow")
    config = folder / "auth.ini"
    config.write_text(
        "[mlflow]\n"
        "default_permission = NO_PERMISSIONS\n"
        f"database_uri = sqlite:///{folder}/auth.db\n"
        "admin_username = admin\n"
        f"admin_password = {admin}\n"
        "auth_cache_ttl_seconds = 60\n"  # as in the chart: else each request costs 50 ms for the password
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    (port,) = services.free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [
        *(sys.executable, PROGRAM, "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--app-name", "basic-auth"),
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--artifacts-destination", f"{folder}/artifacts"),
    ]
    environment = {
        "MLFLOW_AUTH_CONFIG_PATH": str(config),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_urlsafe(16),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    running = services.process(
        command, folder / "mlflow.log", environment, ready=lambda: services.answers(f"{url}/health")
    )
    with running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        patch.setenv("MLFLOW_TRACKING_PASSWORD", admin)
        mlflow.set_tracking_uri(url)
        client = MlflowClient(url, registry_uri=url)
        experiment = client.create_experiment("forest-cover-experiment")
        client.create_registered_model("forest")
        api = httpx.Client(base_url=f"{url}/api", auth=("admin", admin), trust_env=False)
        account = {"username": "serving", "password": serving}
        api.post("/2.0/mlflow/users/create", json=account).raise_for_status()
        for kind, resource in (("experiment", experiment), ("registered_model", "forest")):
            grant = {"resource_type": kind, "resource_id": resource, "permission": "READ"}
            body = {"username": "serving", **grant}
            api.post("/3.0/mlflow/users/permissions/grant", json=body).raise_for_status()
        yield Mlflow(
            url,
            client,
            experiment,
            {"MLFLOW_TRACKING_USERNAME": "serving", "MLFLOW_TRACKING_PASSWORD": serving},
        )


def test_each_champion_goes_live(
    server: Mlflow, start: Callable[..., Server], trained: dict[str, Trained], samples: Samples
) -> None:
    api = start(server.url, **server.serving)
    assert services.wait_until(lambda: api.get("/ready").status_code == 200, PATIENCE_SECONDS)
    assert api.predict(samples[:1]).status_code == 503

    for name in ("linear", "forest"):
        version = server.promote(trained[name].folder)
        assert services.wait_until(lambda version=version: api.version() == version, PATIENCE_SECONDS)
        answer = api.predict(samples).json()
        assert (answer["version"], answer["digest"]) == (version, trained[name].digest)


def test_a_stranger_is_told_nothing(server: Mlflow, start: Callable[..., Server]) -> None:
    stranger = server.serving | {"MLFLOW_TRACKING_PASSWORD": "a guess"}
    api = start(server.url, **stranger)
    assert services.wait_until(lambda: "answered 401" in api.get("/ready").text, PATIENCE_SECONDS)
    assert api.get("/ready").status_code == 503
