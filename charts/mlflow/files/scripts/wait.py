"""Wait for MLflow's databases: until they answer, or until the first has the schema of this image.

Goals: `reachable`; `migrated`; `known`, which asks for some seconds only whether this image can work on them:
for `helm rollback`, which a database that is away must not hold up. A schema from ahead ends each with a
sentence: nothing that runs here could change it. The server brings the schema of its users to that of the
image by itself.
"""

import importlib.util
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from alembic.script import ScriptDirectory
from psycopg2.extensions import parse_dsn

KNOWN_SECONDS = 15


@dataclass(frozen=True)
class Database:
    """One of the two: the variable with its URL, how to ask for its schema, and its migrations' folder."""

    variable: str
    query: str
    migrations: str


TRACKING = Database(
    "MLFLOW_BACKEND_STORE_URI", "SELECT version_num FROM alembic_version", "store/db_migrations"
)
USERS = Database(
    "AUTH_DATABASE_URI", "SELECT version_num FROM alembic_version_auth", "server/auth/db/migrations"
)


def script(database: Database) -> ScriptDirectory:
    """Return the image's migrations, by their files alone: importing MLflow would take seconds."""
    spec = importlib.util.find_spec("mlflow")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("MLflow is not installed: this script is for the image mlflow.")
    return ScriptDirectory(str(Path(spec.origin).parent / database.migrations))


def refuse_unreadable(variable: str, url: str) -> None:
    """Refuse a URL whose parts libpq does not find where they are meant: its errors quote most of them.

    Raises:
        SystemExit: with a sentence, when parts of a password would be a port, a host or a database.
    """
    try:
        parts = parse_dsn(url)
    except psycopg2.ProgrammingError:
        parts = {"port": ""}
    ports = parts.get("port", "5432").split(",")
    if not all(map(str.isdecimal, ports)) or "@" in parts.get("host", "") + parts.get("dbname", ""):
        sys.exit(
            f"{variable} is not a URL like postgresql://role:...@host:5432/database: characters of its "
            "password that are not letters or digits are written as %XX. Correct the Secret that holds it."
        )


def lacking(goal: str, database: Database) -> str | None:
    """Return what is still lacking for `goal`; None when it is reached.

    Raises:
        SystemExit: with a sentence, when the schema is from ahead, or the URL is invalid.
    """
    url = os.environ[database.variable].replace("+psycopg2", "", 1)
    refuse_unreadable(database.variable, url)
    try:
        with psycopg2.connect(url, connect_timeout=5) as connection, connection.cursor() as cursor:
            cursor.execute(database.query)
            row = cursor.fetchone()
    except psycopg2.errors.UndefinedTable:
        row = None
    except psycopg2.Error as error:
        return f"the database does not answer yet: {str(error).strip()}"
    found = row[0] if row else None
    waits = goal == "migrated" and database is TRACKING
    if found is None and not waits:
        return None
    migrations = script(database)
    if found is not None and found not in {revision.revision for revision in migrations.walk_revisions()}:
        sys.exit(
            f"MLflow's database of {database.variable} has the schema {found} of a later release, which this "
            "image does not know, and MLflow takes none back. Install that release again, such as by "
            "`helm rollback` to its revision. To go back all the same, restore a backup of the database from "
            "before it first."
        )
    needed = migrations.get_current_head()
    if not waits or found == needed:
        return None
    return f"the database has schema {found}, this image needs {needed}: see Job mlflow-upgrade"


def main(goal: str) -> None:
    """Return once `goal` is reached; print what is lacking whenever that changes."""
    said = None
    deadline = time.monotonic() + KNOWN_SECONDS
    while reason := lacking(goal, TRACKING) or lacking(goal, USERS):
        if reason != said:
            print(reason, flush=True)
        said = reason
        if goal == "known" and time.monotonic() > deadline:
            return
        time.sleep(1)


if __name__ == "__main__":
    main(sys.argv[1])
