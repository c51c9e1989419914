"""How the world learns who is champion: MLflow's registry, or a file in S3 where no registry is wanted.

Both follow the decisions in Postgres. `show` may be repeated at any time and changes only what differs, so
whatever a killed run has left is put right by the next. Neither knows a condition on a write, so `show` asks
its `fence` right before it names a champion, and again once everything is written.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable
from typing import Protocol

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from stepkit import tracking
from stepkit.errors import MLFLOW, Code, InvalidInput
from stepkit.promotion.decisions import Model
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings

ALIAS = "champion"
LATEST_MODEL = "latest_model.json"
_ABSENT = "RESOURCE_DOES_NOT_EXIST"
_BUNDLE = "bundle"
_STAGE, _CURRENT, _FORMER = "stage", "Production", "Archived"
_logger = logging.getLogger(__name__)
Fence = Callable[[], None]
"""Returns while nobody else may have decided since the champion was read, and raises once somebody may."""


class Registry(Protocol):
    """Where a champion is shown."""

    def show(self, champion: Model | None, fence: Fence) -> int | None:
        """Makes the champion, if any, the one that serving loads; returns its version, if it has one."""
        ...

    def version(self, model: Model) -> int | None:
        """Returns the version that a model is registered as, if it is."""
        ...

    def model(self, version: int) -> Model:
        """Returns the model of a version; raises `InvalidInput` when there is none."""
        ...


class MlflowRegistry:
    """Versions of the registered model: the alias `champion`, the tag and, while there are any, the stage."""

    def __init__(self, settings: Settings) -> None:
        tracking.configure(settings)
        self._client = MlflowClient()
        self._name = settings.model_name

    def show(self, champion: Model | None, fence: Fence) -> int | None:
        """Registers the champion where needed and moves alias, tags and stages to its version.

        A champion whose version and run were both deleted for good cannot be shown: there is then no version,
        and the next that is promoted takes its place.

        Raises:
            DependencyUnavailable: MLflow does not answer, or whatever `fence` raises.
        """
        with tracking.errors():
            aliases = self._registered_model_aliases()
            if champion is None:
                return None
            version = self._find(champion) or self._register(champion)
            if version is None:
                _logger.warning(
                    "%s has no version of the champion, and MLflow no run %s to make one of: both are gone",
                    self._name,
                    champion.mlflow_run_id,
                )
                return None
            if str(aliases.get(ALIAS)) != str(version.version):
                fence()
                self._client.set_registered_model_alias(self._name, ALIAS, version.version)
            self._mark(version)
            fence()
            return int(version.version)

    def version(self, model: Model) -> int | None:
        """Returns the version that a model is registered as, if it is.

        Raises:
            DependencyUnavailable: MLflow does not answer.
        """
        with tracking.errors():
            found = self._find(model)
        return int(found.version) if found else None

    def model(self, version: int) -> Model:
        """Returns the model of a version.

        Raises:
            InvalidInput: there is no such version, no promotion registered it, or its bundle is gone.
            DependencyUnavailable: MLflow does not answer.
        """
        with tracking.errors():
            found = next(
                (
                    each
                    for each in self._versions()
                    if int(each.version) == version and "bundle_digest" in each.tags
                ),
                None,
            )
            if found is None:
                raise InvalidInput(
                    f"{self._name} has no version {version} with a bundle: choose one that MLflow lists",
                    Code.MISSING_INPUT,
                    service=MLFLOW,
                )
            tags = found.tags
            model = Model(tags["algorithm"], str(found.run_id), tags["bundle_digest"], tags["data_sha256"])
            if not self._has_bundle(model):
                raise InvalidInput(
                    f"version {version} of {self._name} has nothing to serve any more: MLflow run"
                    f" {model.mlflow_run_id} or its bundle was deleted for good; choose another version",
                    Code.UNUSABLE_MODEL,
                    service=MLFLOW,
                )
        return model

    def _has_bundle(self, model: Model) -> bool:
        try:
            return bool(self._client.list_artifacts(model.mlflow_run_id, _BUNDLE))
        except MlflowException as error:
            if error.error_code != _ABSENT:
                raise
            return False

    def _registered_model_aliases(self) -> dict[str, str]:
        try:
            aliases: dict[str, str] = self._client.get_registered_model(self._name).aliases
        except MlflowException as error:
            if error.error_code != _ABSENT:
                raise
            self._client.create_registered_model(self._name)
            return {}
        return aliases

    def _versions(self) -> list[ModelVersion]:
        return list(self._client.search_model_versions(f"name = '{self._name}'"))

    def _find(self, model: Model) -> ModelVersion | None:
        return next(
            (
                version
                for version in self._versions()
                if (version.run_id, version.tags.get("bundle_digest"))
                == (model.mlflow_run_id, model.bundle_digest)
            ),
            None,
        )

    def _register(self, model: Model) -> ModelVersion | None:
        try:
            artifacts = self._client.get_run(model.mlflow_run_id).info.artifact_uri
        except MlflowException as error:
            if error.error_code != _ABSENT:
                raise
            return None
        return self._client.create_model_version(
            self._name,
            source=f"{artifacts}/model",
            run_id=model.mlflow_run_id,
            tags={
                "algorithm": model.algorithm,
                "bundle_digest": model.bundle_digest,
                "bundle_path": _BUNDLE,
                "data_sha256": model.data_sha256,
            },
        )

    def _mark(self, current: ModelVersion) -> None:
        for version in self._versions():
            stage = _CURRENT if version.version == current.version else _FORMER
            if version.tags.get(_STAGE) != stage:
                self._client.set_model_version_tag(self._name, version.version, _STAGE, stage)
            if hasattr(self._client, "transition_model_version_stage") and version.current_stage != stage:
                with warnings.catch_warnings():
                    # Stages are deprecated; people's `models:/<name>/Production` shall load while they exist.
                    warnings.simplefilter("ignore", FutureWarning)
                    self._client.transition_model_version_stage(self._name, version.version, stage)


class LatestModelFile:
    """`latest_model.json` in S3, which names the champion's run."""

    def __init__(self, bucket: str, pipeline: str) -> None:
        self._uri = f"s3://{bucket}/{pipeline}/{LATEST_MODEL}"

    def show(self, champion: Model | None, fence: Fence) -> int | None:
        """Writes the file; raises `DependencyUnavailable` when S3 refuses it, or whatever `fence` raises."""
        if champion is not None:
            fields = {
                "run_id": champion.mlflow_run_id,
                "bundle_digest": champion.bundle_digest,
                "algorithm": champion.algorithm,
                "data_sha256": champion.data_sha256,
            }
            fence()
            ObjectStore().put(self._uri, json.dumps(fields, indent=1).encode(), "application/json")
            fence()
        return None

    def version(self, model: Model) -> int | None:
        """Returns None: without a registry there are no versions."""
        return None

    def model(self, version: int) -> Model:
        """Refuses: without a registry there are no versions."""
        raise InvalidInput(
            "--rollback-to needs the registry, and MLFLOW_ENABLE_MODEL_REGISTRY is false",
            Code.INVALID_SETTING,
        )


def of(settings: Settings, bucket: str, pipeline: str) -> Registry:
    """Returns the registry that the settings ask for.

    Args:
        settings: say whether it is MLflow's.
        bucket: of `latest_model.json` where it is not.
        pipeline: its folder there.
    """
    return MlflowRegistry(settings) if settings.registry_enabled else LatestModelFile(bucket, pipeline)
