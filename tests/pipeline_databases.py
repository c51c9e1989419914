"""Databases with a pipeline's tables, made as in the cluster: by the owner, for the pipeline's role."""

from __future__ import annotations

from functools import cache
from typing import Any

import yaml

from tests import shared_servers
from tests.conftest import REPOSITORY
from tests.services import PostgresServer

OWNER = "quintet_owner"


@cache
def template(server: PostgresServer, pipeline: str) -> str:
    """Return the name of a pipeline's database that others are copied from; the first call makes it."""
    name = f"template_{pipeline}"
    with shared_servers.alone("template") as run:
        made = run / name
        if not made.exists():
            _make(server, pipeline, name)
            made.touch()
    return name


def _make(server: PostgresServer, pipeline: str, name: str) -> None:
    values = yaml.safe_load((REPOSITORY / "charts/quintet/values.yaml").read_text())
    given: dict[str, Any] = values["postgres"]["pipelines"][pipeline]
    schemas = given["schemas"]
    server.make_role(OWNER)
    server.make_role(pipeline)
    server.execute(f'CREATE DATABASE "{name}" OWNER {OWNER}')
    files = [(REPOSITORY / "charts/postgres/files/schema.sql", schema) for schema in schemas]
    files.append((REPOSITORY / f"pipelines/{pipeline}/tables.sql", schemas[0]))
    if given.get("promotes"):
        files.append((REPOSITORY / "charts/postgres/files/promotion.sql", schemas[0]))
    for file, schema in files:
        statements = file.read_text().replace(':"schema"', schema).replace(':"role"', pipeline)
        server.execute(statements.replace("DATABASE quintet", f"DATABASE {name}"), name, OWNER)
    server.execute(f"ALTER ROLE {pipeline} SET search_path = {schemas[0]}")
