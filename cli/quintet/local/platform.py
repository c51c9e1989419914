"""The local platform's services: where each is, what each is told, and the environment of steps."""

import base64
import hashlib
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from quintet.local import chart
from quintet.local.databases import roles, step_roles
from quintet.local.parts import apis, servers
from quintet.local.postgres import SUPERUSER, Postgres
from quintet.local.processes import WITHOUT_A_PROXY
from quintet.local.s3 import S3, Key
from quintet.local.state import State
from quintet.paths import PIPELINES, PLATFORM, cache_dir
from quintet.pipelines import Pipeline, pipelines
from quintet.progress import UserError
from quintet.revision import revision
from run_in import environment, folder_of

ROOTS = (PLATFORM, PIPELINES, PLATFORM / "sources", PLATFORM / "serving")
"""Where the code of steps and services is found; the images have it in one folder."""


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
        keys = {}
        for name, user in _s3_users().items():
            if not (secret := self.credentials.get(f"minio-{name}")):
                continue  # of a pipeline that is new: its first run makes them
            # The server here has no right to look at what expires that does not reach the whole bucket.
            prefixes = () if user.get("lifecycle") else tuple(user.get("prefixes", ()))
            places = tuple(f"{bucket}/{prefix}*" for bucket in user["buckets"] for prefix in prefixes)
            if user.get("prefixes") == []:
                continue  # it may reach nothing, which the server here cannot say
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
            return self.postgres.url("quintet")
        return f"http://127.0.0.1:{self.ports[service]}"

    def database_url(self, role: str, database: str) -> str:
        """Return the URL of a database with a role's password."""
        return self.postgres.url(database, role, self.credentials[f"postgres-{_dashed(role)}"]["password"])

    def service_environment(self, service: str) -> dict[str, str]:
        """Return the environment of one of our own services: a source, or the API of a model."""
        code = {"PYTHONPATH": python_path(), "BIND_HOST": "127.0.0.1", "PORT": str(self.ports[service])}
        if server := servers().get(service):
            return {**code, "STATE_DIR": str(self.state.path(service)), **server.env}
        pipeline = apis()[service]
        input_uri = pipeline.serving.get("inputUri")
        record = [self.database_url(role, "quintet") for role in pipeline.serving_roles]
        return {
            **code,
            **({"MODEL_INPUT_URI": input_uri, **self.s3.environment("serving")} if input_uri else {}),
            "ADMIN_PORT": str(self.ports[f"{service}-admin"]),
            "MLFLOW_TRACKING_URI": self.url("mlflow"),
            "MLFLOW_MODEL_NAME": str(pipeline.model),
            **({"PROMOTION_RECORD_URL": record[0]} if record else {}),
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
        asked = pipelines()[pipeline].steps[step]
        plain, references = chart.step_settings(asked)
        here = {
            "AWS_ENDPOINT_URL_S3": self.s3.endpoint,
            # Without a model there is none to log, nor has its cluster's user a right to.
            "MLFLOW_TRACKING_URI": self.url("mlflow") if "mlflow" in self.ports else "",
            "GIT_REVISION": revision(),
            "LANDING_FOLDER": str(self.state.path("landing_zone")),
        }
        # MLflow listens on loopback and knows no users here.
        needed = {name: of for name, of in references.items() if not name.startswith("MLFLOW_TRACKING_")}
        source = {"SOURCE_API_BASE_URL": self._source_url(asked.pipeline)} if asked.asks_source else {}
        code = {"PYTHONPATH": python_path(), "MPLCONFIGDIR": str(cache_dir("matplotlib"))}
        known = {name: here.get(name, value) for name, value in plain.items()}
        return {**known, **source, **code, **WITHOUT_A_PROXY}, self._secrets(needed)

    def _source_url(self, pipeline: Pipeline) -> str:
        """Return the address of a pipeline's source: our own server's, "" where it is not started."""
        if server := pipeline.server:
            return self.url(server.service) if server.service in self.ports else ""
        return str(pipeline.given["source"]["url"])

    def _secrets(self, references: Mapping[str, tuple[str, str]]) -> dict[str, str]:
        """Return what Secrets hold by name; a Secret of the user's own may be missing in credentials.json."""
        return {
            name: self.credentials[secret][key]
            for name, (secret, key) in references.items()
            if key in self.credentials.get(secret, {})
        }

    def describe_steps(self) -> Path:
        """Write the file that STEP_PODS_FILE names, which says how each step runs, and return its path."""
        described = {}
        for name, pipeline in pipelines().items():
            python, code = str(folder_of(name) / "bin" / "python"), _code(pipeline)
            for step in pipeline.steps.values():
                plain, secret = self.step_environment(name, step.name)
                described[step.image] = {
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
        variables: dict[str, Any] = {}
        connections: dict[str, dict[str, str]] = {}
        for pipeline in pipelines().values():
            variables |= pipeline.given.get("variables", {})
            connections |= pipeline.given.get("connections", {})
        variables |= given["variables"]["values"]
        connections |= given["connections"]["secrets"]
        uris = self._secrets(chart.keys(connections))
        own = {
            **{f"AIRFLOW_VAR_{name.upper()}": str(value) for name, value in variables.items()},
            **{f"AIRFLOW_CONN_{name.upper()}": uri for name, uri in uris.items()},
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
                [*(str(PLATFORM / root) for root in ("dags", "cli")), python_path()]
            ),
            "AIRFLOW_HOME": str(self.state.path("airflow")),
            "AIRFLOW__CORE__DAGS_FOLDER": str(PIPELINES),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": for_sqlalchemy(self.database_url("airflow", "airflow")),
            "AIRFLOW__CORE__FERNET_KEY": keys["fernet-key"],
            "AIRFLOW__API_AUTH__JWT_SECRET": keys["jwt-secret"],
            "STEP_PODS_FILE": str(self.state.folder / "pods.json"),
        }


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
    fernet = {"fernet-key": _fernet_key()} if "airflow-keys" not in state.credentials() else {}
    state.add_credentials(
        {
            "postgres-superuser": {"username": SUPERUSER, "password": None},
            **{f"minio-{user}": {"access-key": None, "secret-key": None} for user in _s3_users()},
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


def python_path() -> str:
    """Return the import roots of steps and services."""
    return os.pathsep.join(map(str, ROOTS))


def _s3_users() -> dict[str, dict[str, Any]]:
    """Return the users of S3 with what each may reach: root, those of the chart, and one a pipeline."""
    users = {"root": {"buckets": []}, **chart.values("minio")["users"]}
    for name, pipeline in pipelines().items():
        lifecycle = pipeline.given.get("s3", {}).get("lifecycle", False)
        users[name] = {"buckets": ["data"], "prefixes": pipeline.prefixes, "lifecycle": lifecycle}
    served = [prefix for pipeline in pipelines().values() for prefix in pipeline.served_prefixes]
    own = users["serving"].get("prefixes", [])
    return {**users, "serving": {**users["serving"], "prefixes": list(dict.fromkeys([*own, *served]))}}


def _code(pipeline: Pipeline) -> str:
    """Return the hash of a pipeline's code and locks, and of what its steps stand on."""
    # What orders the steps, or tests them, is not their code; nor is a state that stands in there.
    own = [part for part in pipeline.folder.iterdir() if not re.fullmatch(r"dags|tests|\..*", part.name)]
    parts = [*own, *(PLATFORM / folder for folder in ("stepkit", "bundle"))]
    found = (file for part in parts for file in (part, *part.rglob("*")))
    files = sorted(file for file in found if file.suffix in (".py", ".lock"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _dashed(role: str) -> str:
    return role.replace("_", "-")


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
