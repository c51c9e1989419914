"""Fixtures that more than one folder of tests uses. A server starts when the first test asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import services

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[services.PostgresServer]:
    with services.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[services.S3Server]:
    with services.s3() as server:
        yield server


@pytest.fixture(scope="session")
def mlflow_url() -> Iterator[str]:
    with services.mlflow_server() as url:
        yield url


@pytest.fixture
def database(postgres_server: services.PostgresServer) -> str:
    """The URL of a fresh, empty database."""
    return postgres_server.url(postgres_server.create_database())


@pytest.fixture
def bucket(s3_server: services.S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a fresh bucket; the environment leads boto3 to its server."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server.create_bucket()


@pytest.fixture(scope="session")
def forest_template(postgres_server: services.PostgresServer) -> str:
    """The name of a database with the forest's tables, made as in the cluster: by the owner, for `forest`."""
    for role in ("quintet_owner", "forest"):
        postgres_server.execute(f"CREATE ROLE {role} LOGIN")
    name = postgres_server.create_database(owner="quintet_owner")
    tables = (REPOSITORY / "pipelines/forest/tables.sql").read_text()
    postgres_server.execute(tables, name, "quintet_owner")
    return name


@pytest.fixture
def forest_database(postgres_server: services.PostgresServer, forest_template: str) -> str:
    """The URL, as role `forest`, of a fresh database with the forest's tables."""
    name = postgres_server.create_database(forest_template, "quintet_owner")
    return postgres_server.url(name, "forest")
