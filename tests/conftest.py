"""Fixtures that more than one folder of tests uses. A server starts when the first test asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

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
def make_database(postgres_server: services.PostgresServer) -> Callable[[str], str]:
    """Gives the URL, as a pipeline's role, of a fresh database with the pipeline's tables.

    They are made as in the cluster: by the owner, for that role.
    """
    values = yaml.safe_load((REPOSITORY / "charts/quintet/values.yaml").read_text())
    pipelines: dict[str, Any] = values["postgres"]["pipelines"]
    postgres_server.execute("CREATE ROLE quintet_owner LOGIN")

    @cache
    def template(pipeline: str) -> str:
        schemas = pipelines[pipeline]["schemas"]
        postgres_server.execute(f"CREATE ROLE {pipeline} LOGIN")
        name = postgres_server.create_database(owner="quintet_owner")
        files = [REPOSITORY / "charts/postgres/files/schema.sql"] * len(schemas)
        files.append(REPOSITORY / f"pipelines/{pipeline}/tables.sql")
        given = [*schemas, schemas[0]]
        if pipelines[pipeline].get("promotes"):
            files.append(REPOSITORY / "charts/postgres/files/promotion.sql")
            given.append(schemas[0])
        for file, schema in zip(files, given, strict=True):
            statements = file.read_text().replace(':"schema"', schema).replace(':"role"', pipeline)
            statements = statements.replace("DATABASE quintet", f"DATABASE {name}")
            postgres_server.execute(statements, name, "quintet_owner")
        postgres_server.execute(f"ALTER ROLE {pipeline} SET search_path = {schemas[0]}")
        return name

    def make(pipeline: str) -> str:
        name = postgres_server.create_database(template(pipeline), "quintet_owner")
        return postgres_server.url(name, pipeline)

    return make


@pytest.fixture
def forest_database(make_database: Callable[[str], str]) -> str:
    """The URL, as role `forest`, of a fresh database with the forest's tables."""
    return make_database("forest")
