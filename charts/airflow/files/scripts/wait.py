"""Wait for Airflow's database: until it answers, or until it has the schema of this image.

Goals: `reachable`; `migrated`; `known`, which asks for some seconds only whether this image can work on it:
for `helm rollback`, which a database that is away must not hold up. A schema from ahead ends each with a
sentence: nothing that runs here could change it.

`airflow db check-migrations` tells the same, but imports Airflow for 3 s of CPU in each pod that waits.
"""

import os
import re
import sys
import sysconfig
import time
from pathlib import Path

import psycopg2
from psycopg2.extensions import parse_dsn

MIGRATIONS = Path(sysconfig.get_path("purelib"), "airflow/migrations/versions")
KNOWN_SECONDS = 15


def known_revisions(folder: Path) -> tuple[set[str], str]:
    """Return the migrations of `folder`, and the one of them that no other one follows."""
    text = "\n".join(path.read_text() for path in sorted(folder.glob("*.py")))
    revisions = set(re.findall(r"^revision\b.*?[\"'](\w+)[\"']", text, re.MULTILINE))
    followed = set(re.findall(r"^down_revision\b.*?[\"'](\w+)[\"']", text, re.MULTILINE))
    newest: str
    (newest,) = revisions - followed
    return revisions, newest


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


def lacking(goal: str) -> str | None:
    """Return what is still lacking for `goal`; None when it is reached.

    Raises:
        SystemExit: with a sentence, when the schema is from ahead, or the URL is invalid.
    """
    variable = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
    url = os.environ[variable].replace("+psycopg2", "", 1)
    refuse_unreadable(variable, url)
    try:
        with psycopg2.connect(url, connect_timeout=5) as connection, connection.cursor() as cursor:
            cursor.execute("select version_num from alembic_version")
            row = cursor.fetchone()
    except psycopg2.errors.UndefinedTable:
        row = None
    except psycopg2.Error as error:
        return f"the database does not answer yet: {str(error).strip()}"
    found = row[0] if row else None
    if found is None and goal != "migrated":
        return None
    known, needed = known_revisions(MIGRATIONS)
    if found is not None and found not in known:
        sys.exit(
            f"Airflow's database has the schema {found} of a later release, which this image does not know. "
            "Install that release again, such as by `helm rollback` to its revision. To go back all the "
            "same, let its image take the schema back first: airflow db downgrade --to-revision " + needed
        )
    if goal != "migrated" or found == needed:
        return None
    return f"the database has schema {found}, this image needs {needed}: see Job airflow-migrate"


def main(goal: str) -> None:
    """Return once `goal` is reached; print what is lacking whenever that changes."""
    said = None
    deadline = time.monotonic() + KNOWN_SECONDS
    while reason := lacking(goal):
        if reason != said:
            print(reason, flush=True)
        said = reason
        if goal == "known" and time.monotonic() > deadline:
            return
        time.sleep(1)


if __name__ == "__main__":
    main(sys.argv[1])
