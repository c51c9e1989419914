"""The local platform's services: where each is, what each is told, and the environment of steps."""

import base64
import hashlib
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from quintet.local import chart
from quintet.local.databases import roles, serving_role, step_roles
from quintet.local.postgres import SUPERUSER, Postgres
from quintet.local.processes import WITHOUT_A_PROXY
from quintet.local.s3 import S3, Key
from quintet.local.state import State
from quintet.paths import REPOSITORY, cache_dir
from quintet.progress import UserError
from quintet.release import revision
from run_in import environment, folder_of

FOREST_API = "forest-api"
"""The source of the forest pipeline, which is no simulator but the real one."""
ROOTS = (".", "pipelines", "sources", "serving")
"""Where the code of steps and services is found; the images have it in one folder."""
SAMPLE_SEED = 42
"""Of the data API: the same captures in every state, so that two of them can be compared."""


@dataclass(frozen=True)
class Platform:
    """The platform of a state, whose ports and credentials are chosen."""

    state: State

    @cached_property
    def ports(self) -> dict[str, int]:
        """The port of each service."""
        return self.state.ports()

    @cached_property
    def credentials(self) -> dict[str, dict[str, str]]:
        """The credentials, by the names and keys that their Secrets have on a cluster."""
        return self.state.credentials()

    @cached_property
    def postgres(self) -> Postgres:
        """The database server."""
        password = self.credentials["postgres-superuser"]["password"]
        return Postgres(self.state.folder / "postgres", self.ports["postgres"], password)

    @cached_property
    def s3(self) -> S3:
        """The S3 server."""
        users: dict[str, dict[str, Any]] = {"root": {"buckets": []}, **chart.values("minio")["users"]}
        keys = {}
        for name, user in users.items():
            secret = self.credentials[f"minio-{name}"]
            # The server here has no right to look at what expires that does not reach the whole bucket.
            prefixes = () if user.get("lifecycle") else tuple(user.get("prefixes", ()))
            places = tuple(f"{bucket}/{prefix}*" for bucket in user["buckets"] for prefix in prefixes)
            keys[name] = Key(
                secret["access-key"],
                secret["secret-key"],
                places or tuple(user["buckets"]),
                bool(user.get("readOnly")),
            )
        return S3(self.state.folder / "s3", self.ports["s3"], keys)

    def url(self, service: str) -> str:
        """Return the address of a service."""
        if service == "postgres":
            return self.postgres.url("quintet", "forest")
        return f"http://127.0.0.1:{self.ports[service]}"

    def database_url(self, role: str, database: str) -> str:
        """Return the URL of a database with a role's password."""
        return self.postgres.url(database, role, self.credentials[f"postgres-{_dashed(role)}"]["password"])

    def service_environment(self, service: str) -> dict[str, str]:
        """Return the environment of one of our own services: a source, or the API of a model."""
        code = {"PYTHONPATH": python_path(), "BIND_HOST": "127.0.0.1", "PORT": str(self.ports[service])}
        for simulator in chart.simulators().values():
            if simulator["name"] == service:
                return {**code, **{name: str(value) for name, value in simulator.get("env", {}).items()}}
        if service == FOREST_API:
            return {
                **code,
                # Each capture is the next batch, as nobody here wants to wait for one.
                "MIN_UPDATE_SECONDS": "0",
                "SAMPLE_SEED": str(SAMPLE_SEED),
                "STATE_DIR": str(self.state.path("forest-api")),
            }
        model = service.removeprefix("inference-")
        input_uri = (chart.values("inference")["models"][model] or {}).get("inputUri")
        return {
            **code,
            **({"MODEL_INPUT_URI": input_uri, **self.s3.environment("serving")} if input_uri else {}),
            "ADMIN_PORT": str(self.ports[f"{service}-admin"]),
            "MLFLOW_TRACKING_URI": self.url("mlflow"),
            "MLFLOW_MODEL_NAME": model,
            "PROMOTION_RECORD_URL": self.database_url(serving_role(model), "quintet"),
            "BUNDLE_CACHE_DIR": str(self.state.path(service)),
            # Each look costs MLflow and the API 20 ms of a core, all day.
            "POLL_SECONDS": "2",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }

    def step_environment(self, pipeline: str, step: str) -> tuple[dict[str, str], dict[str, str]]:
        """Return what a step finds in its environment: the chart's variables, with this machine's values.

        Returns:
            What anybody may see, and the secrets.
        """
        settings = chart.step_settings(pipeline, step)
        here = {
            "AWS_ENDPOINT_URL_S3": self.s3.endpoint,
            "MLFLOW_TRACKING_URI": self.url("mlflow"),
            "SOURCE_API_BASE_URL": self._source_url(pipeline),
            "GIT_REVISION": revision(),
            "LANDING_FOLDER": str(self.state.path("landing_zone")),
        }
        names = [*settings["env"], *settings["configEnv"]]
        values = {name: here.get(name, settings["env"].get(name, "")) for name in names}
        secret = {
            name: self.credentials[reference["secret"]][reference["key"]]
            for name, reference in settings["secretEnv"].items()
            # MLflow listens on loopback and knows no users here.
            if not name.startswith("MLFLOW_TRACKING_")
        }
        code = {"PYTHONPATH": python_path(), "MPLCONFIGDIR": str(cache_dir("matplotlib"))}
        return {**values, **code, **WITHOUT_A_PROXY}, secret

    def _source_url(self, pipeline: str) -> str:
        """Return the address of a pipeline's source; "" where it has none, or none is started."""
        service = source_of(pipeline)
        return self.url(service) if service in self.ports else ""

    def describe_steps(self) -> Path:
        """Write the file that STEP_PODS_FILE names, which says how each step runs, and return its path."""
        described = {}
        for pipeline, steps in chart.steps().items():
            python, code = str(folder_of(pipeline) / "bin" / "python"), _code(pipeline)
            for step in steps:
                plain, secret = self.step_environment(pipeline, step)
                described[f"{pipeline}-{step}"] = {
                    "python": python,
                    "code": code,
                    "env": plain,
                    "secret_env": secret,
                }
        content = {"operator": "process", "runs": str(self.state.runs), "steps": described}
        return self.state.write_private("pods.json", content)

    def airflow_environment(self) -> dict[str, str]:
        """Return the environment of Airflow, which runs a DAG and nothing else here."""
        given = chart.values("airflow")
        own = {
            **{
                f"AIRFLOW_VAR_{key.upper()}": str(value)
                for key, value in given["variables"]["values"].items()
            },
            **{
                f"AIRFLOW_CONN_{key.upper()}": self.credentials[reference["secret"]][reference["key"]]
                for key, reference in given["connections"]["secrets"].items()
            },
            **{
                name: value
                for name, value in os.environ.items()
                if name.startswith(("AIRFLOW_VAR_", "AIRFLOW_CONN_"))
            },
        }
        keys = self.credentials["airflow-keys"]
        return {
            **own,
            "PYTHONPATH": os.pathsep.join(
                [*(str(REPOSITORY / root) for root in ("dags", "cli")), python_path()]
            ),
            "AIRFLOW_HOME": str(self.state.path("airflow")),
            "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": for_sqlalchemy(self.database_url("airflow", "airflow")),
            "AIRFLOW__CORE__FERNET_KEY": keys["fernet-key"],
            "AIRFLOW__API_AUTH__JWT_SECRET": keys["jwt-secret"],
            "STEP_PODS_FILE": str(self.state.folder / "pods.json"),
        }


