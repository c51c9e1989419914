"""Refuses a pipeline whose names another one has, before anything of its release is made.

The platform says in the ConfigMap `pipelines` what its own pipelines have; whose a schema of the database
is stands in its comment. Two pipelines in releases of their own have nothing in common, as their names begin
all that they have.

Usage: check.py <pipeline> <JSON of what it has: kind -> names> [<schema> ...]

Where there are schemas, libpq's environment leads to the database. An exit code of 2 is a refusal.
"""

import json
import sys
import time
from pathlib import Path

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


def foreign_schemas(pipeline: str, schemas: list[str]) -> list[str]:
    """Return a sentence for each schema that is there and not this pipeline's."""
    import psycopg2

    for number in range(TRIES):
        try:
            connection = psycopg2.connect("dbname=quintet connect_timeout=5")
            break
        except psycopg2.OperationalError as error:
            if number == TRIES - 1:
                return [f"Postgres does not answer ({str(error).strip()}): `quintet status` says why."]
            time.sleep(PAUSE_SECONDS)
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
        found = foreign_schemas(pipeline, list(schemas))
    for sentence in found:
        print(sentence, file=sys.stderr)
    if found:
        sys.exit(2)
    print(f"Nobody else has what {pipeline} has.")


if __name__ == "__main__":
    main(*sys.argv[1:])
