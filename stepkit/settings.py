"""Who is running and where its connections lead: the environment of a step, read once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from stepkit.errors import Code, InvalidInput

_OF_AIRFLOW = re.compile(r"[a-z_]+__[0-9-]+T[0-9:]+(\.[0-9]+)?\+00:00(_[A-Za-z0-9]+)?")
"""The ids that Airflow gives its runs: of these no two become the same."""


@dataclass(frozen=True)
class Run:
    """One try of one task, as Airflow names it."""

    dag_id: str = ""
    run_id: str = ""
    task_id: str = ""
    try_number: int = 1

    @property
    def key(self) -> str:
        """The run id with every character that an S3 key or a label would have to escape replaced by `-`.

        Ids that a person gives, such as `july+1` and `july-1`, have a hash at the end where they would
        become the same, or not be part of a key: each run finds its own objects alone.
        """
        key = re.sub(r"[^A-Za-z0-9_.-]", "-", self.required_id)
        if _OF_AIRFLOW.fullmatch(self.run_id) or (key == self.run_id and key.strip(".")):
            return key
        return f"{key}-{hashlib.sha256(self.run_id.encode()).hexdigest()[:8]}"

    @property
    def required_id(self) -> str:
        """The run id.

        Raises:
            InvalidInput: the step was started without one.
        """
        if not self.run_id:
            raise InvalidInput(
                "--run-id (RUN_ID) is required: rows and keys of this step are named by the run",
                Code.INVALID_SETTING,
            )
        return self.run_id


@dataclass(frozen=True)
class Settings:
    """The connections of a step.

    boto3 and MLflow read their own credentials (`AWS_*`, `MLFLOW_TRACKING_USERNAME`,
    `MLFLOW_TRACKING_PASSWORD`) from the environment; they are not copied here.
    """

    run: Run = field(default_factory=Run)
    database_url: str = field(default="", repr=False)
    tracking_uri: str = ""
    experiment_name: str = "forest-cover-experiment"
    model_name: str = "forest"
    registry_enabled: bool = True
    image_reference: str = ""
    git_revision: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Reads the settings; names are those of `docs/add-a-pipeline.md`.

        Raises:
            InvalidInput: `TRY_NUMBER` or `MLFLOW_ENABLE_MODEL_REGISTRY` cannot be understood.
        """
        tries = environment.get("TRY_NUMBER") or "1"
        if not tries.isdecimal():
            raise InvalidInput(f"TRY_NUMBER is {tries!r}: it must be a whole number", Code.INVALID_SETTING)
        registry = (environment.get("MLFLOW_ENABLE_MODEL_REGISTRY") or "true").lower()
        if registry not in ("true", "false"):
            raise InvalidInput(
                f"MLFLOW_ENABLE_MODEL_REGISTRY is {registry!r}: it must be true or false",
                Code.INVALID_SETTING,
            )
        return cls(
            run=Run(
                dag_id=environment.get("DAG_ID", ""),
                run_id=environment.get("RUN_ID", ""),
                task_id=environment.get("TASK_ID", ""),
                try_number=int(tries),
            ),
            database_url=environment.get("DATABASE_URL", ""),
            tracking_uri=environment.get("MLFLOW_TRACKING_URI", ""),
            experiment_name=environment.get("MLFLOW_EXPERIMENT_NAME") or cls.experiment_name,
            model_name=environment.get("MLFLOW_MODEL_NAME") or cls.model_name,
            registry_enabled=registry == "true",
            image_reference=environment.get("IMAGE_REFERENCE", ""),
            git_revision=environment.get("GIT_REVISION", ""),
        )
