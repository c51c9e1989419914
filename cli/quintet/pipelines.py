"""What `pipeline.yaml` says of each pipeline, and what the platform derives from it.

The file and its schema, ``pipelines/pipeline.schema.json``, are the contract. Charts take the same content as
values, ``global.pipelines.<name>``, and derive the same in ``charts/common/templates/_pipelines.tpl``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from quintet.paths import WORKSPACE, pipeline_folders
from quintet.pipeline_file import content


@dataclass(frozen=True)
class Server:
    """A server of our own: the source itself, or a simulator that takes its place.

    Attributes:
        service: its image and Service.
        program: its folder in ``sources/``, and the name of its environment.
        env: its settings as a simulator, and without a cluster.
        simulates: whether the source is another one, outside.
    """

    service: str
    program: str
    env: dict[str, str]
    simulates: bool


@dataclass(frozen=True)
class Step:
    """A step of a pipeline.

    Attributes:
        pipeline: the pipeline that it belongs to.
        name: in kebab-case, as in its image ``<pipeline>-<name>``.
        given: its entry in the file.
    """

    pipeline: "Pipeline"
    name: str
    given: dict[str, Any]

    @property
    def image(self) -> str:
        """Its image."""
        return f"{self.pipeline.name}-{self.name}"

    @property
    def module(self) -> str:
        """The module that its program is, such as ``forest.train``."""
        return f"{self.pipeline.name}.{self.name.replace('-', '_')}"

    @property
    def lock(self) -> Path:
        """The lock of its packages."""
        group = self.given.get("lock")
        return self.pipeline.folder / (f"requirements-{group}.lock" if group else "requirements.lock")

    @property
    def promotes(self) -> bool:
        """Whether it is the one that makes a version the champion."""
        return self.name == self.pipeline.promoting_step

    @property
    def env(self) -> dict[str, str]:
        """Its variables that are not secret, beside those of every step of the platform."""
        model = self.pipeline.given.get("model")
        tracked = (
            {"MLFLOW_EXPERIMENT_NAME": model["experiment"], "MLFLOW_MODEL_NAME": model["name"]}
            if model
            else {}
        )
        return {**tracked, **self.pipeline.given.get("env", {}), **self.given.get("env", {})}

    @property
    def secret_env(self) -> dict[str, tuple[str, str]]:
        """Its variables from Secrets: variable -> Secret and key."""
        name = self.pipeline.name
        user = f"{name}-promotion" if self.promotes else name
        found = {
            "AWS_ACCESS_KEY_ID": (f"minio-{name}", "access-key"),
            "AWS_SECRET_ACCESS_KEY": (f"minio-{name}", "secret-key"),
        }
        if self.pipeline.schemas and self.given.get("database", True):
            found["DATABASE_URL"] = (f"postgres-{user}", "url")
        if self.pipeline.model:
            found["MLFLOW_TRACKING_USERNAME"] = (f"mlflow-{user}", "username")
            found["MLFLOW_TRACKING_PASSWORD"] = (f"mlflow-{user}", "password")
        for given in (self.pipeline.given, self.given):
            found |= {key: (own["secret"], own["key"]) for key, own in given.get("secretEnv", {}).items()}
        return found

    @property
    def asks_source(self) -> bool:
        """Whether it reaches the pipeline's source."""
        return bool(self.given.get("source"))


