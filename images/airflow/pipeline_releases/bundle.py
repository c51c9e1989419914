"""The DAG bundle of the pipelines that are releases of their own: a folder for each, one version for all.

Airflow's `S3DagBundle` has no versions, so that a run would go on with other files than it began with.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.base import BaseDagBundle, BundleVersion
from airflow.sdk.exceptions import AirflowException

from pipeline_releases.manifest import FILE, Manifest
from pipeline_releases.store import Away, Store


class PipelineReleases(BaseDagBundle):
    """Brings versions from S3, each into a folder that then stays as it is.

    The DAG processor's own folder is a link to the version that holds now, so that the paths of DAG files do
    not change with it.
    """

    supports_versioning = True

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._versions: Path = self.versions_dir
        self._current: Path = self.base_dir / "current"
        self._store: Store | None = None

    @property
    def path(self) -> Path:
        """The folder of the asked version, or of the one that holds now."""
        return self._versions / self.version if self.version else self._current

    def initialize(self) -> None:
        """Bring the version; without S3, the one that was brought before is the one that holds."""
        if self.version:
            self._bring(self.version)
        else:
            try:
                self.refresh()
            except Away:
                if not self._current.exists():
                    raise
        super().initialize()

    def refresh(self) -> None:
        """Bring the version that holds now.

        Raises:
            AirflowException: The bundle is one of a fixed version.
            Away: S3 does not answer; the version that was brought before stays.
        """
        if self.version:
            raise AirflowException(f"{self.name} {self.version} is a fixed version and has no newer one")
        version = self._open().current_version()
        folder = self._bring(version)
        with self.lock():
            if not self._current.exists() or self._current.resolve() != folder.resolve():
                link = self.base_dir / "next"
                link.unlink(missing_ok=True)
                link.symlink_to(folder.relative_to(self.base_dir))
                link.replace(self._current)

    def get_current_version(self) -> BundleVersion:
        """Return the version that `path` holds."""
        return BundleVersion(self.version or self._current.resolve().name)

    def _open(self) -> Store:
        self._store = self._store or Store.from_environment()
        return self._store

    def _bring(self, version: str) -> Path:
        """Return the folder of a version; it is there as a whole or not at all."""
        folder = self._versions / version
        if folder.exists():
            return folder
        with self.lock():
            if folder.exists():
                return folder
            manifest = self._open().manifest(version)
            self._versions.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.base_dir) as name:
                whole = Path(name) / "whole"
                whole.mkdir()
                for pipeline, release in manifest.releases.items():
                    self._bring_release(pipeline, release.digest, whole / pipeline)
                (whole / FILE).write_bytes(manifest.body())
                whole.rename(folder)
        return folder

    def _bring_release(self, pipeline: str, digest: str, folder: Path) -> None:
        """Fill the folder of a pipeline.

        The files of a release that the current version has too are the same files, with their times: Airflow
        would parse one that is newer at once, for nothing.
        """
        there = self._current / FILE
        former = Manifest.parse(there.read_bytes()).releases.get(pipeline) if there.exists() else None
        if former and former.digest == digest:
            shutil.copytree(self._current / pipeline, folder, copy_function=os.link, ignore=_bytecode)
            return
        folder.mkdir()
        for name, text in self._open().files(pipeline, digest).items():
            (folder / name).write_text(text, encoding="utf-8")


def _bytecode(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "__pycache__"]
