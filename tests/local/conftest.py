"""A local platform for the tests, in a folder of its own, and what becomes of it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from quintet.local.airflow import Runner, follow_one
from quintet.local.platform import Platform
from quintet.local.services import services
from quintet.local.state import State
from tests.places import REPOSITORY

CAPTURE, TRAINING = "forest_cover_data_pipeline", "forest_training_pipeline"
SMALL = {"n_estimators": 5, "svc_max_rows": 500, "svc_components": 20, "min_metric": 0.1}


class Local:
    """A platform that runs, with a runner of DAGs."""

    def __init__(self, platform: Platform, runner: Runner) -> None:
        self.platform, self.runner = platform, runner

    def run(self, dag: str, params: dict[str, Any] | None = None, date: datetime | None = None) -> list[Any]:
        return follow_one(self.platform, self.runner, dag, date or datetime.now(UTC), params or {})

    @property
    def s3(self) -> Any:
        """A client with the key of root."""
        return self.s3_of("root")

    def s3_of(self, user: str) -> Any:
        """A client with the key of a user."""
        server = self.platform.s3
        return boto3.client(
            "s3",
            endpoint_url=server.endpoint,
            region_name="us-east-1",
            aws_access_key_id=server.keys[user].access,
            aws_secret_access_key=server.keys[user].secret,
        )

    @property
    def database(self) -> str:
        return self.platform.database_url("forest", "quintet")


def copy_checkout(folder: Path) -> None:
    """Copy what the command line runs steps of forest by, so that a test may edit them."""
    for root in ("cli", "charts", "dags", "pipelines", "stepkit", "bundle", "images", "serving"):
        shutil.copytree(REPOSITORY / root, folder / root, symlinks=True)
    (folder / "sources/forest_api").mkdir(parents=True)
    lock = "sources/forest_api/requirements.lock"
    shutil.copy(REPOSITORY / lock, folder / lock)


@contextmanager
def folder() -> Iterator[State]:
    """A state at a path longer than a socket's may be, with all that people put into names."""
    made = Path(tempfile.mkdtemp(prefix="quintet-local-"))
    try:
        yield State(made / f"a folder, 5% of: $HOME's ñandú/{'x' * 100}")
    finally:
        shutil.rmtree(made)


@contextmanager
def local(*pipelines: str) -> Iterator[Local]:
    with folder() as state, state.alone(), services(state, pipelines or ["forest"]) as started:
        assert started.runner
        yield Local(started.platform, started.runner)


@pytest.fixture(scope="session")
def platform() -> Iterator[Local]:
    with local() as made:
        yield made


@pytest.fixture(scope="session")
def captured(platform: Local) -> list[Any]:
    """The tasks of a capture."""
    return platform.run(CAPTURE)


@pytest.fixture(scope="session")
def trained(platform: Local, captured: list[Any]) -> list[Any]:
    """The tasks of a training on that capture."""
    return platform.run(TRAINING, SMALL)