@dataclass(frozen=True)
class Pipeline:
    """A pipeline: a folder with a ``pipeline.yaml``.

    Attributes:
        folder: the folder.
        given: the file's content, which its schema accepts.
    """

    folder: Path
    given: dict[str, Any]

    @property
    def name(self) -> str:
        """Its name: that of the folder, the Python package in it, and the roles and users that it has."""
        return self.folder.name

    @cached_property
    def steps(self) -> dict[str, Step]:
        """Its steps, in the order of the file."""
        return {name: Step(self, name, given) for name, given in self.given["steps"].items()}

    @property
    def dags(self) -> dict[str, list[str]]:
        """DAG id -> the ids of those that take in what it learns from."""
        return {dag: list(given.get("after", [])) for dag, given in self.given["dags"].items()}

    @property
    def training(self) -> tuple[str, str] | None:
        """The first DAG that learns from what another takes in, after that one; None without such a pair."""
        return next(((after[0], dag) for dag, after in self.dags.items() if after), None)

    @property
    def last_dag(self) -> str:
        """The DAG whose run ends with what the pipeline is for: the one that learns, else the last one."""
        return self.training[1] if self.training else list(self.dags)[-1]

    @property
    def dag_files(self) -> list[Path]:
        """Its DAG files."""
        return sorted((self.folder / "dags").glob("*.py"))

    @property
    def schemas(self) -> list[str]:
        """Its schemas in the database `quintet`; the first is its search path, and has its record."""
        return list(self.given.get("schemas", []))

    @property
    def schema_comment(self) -> str:
        """What says of a schema whose it is, as `postgres.schemaComment` of the chart has it."""
        return f"Of the pipeline {self.name}"

    @property
    def promotes(self) -> bool:
        """Whether a step of it makes versions of its model the champion, and writes the record of that."""
        return self.promoting_step is not None

    @property
    def step_roles(self) -> list[str]:
        """The roles of Postgres that its steps log in as."""
        return ([self.name] if self.schemas else []) + ([f"{self.name}_promotion"] if self.promotes else [])

    @property
    def serving_roles(self) -> list[str]:
        """The role of Postgres by which the inference API reads its record, if it has one."""
        return [f"{self.name}_serving"] if self.promotes else []

    @property
    def prefixes(self) -> list[str]:
        """First parts of the keys in the bucket `data` that it may read, write and delete."""
        return list(self.given.get("s3", {}).get("prefixes", [f"{self.name}/"]))

    @property
    def expire_days(self) -> dict[str, int]:
        """Key prefix in the bucket `data` -> days after which an object below it goes."""
        return dict(self.given.get("s3", {}).get("expireDays", {}))

    @property
    def served_prefixes(self) -> list[str]:
        """First parts of the keys in the bucket `data` that the inference API may read."""
        if not self.model:
            return []
        bucket, _, key = str(self.serving.get("inputUri", "")).removeprefix("s3://").partition("/")
        newest = [key[: key.rfind("/") + 1] or key] if bucket == "data" else []
        return [*newest, f"{self.name}/latest_model.json"]

    @property
    def mlflow_users(self) -> dict[str, dict[str, dict[str, str]]]:
        """Its users of MLflow -> their rights on `experiments` and `models`, by name."""
        model = self.given.get("model")
        if not model:
            return {}

        def rights(experiment: str, registered: str) -> dict[str, dict[str, str]]:
            return {"experiments": {model["experiment"]: experiment}, "models": {model["name"]: registered}}

        promotion = {f"{self.name}-promotion": rights("READ", "EDIT")} if self.promotes else {}
        return {self.name: rights("EDIT", "READ"), **promotion}

    @property
    def model(self) -> str | None:
        """The name of the model that it trains."""
        return str(self.given["model"]["name"]) if "model" in self.given else None

    @property
    def promoting_step(self) -> str | None:
        """The step that makes a version the champion."""
        promotion = self.given.get("model", {}).get("promotion")
        return str(promotion["step"]) if promotion else None

    @property
    def serving(self) -> dict[str, Any]:
        """What is special about its inference API."""
        return dict(self.given.get("model", {}).get("serving", {}))

    @property
    def example(self) -> Path:
        """A request that its inference API answers."""
        return self.folder / "example.json"

    @property
    def server(self) -> Server | None:
        """The server of our own that is, or simulates, its source."""
        source = self.given.get("source", {})
        if "server" not in source:
            return None
        server = source["server"]
        return Server(server["service"], server["program"], dict(server.get("env", {})), "url" in source)


@cache
def pipelines() -> dict[str, Pipeline]:
    """Return the pipelines of the workspace by name.

    Raises:
        UserError: when the file of one is wrong; names file, line and what to do.
    """
    return {folder.name: read(folder) for folder in pipeline_folders(WORKSPACE)}


def read(folder: Path) -> Pipeline:
    """Return the pipeline of a folder.

    Raises:
        UserError: when its file is missing or wrong; names file, line and what to do.
    """
    return Pipeline(folder, content(folder))


def in_order(dags: Iterable[Pipeline]) -> list[list[str]]:
    """Return the DAGs of pipelines in waves: those of one wave wait for all before it."""
    graph = {dag: after for pipeline in dags for dag, after in pipeline.dags.items()}
    order, waves = TopologicalSorter(graph), list[list[str]]()
    order.prepare()
    while order.is_active():
        ready = order.get_ready()
        waves.append([dag for dag in graph if dag in ready])
        order.done(*ready)
    return waves


def pipeline_of(dag: str) -> Pipeline | None:
    """Return the pipeline of a DAG; None for one that no pipeline names."""
    return next((pipeline for pipeline in pipelines().values() if dag in pipeline.dags), None)


def showcase(among: Iterable[Pipeline] | None = None) -> Pipeline | None:
    """Return the pipeline that shows the platform: the first one that has a model and a DAG after another.

    One whose source is a server of our own comes first, as it asks nobody outside; then the name decides.
    None where no pipeline is of that kind.

    Args:
        among: the pipelines to choose from; None means those of the workspace.
    """
    fit = [
        each for each in (pipelines().values() if among is None else among) if each.model and each.training
    ]
    return min(fit, key=lambda each: (each.server is None or each.server.simulates, each.name), default=None)


def models(among: Iterable[Pipeline] | None = None) -> list[str]:
    """Return the models that pipelines train: that of the showcase, then the others by name.

    Args:
        among: the pipelines; None means those of the workspace.
    """
    known = list(pipelines().values() if among is None else among)
    shown = showcase(known)
    names = sorted(each.model for each in known if each.model)
    return sorted(names, key=lambda name: shown is None or name != shown.model)
