"""Roles, databases and tables of the chart, made in a server as its setup Job makes them, from its files."""

import hashlib
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quintet.local import chart
from quintet.local.postgres import Postgres
from quintet.progress import output

OWNER = "quintet_owner"


def made_of(server: Postgres, passwords: Mapping[str, str]) -> str:
    """Return what `make_databases` makes as a digest: while it is the same, all of it is there.

    Args:
        server: has its data folder, of which the digest is, too.
        passwords: of each role.
    """
    files = [file for file in sorted(chart.SQL.rglob("*")) if file.suffix in (".py", ".sql")]
    born = (server.data / "PG_VERSION").stat().st_mtime_ns
    told = json.dumps([born, dict(passwords), chart.values("postgres")], sort_keys=True)
    parts = [told.encode(), *(part for file in files for part in (file.name.encode(), file.read_bytes()))]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def make_databases(server: Postgres, passwords: Mapping[str, str], folder: Path) -> None:
    """Make roles, databases and tables as the chart's setup Job does, from its files; again changes nothing.

    Args:
        server: is ready.
        passwords: of each role.
        folder: takes the passwords as files, as the files read them; is removed at the end.
    """
    given = chart.values("postgres")
    pipelines = given["pipelines"]
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
        for pipeline in pipelines:
            files += _role(pipeline, folder, given["pipelineRole"])
        promoting = {promotion_role(name): pipelines[name] for name in _promoting()}
        for role in promoting:
            files += _role(role, folder, given["promotionRole"])
        reading = {serving_role(name): pipelines[name] for name in _promoting()}
        for role in reading:
            files += _role(role, folder, given["servingRole"])
        # The last, as it goes into the database and stays there.
        files.append(_file("large_objects.sql", database="quintet"))
        _run(server, files, "postgres")
        schemas = [(role, schema) for role, settings in pipelines.items() for schema in settings["schemas"]]
        files = [_file("schema.sql", role=role, schema=schema) for role, schema in schemas]
        files += [
            _file("promotion_role.sql", role=role, schema=settings["schemas"][0])
            for role, settings in promoting.items()
        ]
        _run(server, files, "quintet", user=OWNER, password=passwords[OWNER])
        files = [
            _file("search_path.sql", role=role, schema=settings["schemas"][0])
            for role, settings in {**pipelines, **reading}.items()
        ]
        _run(server, files, "quintet")
        migrate(server, "quintet", pipelines, passwords[OWNER])
        files = [
            _file("serving_role.sql", role=role, schema=settings["schemas"][0])
            for role, settings in reading.items()
        ]
        _run(server, files, "quintet", user=OWNER, password=passwords[OWNER])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def migrate(
    server: Postgres, database: str, pipelines: Mapping[str, Any], password: str | None = None
) -> None:
    """Bring the tables of pipelines to their newest migration, as the chart's setup Job does.

    Args:
        server: is ready, and has the pipelines' roles and schemas.
        database: belongs to the owner role.
        pipelines: as the chart's values have them.
        password: of the owner role; None where the server asks for none.

    Raises:
        CommandError: with the migration's own sentence.
    """
    login = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": OWNER, "PGDATABASE": database}
    output(
        sys.executable,
        chart.SQL / "migrate.py",
        chart.SQL,
        stdin=json.dumps(pipelines),
        env={**login, "PGPASSWORD": password or ""},
    )


def roles() -> list[str]:
    """Return the roles that `make_databases` makes."""
    owners = [OWNER, *(settings["role"] for settings in chart.values("postgres")["databases"].values())]
    return [*owners, *step_roles(), *map(serving_role, _promoting())]


def step_roles() -> list[str]:
    """Return the roles that steps log in as: one a pipeline, and one for its promotion, if it promotes."""
    return [*chart.values("postgres")["pipelines"], *map(promotion_role, _promoting())]


def promotion_role(pipeline: str) -> str:
    """Return the role that alone writes the record of a pipeline's promotions."""
    return f"{pipeline}_promotion"


def serving_role(pipeline: str) -> str:
    """Return the role by which the inference API reads who is champion in the record of a pipeline."""
    return f"{pipeline}_serving"


def _promoting() -> list[str]:
    pipelines = chart.values("postgres")["pipelines"]
    return [name for name, settings in pipelines.items() if settings.get("promotes")]


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
