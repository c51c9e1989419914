"""Roles, databases and tables of the chart and the pipelines, made as the chart's setup Job makes them."""

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quintet.local import chart
from quintet.local.postgres import Postgres
from quintet.paths import PIPELINES
from quintet.pipelines import Pipeline, pipelines
from quintet.progress import output

OWNER = "quintet_owner"


def made_of(server: Postgres, passwords: Mapping[str, str]) -> str:
    """Return what `make_databases` makes as a digest: while it is the same, all of it is there.

    Args:
        server: has its data folder, of which the digest is, too.
        passwords: of each role.
    """
    # The pipelines' beside the chart's, which only links to them: `rglob` follows no link.
    own = [pipeline.folder / "migrations" for pipeline in _with_tables().values()]
    found = [file for folder in (chart.SQL, *own) for file in sorted(folder.rglob("*"))]
    files = [file for file in found if file.suffix in (".py", ".sql")]
    born = (server.data / "PG_VERSION").stat().st_mtime_ns
    given = json.dumps([born, dict(passwords), chart.values("postgres"), told()], sort_keys=True)
    parts = [given.encode(), *(part for file in files for part in (file.name.encode(), file.read_bytes()))]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def make_databases(server: Postgres, passwords: Mapping[str, str], folder: Path) -> None:
    """Make roles, databases and tables as the chart's setup Job does, from its files; again changes nothing.

    Args:
        server: is ready.
        passwords: of each role.
        folder: takes the passwords as files, as the files read them; is removed at the end.
    """
    given = chart.values("postgres")
    owning = _with_tables()
    promoting = {role: each for each in owning.values() for role in each.step_roles if role != each.name}
    reading = {role: each for each in owning.values() for role in each.serving_roles}
    try:
        for role, password in passwords.items():
            place = folder / role.replace("_", "-")
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            (place / "password").write_text(password)
        files = _role(OWNER, folder)
        for database, settings in given["databases"].items():
            files += _role(settings["role"], folder, settings) + _database(database, settings["role"])
        files += _database("quintet", OWNER)
        files += [_file("private.sql", database=database) for database in ("postgres", "template1")]
        for role in owning:
            files += _role(role, folder, given["pipelineRole"])
        for role in promoting:
            files += _role(role, folder, given["promotionRole"])
        for role in reading:
            files += _role(role, folder, given["servingRole"])
        # The last, as it goes into the database and stays there.
        files.append(_file("large_objects.sql", database="quintet"))
        _run(server, files, "postgres")
        schemas = [(role, schema) for role, pipeline in owning.items() for schema in pipeline.schemas]
        files = [
            _file("schema.sql", role=role, schema=schema, comment=owning[role].schema_comment)
            for role, schema in schemas
        ]
        files += [
            _file("promotion_role.sql", role=role, schema=pipeline.schemas[0])
            for role, pipeline in promoting.items()
        ]
        _run(server, files, "quintet", user=OWNER, password=passwords[OWNER])
        files = [
            _file("search_path.sql", role=role, schema=pipeline.schemas[0])
            for role, pipeline in {**owning, **reading}.items()
        ]
        _run(server, files, "quintet")
        migrate(server, "quintet", told(), passwords[OWNER])
        files = [
            _file("serving_role.sql", role=role, schema=pipeline.schemas[0])
            for role, pipeline in reading.items()
        ]
        _run(server, files, "quintet", user=OWNER, password=passwords[OWNER])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def migrate(server: Postgres, database: str, given: Mapping[str, Any], password: str | None = None) -> None:
    """Bring the tables of pipelines to their newest migration, as the chart's setup Job does.

    Args:
        server: is ready, and has the pipelines' roles and schemas.
        database: belongs to the owner role.
        given: pipelines as `told` has them.
        password: of the owner role; None where the server asks for none.

    Raises:
        CommandError: with the migration's own sentence.
    """
    with tempfile.TemporaryDirectory(prefix="quintet-migrations-") as folder:
        # The chart's own folder has the pipelines of its checkout, where there is one.
        (Path(folder) / "pipelines").symlink_to(PIPELINES)
        (Path(folder) / "promotion").symlink_to(chart.SQL / "promotion")
        _migrate(server, database, folder, given, password)


def _migrate(
    server: Postgres, database: str, folder: str, given: Mapping[str, Any], password: str | None
) -> None:
    login = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": OWNER, "PGDATABASE": database}
    output(
        sys.executable,
        chart.SQL / "migrate.py",
        folder,
        stdin=json.dumps(given),
        env={**login, "PGPASSWORD": password or ""},
    )


def told() -> dict[str, Any]:
    """Return what the chart's migrations are told of each pipeline with tables."""
    return {
        name: {"schemas": pipeline.schemas, "promotes": pipeline.promotes}
        for name, pipeline in _with_tables().items()
    }


def roles() -> list[str]:
    """Return the roles that `make_databases` makes."""
    owners = [OWNER, *(settings["role"] for settings in chart.values("postgres")["databases"].values())]
    reading = [role for pipeline in pipelines().values() for role in pipeline.serving_roles]
    return [*owners, *step_roles(), *reading]


def step_roles() -> list[str]:
    """Return the roles that steps log in as: one a pipeline, and one for its promotion, if it promotes."""
    return [role for pipeline in pipelines().values() for role in pipeline.step_roles]


def _with_tables() -> dict[str, Pipeline]:
    return {name: pipeline for name, pipeline in pipelines().items() if pipeline.schemas}


def _role(role: str, folder: Path, limits: Mapping[str, Any] | None = None) -> list[str]:
    connections = "-1" if limits is None else str(limits["connections"])
    secret = role.replace("_", "-")
    files = [_file("role.sql", role=role, connections=connections, secrets=str(folder), secret=secret)]
    if limits is not None:
        timeouts = {
            "statement_timeout": limits["statementTimeout"],
            "lock_timeout": limits["lockTimeout"],
            "idle_timeout": limits["idleInTransactionTimeout"],
        }
        files.append(_file("limits.sql", role=role, **timeouts))
    return files


def _database(database: str, owner: str) -> list[str]:
    return [_file("database.sql", database=database, owner=owner), _file("private.sql", database=database)]


def _file(name: str, **variables: str) -> str:
    """Spell in psql's words the run of one of the chart's files, with its variables."""
    lines = [f"\\set {variable} {_quoted(value)}" for variable, value in variables.items()]
    return "\n".join([*lines, f"\\include {_quoted(str(chart.SQL / name))}"])


def _quoted(text: str) -> str:
    doubled = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"


def _run(server: Postgres, files: list[str], dbname: str, **login: str) -> None:
    """Run files in one session: each session costs as much as what a file does in it."""
    server.psql(f"--dbname={dbname}", "--file=-", stdin="\n".join(files) + "\n", **login)
