"""Databases with a pipeline's tables, made as in the cluster: by the owner, for the pipeline's role."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from quintet.testing import shared_servers
from quintet.testing.servers import PostgresServer

OWNER = "quintet_owner"


def new_database(server: PostgresServer, pipeline: str) -> str:
    """Return the URL, as a pipeline's role, of a fresh database with the pipeline's tables."""
    name = server.create_database(template(server, pipeline), OWNER)
    return server.url(name, pipeline)


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
    from quintet.local import databases
    from quintet.local.postgres import Postgres
    from quintet.pipelines import pipelines

    reading, given = pipelines()[pipeline].serving_roles, databases.told()[pipeline]
    server.make_role(OWNER)
    server.make_role(pipeline)
    server.execute(f'CREATE DATABASE "{name}" OWNER {OWNER}')
    make_schemas(server, pipeline, given, name)
    databases.migrate(Postgres(Path(), server.port, None), name, {pipeline: given})
    for role in reading:
        server.make_role(role)
        _run(server, name, "serving_role.sql", role, given["schemas"][0])
    for role in (pipeline, *reading):
        server.execute(f"ALTER ROLE {role} SET search_path = {given['schemas'][0]}")


def make_schemas(server: PostgresServer, pipeline: str, given: Mapping[str, Any], database: str) -> None:
    """Make the schemas of a pipeline, for its role and that of its promotion."""
    for schema in given["schemas"]:
        _run(server, database, "schema.sql", pipeline, schema, comment=f"Of the pipeline {pipeline}")
    if given.get("promotes"):
        role = f"{pipeline}_promotion"
        server.make_role(role)
        _run(server, database, "promotion_role.sql", role, given["schemas"][0])


def _run(server: PostgresServer, database: str, file: str, role: str, schema: str, **more: str) -> None:
    from quintet.local import chart
    from quintet.local.postgres import Postgres

    values = {"role": role, "schema": schema, **more}
    variables = [f"--set={name}={value}" for name, value in values.items()]
    Postgres(Path(), server.port, None).psql(
        f"--dbname={database}", *variables, f"--file={chart.SQL / file}", user=OWNER
    )
