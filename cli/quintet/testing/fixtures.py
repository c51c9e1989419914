"""A pytest plugin: real servers, each started when the first test asks for it; what a test has is its own.

`quintet test` brings it, and the checkout's conftest.py. What only the servers need is imported by whoever
asks for one: a test without one runs in the environment of the step that it is about.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quintet.testing import RUN_FOLDER

if TYPE_CHECKING:
    from quintet.testing.servers import PostgresServer, S3Server

_FOLDER = pytest.StashKey[Path]()
"""Where the process that began a run keeps that folder: no worker, nor a run inside another one."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder that the workers of a run share."""
    if RUN_FOLDER not in os.environ:
        os.environ[RUN_FOLDER] = tempfile.mkdtemp(prefix="quintet-tests-")
        config.stash[_FOLDER] = Path(os.environ[RUN_FOLDER])


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the servers that the run has started."""
    if folder := config.stash.get(_FOLDER, None):
        del os.environ[RUN_FOLDER]
        if any(folder.iterdir()):
            from quintet.testing import shared_servers

            shared_servers.end(folder)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_server() -> PostgresServer:
    """The run's Postgres."""
    from quintet.testing import shared_servers

    return shared_servers.postgres()


@pytest.fixture(scope="session")
def s3_server() -> S3Server:
    """The run's S3."""
    from quintet.testing import shared_servers

    return shared_servers.s3()


@pytest.fixture(scope="session")
def mlflow_url() -> str:
    """The URL of the run's MLflow."""
    from quintet.testing import shared_servers

    return shared_servers.mlflow_url()


@pytest.fixture
def database(postgres_server: PostgresServer) -> str:
    """The URL of a fresh, empty database."""
    return postgres_server.url(postgres_server.create_database())


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a fresh bucket; the environment leads boto3 to its server."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server.create_bucket()


@pytest.fixture(scope="session")
def make_database(postgres_server: PostgresServer) -> Callable[[str], str]:
    """Returns the URL, as a pipeline's role, of a fresh database with the pipeline's tables."""
    from quintet.testing import tables

    return lambda pipeline: tables.new_database(postgres_server, pipeline)