def source_of(pipeline: str) -> str | None:
    """Return the service that is a pipeline's source, if it has one."""
    if pipeline == "forest":
        return FOREST_API
    simulator = chart.simulators().get(pipeline)
    return str(simulator["name"]) if simulator else None


def services_of(pipelines: Iterable[str]) -> list[str]:
    """Return the services that pipelines need, in the order in which they are shown."""
    names = sorted(set(pipelines))
    sources = [source for name in names if (source := source_of(name))]
    models = [f"inference-{name}" for name in chart.models() if name in names]
    return ["postgres", "s3", "mlflow", *sources, *models]


def ports_of(services: Iterable[str]) -> list[str]:
    """Return the names of the ports of services: each its own, and the API of a model a second one."""
    return [
        port
        for name in services
        for port in ([name, f"{name}-admin"] if name.startswith("inference-") else [name])
    ]


def shown_services(state: State) -> list[str]:
    """Return the services of a state: those that have a port."""
    return [name for name in state.ports() if not name.endswith("-admin")]


def choose(state: State, stopped: list[str]) -> Platform:
    """Choose what is not chosen yet, credentials and ports, and return the platform.

    Args:
        state: of the platform.
        stopped: the ports of services that do not run; one that another program has taken is changed.

    Raises:
        UserError: when the password is gone by which the data open.
    """
    data = state.folder / "postgres" / "data"
    if (data / "PG_VERSION").exists() and "password" not in state.credentials().get("postgres-superuser", {}):
        raise UserError(
            f"{state.folder / 'credentials.json'} has no password of postgres-superuser any more, and the"
            f" data in {data} open by no other: bring the file back, or delete the state, whose data can be"
            " captured again."
        )
    users = chart.values("minio")["users"]
    fernet = {"fernet-key": _fernet_key()} if "airflow-keys" not in state.credentials() else {}
    state.add_credentials(
        {
            "postgres-superuser": {"username": SUPERUSER, "password": None},
            **{f"minio-{user}": {"access-key": None, "secret-key": None} for user in ("root", *users)},
            **{f"postgres-{_dashed(role)}": {"username": role, "password": None} for role in roles()},
            "airflow-keys": {**fernet, "jwt-secret": None},
        }
    )
    state.choose_ports(stopped)
    platform = Platform(state)
    state.add_credentials(
        {
            f"postgres-{_dashed(role)}": {"url": platform.database_url(role, "quintet")}
            for role in step_roles()
        }
    )
    return Platform(state)


def for_sqlalchemy(url: str) -> str:
    """Return a database's URL with the driver that our environments have."""
    return url.replace("postgresql://", "postgresql+psycopg2://")


def python(name: str) -> Path:
    """Return the Python of an environment, which is made when it is missing."""
    return environment(name) / "bin" / "python"


def environment_of(service: str) -> str | None:
    """Return the environment that a service runs in, if it is a Python program."""
    if service in ("postgres", "s3"):
        return None
    if service.startswith("inference-"):
        return "serving"
    return service.replace("-", "_")


def needed_environments(pipelines: Iterable[str]) -> list[str]:
    """Return the environments that pipelines need, with the platform's own."""
    names = sorted(set(pipelines))
    needed = ["airflow", *names, *filter(None, map(environment_of, services_of(names)))]
    return list(dict.fromkeys(needed))


def python_path() -> str:
    """Return the import roots of steps and services."""
    return os.pathsep.join(str(REPOSITORY / root) for root in ROOTS)


def _code(pipeline: str) -> str:
    """Return the hash of a pipeline's code and locks, and of what its steps stand on."""
    folders = [REPOSITORY / folder for folder in (f"pipelines/{pipeline}", "stepkit", "bundle")]
    files = sorted(
        file for folder in folders for file in folder.rglob("*") if file.suffix in (".py", ".lock")
    )
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _dashed(role: str) -> str:
    return role.replace("_", "-")


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
