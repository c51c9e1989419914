"""Refuses a pipeline whose names another one has, before anything of its release is made.

The platform says in the ConfigMap `pipelines` what its own pipelines have; whose a schema of the database
is stands in its comment. Two pipelines in releases of their own have nothing in common, as their names begin
all that they have.

Usage: check.py <pipeline> <JSON of what it has: kind -> names> [<schema> ...]

Where there are schemas, libpq's environment leads to the database. Where the platform has the server,
SESSIONS says how many sessions the pipeline's roles may open, and RESERVED how many of the server are for no
role. An exit code of 2 is a refusal.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

PLATFORM = Path("/etc/platform/claims.json")
TRIES, PAUSE_SECONDS = 15, 2


def collisions(
    pipeline: str, own: dict[str, list[str]], others: dict[str, dict[str, list[str]]]
) -> list[str]:
    """Return a sentence for each name that a pipeline of the platform has too."""
    if pipeline in others:
        return [
            f"The platform's own release has a pipeline {pipeline}: take another name, or leave that one out."
        ]
    return [
        f"The {kind} {name} is that of the platform's pipeline {other}: take another one in pipeline.yaml."
        for other, theirs in sorted(others.items())
        for kind, names in own.items()
        for name in names
        for taken in theirs.get(kind, [])
        if name == taken or (kind == "prefix" and (name.startswith(taken) or taken.startswith(name)))
    ]


def connected() -> Any:
    """Return a connection to the database; exits with 2 where there is none."""
    import psycopg2

    reason = ""
    for _ in range(TRIES):
        try:
            return psycopg2.connect("dbname=quintet connect_timeout=5")
        except psycopg2.OperationalError as error:
            reason = str(error).strip()
            time.sleep(PAUSE_SECONDS)
    print(f"Postgres does not answer ({reason}): `quintet status` says why.", file=sys.stderr)
    sys.exit(2)


def without_room(connection: Any, pipeline: str, sessions: int, reserved: int) -> list[str]:
    """Return a sentence where the server has no room for the sessions of a pipeline's roles."""
    own = [pipeline, f"{pipeline}_promotion", f"{pipeline}_serving"]
    with connection, connection.cursor() as rows:
        rows.execute(
            "SELECT current_setting('max_connections')::int - coalesce(sum(rolconnlimit), 0) FROM pg_roles"
            " WHERE rolcanlogin AND rolconnlimit > 0 AND rolname <> ALL (%s)",
            (own,),
        )
        room = max(rows.fetchone()[0] - reserved, 0)
    if sessions <= room:
        return []
    return [
        f"The roles of {pipeline} may open {sessions} sessions, and Postgres has room for {room} more: raise"
        " postgres.ownReleases in the values of the platform, or take another pipeline's release away."
    ]


def foreign_schemas(connection: Any, pipeline: str, schemas: list[str]) -> list[str]:
    """Return a sentence for each schema that is there and not this pipeline's."""
    with connection, connection.cursor() as rows:
        rows.execute(
            "SELECT nspname, obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = ANY (%s)",
            (schemas,),
        )
        return [
            f"The schema {schema} is there already and not of the pipeline {pipeline}"
            f" ({comment or 'nothing says whose'}): give it another name in pipeline.yaml."
            for schema, comment in rows.fetchall()
            if comment != f"Of the pipeline {pipeline}"
        ]


def main(pipeline: str, claims: str, *schemas: str) -> None:
    """Exit with 2 and the sentences, where there are some."""
    if not PLATFORM.exists():
        sys.exit("This namespace has no platform of Quintet: install charts/quintet in it first.")
    own, others = json.loads(claims), json.loads(PLATFORM.read_text(encoding="utf-8"))
    found = collisions(pipeline, own, others)
    if not found and schemas:
        connection = connected()
        found = foreign_schemas(connection, pipeline, list(schemas))
        if "SESSIONS" in os.environ:
            sessions, reserved = (int(os.environ[name]) for name in ("SESSIONS", "RESERVED"))
            found += without_room(connection, pipeline, sessions, reserved)
    for sentence in found:
        print(sentence, file=sys.stderr)
    if found:
        sys.exit(2)
    print(f"Nobody else has what {pipeline} has.")


if __name__ == "__main__":
    main(*sys.argv[1:])
